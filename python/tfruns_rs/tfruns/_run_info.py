"""One run, read whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs import _core
from tfruns_rs.errors import RunNotFoundError
from tfruns_rs.tfruns import _json
from tfruns_rs.tfruns._options import runs_dir_or_option
from tfruns_rs.tfruns._run_dir import run_dirs

if TYPE_CHECKING:
    import polars as pl

    from tfruns_rs.tfruns._run_dir import PathLike, Runs

_SUMMARIES = {"model": "(model summary)", "source_code": "(source archive)", "output": "(script output)"}


class RunInfo(Mapping[str, Any]):
    """A run as it was when it was read: the columns of `ls_runs()` as attributes and keys.

    `metrics` is a frame with a row an epoch; texts are whole.

    Examples:
        >>> info = latest_run()  # doctest: +SKIP
        >>> info.flag_learning_rate, info["status"]  # doctest: +SKIP
        (0.01, 'completed')
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_values", dict(values))

    def __getitem__(self, name: str) -> Any:
        return cast("dict[str, Any]", self._values)[name]

    def __getattr__(self, name: str) -> Any:
        try:
            values: dict[str, Any] = object.__getattribute__(self, "_values")
            return values[name]
        except KeyError:
            raise AttributeError(f"the run has no {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a RunInfo can't be changed")

    def __reduce__(self) -> tuple[Any, ...]:
        return (RunInfo, (self._values,))

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._values]

    def __repr__(self) -> str:
        width = max(map(len, self._values))
        return "\n".join(f"{name:<{width}} : {_shown(name, value)}" for name, value in self._values.items())

    def _repr_html_(self) -> str:
        from tfruns_rs.views._notebook import run_html

        return run_html(self)

    def to_dict(self) -> dict[str, Any]:
        """The values as a dictionary."""
        return dict(self._values)


def _shown(name: str, value: Any) -> str:
    if name == "metrics" and hasattr(value, "shape"):
        return f"(metrics, {value.shape[0]} rows of {', '.join(value.columns)})"
    if name in _SUMMARIES and value is not None:
        return _SUMMARIES[name]
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    text = value if isinstance(value, str) and name == "run_dir" else repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"  # noqa: PLR2004 - a line


def run_info(run_dir: Runs) -> RunInfo | list[RunInfo]:
    """All that is known of a run.

    Args:
        run_dir: A path, a name below the option `runs_dir`, a frame of `ls_runs()`, or several.

    Returns:
        One `RunInfo` for one run, else a list.

    Raises:
        RunNotFoundError: There is no such directory, or it holds no run.

    Examples:
        >>> import tfruns_rs as tfr
        >>> run = tfr.unique_run_dir(tmp_path)
        >>> tfr.write_run_metadata("flags", {"lr": 0.1}, run)
        >>> tfr.run_info(run).flag_lr
        0.1
    """
    infos = [_info(path) for path in run_dirs(run_dir)]
    return infos[0] if len(infos) == 1 else infos


def latest_run(runs_dir: PathLike | None = None) -> RunInfo | None:
    """The run that started last, by name where several started at once; None if there are no runs.

    Args:
        runs_dir: Where the runs are; None for the option `runs_dir`.

    Examples:
        >>> import tfruns_rs as tfr
        >>> run = tfr.unique_run_dir(tmp_path)
        >>> tfr.write_run_metadata("evaluation", {"accuracy": 0.9}, run)
        >>> tfr.latest_run(tmp_path).eval_accuracy
        0.9
    """
    import polars as pl

    runs = pl.DataFrame(_core.scan_runs(runs_dir_or_option(runs_dir), latest_n=1, columns=["run_dir"]))
    return None if runs.is_empty() else _info(runs["run_dir"][0])


def _info(path: str) -> RunInfo:
    import polars as pl

    try:
        stream = _core.read_run(path)
    except (FileNotFoundError, NotADirectoryError):
        raise RunNotFoundError(f"there is no run directory {path}") from None
    if stream is None:
        raise RunNotFoundError(f"{path} is no run directory: it has no tfruns.d")
    values = pl.DataFrame(stream).row(0, named=True)
    if "metrics" in values:
        values["metrics"] = read_metrics(values["metrics"])
    return RunInfo(values)


def read_metrics(path: str) -> pl.DataFrame:
    """The frame of a `metrics.json`: its columns, padded to one length; empty if it can't be read."""
    import polars as pl

    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - as cheap as it gets
            columns: Any = json.load(file)
    except (OSError, ValueError, RecursionError):
        return pl.DataFrame()
    if not isinstance(columns, dict):
        return pl.DataFrame()
    lists = {
        name: cast("list[Any]", values) if isinstance(values, list) else [values]
        for name, values in cast("dict[str, Any]", columns).items()
    }
    longest = max(map(len, lists.values()), default=0)
    series = [_series(name, values + [None] * (longest - len(values))) for name, values in lists.items()]
    return pl.DataFrame(series)


_NUMBERS = {"NaN": float("nan"), "Inf": float("inf"), "-Inf": float("-inf")}


def _series(name: str, values: list[Any]) -> pl.Series:
    import polars as pl

    values = [_NUMBERS.get(value, value) if isinstance(value, str) else value for value in values]
    kinds: set[type] = {type(value) for value in values if value is not None}
    if kinds == {int} and all(abs(value) < 1 << 63 for value in values if value is not None):
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds <= {int, float, bool}:
        return pl.Series(
            name, [None if value is None else float(value) for value in values], dtype=pl.Float64
        )
    return pl.Series(
        name, [None if value is None else _json.text(value) for value in values], dtype=pl.String
    )
