"""The flags of a training run: declared in the script, set from outside."""

from __future__ import annotations

import math
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, NoReturn, cast

from tfruns_rs.errors import FlagsError, InvalidEventError
from tfruns_rs.tfruns import _active, _flag_values, _json
from tfruns_rs.tfruns._flag import Flag, Quoted
from tfruns_rs.tfruns._run_metadata import masked, present, write_run_metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

_DEFAULT_FILE = "flags.yml"


class Flags(Mapping[str, Any]):
    """The values of flags: `FLAGS.learning_rate` or `FLAGS["learning_rate"]`.

    A flag that is called like a method or attribute of this class, such as `items` or `types`, has the second
    form only.

    Attributes:
        types: "numeric", "integer", "boolean" or "string", by name.
        defaults: The declared values, by name.
        descriptions: What they mean, by name; None where nothing is said.
        sources: Where each value comes from, by name: "default", a file, "command line" or "training_run".

    Examples:
        >>> FLAGS = tfr.flags(tfr.flag_numeric("learning_rate", 0.01), arguments=["--learning-rate=0.1"])
        >>> FLAGS.learning_rate
        0.1
    """

    __slots__ = ("_flags", "_sources", "_values")

    def __init__(
        self, declared: Sequence[Flag], values: Mapping[str, Any], sources: Mapping[str, str]
    ) -> None:
        object.__setattr__(self, "_flags", tuple(declared))
        object.__setattr__(self, "_values", dict(values))
        object.__setattr__(self, "_sources", dict(sources))

    def __getitem__(self, name: str) -> Any:
        return cast("dict[str, Any]", self._values)[name]

    def __getattr__(self, name: str) -> Any:
        values: dict[str, Any] = object.__getattribute__(self, "_values")
        try:
            return values[name]
        except KeyError:
            raise AttributeError(f"there is no flag {name!r}; flags are {', '.join(values)}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("flags can't be changed")

    def __iter__(self) -> Iterator[str]:
        return iter(cast("dict[str, Any]", self._values))

    def __len__(self) -> int:
        return len(cast("dict[str, Any]", self._values))

    def __reduce__(self) -> tuple[Any, ...]:
        return (Flags, (self._flags, self._values, self._sources))

    @property
    def types(self) -> dict[str, str]:
        """Types by name."""
        return {flag.name: flag.type for flag in self._declared}

    @property
    def defaults(self) -> dict[str, Any]:
        """Declared values by name."""
        return {flag.name: flag.default for flag in self._declared}

    @property
    def descriptions(self) -> dict[str, str | None]:
        """Descriptions by name."""
        return {flag.name: flag.description for flag in self._declared}

    @property
    def sources(self) -> dict[str, str]:
        """Where values come from, by name."""
        return dict(cast("dict[str, str]", self._sources))

    @property
    def _declared(self) -> tuple[Flag, ...]:
        return cast("tuple[Flag, ...]", self._flags)

    def to_frame(self) -> pl.DataFrame:
        """A frame: name, type, value (as text), description."""
        import polars as pl

        columns = {name: list(column) for name, column in zip(_COLUMNS, self._columns(), strict=True)}
        return pl.DataFrame(columns, schema=dict.fromkeys(_COLUMNS, pl.String))

    def _columns(self) -> tuple[list[str], list[str], list[str | None], list[str | None]]:
        values = [None if self[flag.name] is None else _json.text(self[flag.name]) for flag in self._declared]
        return (
            [flag.name for flag in self._declared],
            [flag.type for flag in self._declared],
            values,
            [flag.description for flag in self._declared],
        )

    def __repr__(self) -> str:
        columns = [
            [header, *("" if cell is None else " ".join(cell.split()) for cell in column)]
            for header, column in zip(_COLUMNS, self._columns(), strict=True)
        ]
        widths = [max(map(len, column)) for column in columns]
        rows = zip(*columns, strict=True)
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
        )
        return "\n".join(line.rstrip() for line in lines)


_COLUMNS = ("name", "type", "value", "description")


def flags(
    *definitions: Flag | Sequence[Flag],
    config: str | None = None,
    file: str | os.PathLike[str] | None = None,
    arguments: Sequence[str] | None = None,
    unknown: Literal["error", "ignore"] = "error",
) -> Flags:
    """Declares flags and gives their values. In an active run they are recorded.

    Values, from the weakest: the default, the YAML file, the command line, `training_run(flags=…)`.

    Args:
        *definitions: Flags, or one list of them.
        config: The configuration of the YAML file; None for that of `training_run`, of `TFRUNS_CONFIG` or
            `R_CONFIG_ACTIVE`, else "default".
        file: The YAML file; None for that of `training_run`, else `flags.yml` if there is one.
        arguments: The command line; None for that of the script (nothing in a notebook or under pytest).
        unknown: What to do about values of flags that are not declared: "error", or "ignore" them.

    Raises:
        FlagsError: A flag that is not declared, is declared twice, or can't be converted to its type.
        ValueError: An `unknown` that means nothing.

    Examples:
        >>> FLAGS = tfr.flags(
        ...     tfr.flag_numeric("learning_rate", 0.01, "Initial learning rate"),
        ...     tfr.flag_boolean("fake_data", False),
        ...     arguments=["--fake-data"],
        ... )
        >>> FLAGS.fake_data
        True
    """
    if unknown not in {"error", "ignore"}:
        raise ValueError(f'unknown is "error" or "ignore", not {unknown!r}')
    declared = _declared(definitions)
    run = _active.current()
    values = {flag.name: flag.default for flag in declared}
    sources = dict.fromkeys(values, "default")
    if declared:
        by_name = {flag.name.replace("-", "_"): flag for flag in declared}
        arguments = _flag_values.default_arguments() if arguments is None else list(arguments)
        if "--help" in arguments:
            _help(declared)
        for source, given in _given(run, config, file, arguments, by_name):
            undeclared = [name for name in given if name.replace("-", "_") not in by_name]
            if undeclared and unknown == "error":
                names = ", ".join(undeclared)
                known = ", ".join(flag.name for flag in declared)
                message = f"The following flags were provided but not declared: {names} (declared: {known})"
                raise FlagsError(message)
            for name, value in given.items():
                flag = by_name.get(name.replace("-", "_"))
                converted = None if flag is None else flag.convert(value)
                if flag is not None and (converted is not None or (value is None and flag.optional)):
                    values[flag.name] = converted
                    sources[flag.name] = source
    result = Flags(declared, values, sources)
    if run is not None:
        write_run_metadata("flags", result)
        log_flags(run.run_dir, result)
    return result


def log_flags(run_dir: str, values: Mapping[str, Any]) -> None:
    """Writes flags as TensorBoard's hyperparameters into the run's logs. What it can't show is left out."""
    from tfruns_rs.tfevents._hparams import log_hparams
    from tfruns_rs.tfevents._logdir import with_logdir

    shown = {name: value for name, value in masked(present(values)).items() if _is_shown(value)}
    if not shown or _active.rank() > 0:
        return
    with suppress(InvalidEventError, OSError), with_logdir(f"{run_dir}/logs"):
        log_hparams(shown, trial_id=os.path.basename(run_dir))  # noqa: PTH119 - texts stay as given


def _is_shown(value: Any) -> bool:
    return isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value))


def _declared(definitions: Sequence[Flag | Sequence[Flag]]) -> list[Flag]:
    if len(definitions) == 1 and not isinstance(definitions[0], Flag):
        definitions = definitions[0]
    declared = list(cast("Sequence[Flag]", definitions))
    seen: set[str] = set()
    for flag in declared:
        if not isinstance(flag, Flag):  # pyright: ignore[reportUnnecessaryIsInstance] - what users pass
            raise FlagsError(f"a flag is declared by flag_numeric() and the like, not {flag!r}")
        name = flag.name.replace("-", "_")
        if name in seen:
            raise FlagsError(f"A flag named '{flag.name}' has already been defined")
        seen.add(name)
    return declared


def _given(
    run: _active.ActiveRun | None,
    config: str | None,
    file: str | os.PathLike[str] | None,
    arguments: Sequence[str],
    by_name: Mapping[str, Flag],
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    config = (
        config or (run and run.config) or os.environ.get("TFRUNS_CONFIG") or os.environ.get("R_CONFIG_ACTIVE")
    )
    path = file or (run and run.flags_file)
    if path is not None and not os.path.exists(path):  # noqa: PTH110 - pathlib costs import time
        warnings.warn(f"the flags file {os.fspath(path)} does not exist", stacklevel=3)
        path = None
    elif path is None and os.path.exists(_DEFAULT_FILE):  # noqa: PTH110
        path = _DEFAULT_FILE
    if path is not None:
        yield os.fspath(path), _flag_values.from_file(path, config or "default")
    yield "command line", _flag_values.from_arguments(arguments, by_name)
    if run is not None and run.flags:
        # What is a text in Python stays one, whatever it reads like.
        texts = {name for name, flag in by_name.items() if flag.type == "string"}
        yield (
            "training_run",
            {
                name: Quoted(value) if isinstance(value, str) and name.replace("-", "_") in texts else value
                for name, value in run.flags.items()
            },
        )


def _help(declared: Sequence[Flag]) -> NoReturn:
    width = max(len(flag.name) for flag in declared) + 4
    lines = ["", "Options:"]
    for flag in declared:
        option = "--" + flag.name.replace("_", "-")
        default = "" if flag.default is None else f"({_json.text(flag.default)})"
        lines.append(f"  {option:<{width}}    {' '.join(filter(None, (flag.description, default)))}")
    print("\n".join(lines))  # noqa: T201 - what --help does
    sys.exit(0)
