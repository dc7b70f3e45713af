"""What a sweep runs: flags as a grid or a frame, a sample of them, and the keys that name them for ever."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from tfruns_rs.errors import FlagsError
from tfruns_rs.tfruns import _json
from tfruns_rs.tfruns._run_metadata import columns_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

Flags = dict[str, Any]


class Trial(NamedTuple):
    """A combination of flags to run.

    Attributes:
        number: Its place in the sweep, from 1.
        key: Names it for ever: the hash of its flags, and which occurrence of them it is.
        flags: Their values.
    """

    number: int
    key: str
    flags: Flags


def combinations(flags: Any) -> tuple[list[Flags], bool]:
    """All combinations, and whether they are a grid.

    A mapping of flags to values is the full grid, the first flag varying fastest; a frame's rows are taken as
    they are. A missing value leaves the flag to its default.

    Raises:
        FlagsError: It is neither, or a value is nothing that a flag can be.
    """
    if is_mapping(flags) and flags:
        given = cast("Mapping[Any, Any]", flags)
        names = [str(name) for name in given]
        columns = [values_of(name, values) for name, values in given.items()]
        rows = (reversed(row) for row in itertools.product(*reversed(columns)))
        return [_present(zip(names, row, strict=True)) for row in rows], True
    table: Any = flags
    if not hasattr(table, "columns") and not hasattr(table, "to_pydict"):
        raise FlagsError(
            "flags must be specified as a named list (a mapping of flags to values) or a data frame"
            + ("" if table is None else f", not {type(table).__name__}")
        )
    frame = columns_of(table)
    for name, values in frame.items():
        for value in values:
            _check(name, value)
    found = [_present(zip(frame, row, strict=True)) for row in zip(*frame.values(), strict=True)]
    if not found:
        raise FlagsError("the frame of flags has no rows")
    return found, False


def is_mapping(flags: object) -> bool:
    """Whether flags are a mapping; a frame is none."""
    return isinstance(flags, Mapping)


def values_of(name: object, values: Any) -> list[Any]:
    """A flag's values as a list; a single value is one."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        values = [values]
    listed = list(cast("Iterable[Any]", values))
    if not listed:
        raise FlagsError(f"flag '{name}' has no values")
    for value in listed:
        _check(name, value)
    return [_json.plain(value) for value in listed]


def _check(name: object, value: Any) -> None:
    is_plain = isinstance(value, (bool, int, float, str, list, tuple, dict, type(None)))
    kind = type(value).__name__  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if not is_plain and not hasattr(value, "item") and not hasattr(value, "tolist"):
        raise FlagsError(
            f"flag '{name}' has the value {value!r} of type {kind}; a flag is a number, a text or a "
            "truth value (name what you mean, and look it up in the script)"
        )


def _present(items: Iterable[tuple[str, Any]]) -> Flags:
    return {name: value for name, value in items if value is not None}


def check_sample(sample: float | None) -> None:
    """Refuses what is no share.

    Raises:
        ValueError: It is not above 0 and up to 1.
    """
    if sample is None:
        return
    if sample > 1:
        raise ValueError("sample must be a floating point value less or equal to 1")
    if not sample > 0:
        raise ValueError("sample must be a floating point value greater than 0")


def sampled(rows: Sequence[Flags], sample: float | None, generator: np.random.Generator) -> list[Flags]:
    """`ceil(sample * n)` of n rows, drawn without replacement, in random order; all, in order, for None."""
    if sample is None:
        return list(rows)
    count = math.ceil(sample * len(rows))
    return [rows[index] for index in generator.permutation(len(rows))[:count]]


def hash_of(flags: Mapping[str, Any]) -> str:
    """The hash of a combination; the order of its flags does not matter."""
    return digest({name: flags[name] for name in sorted(flags)})


def digest(content: Any) -> str:
    """The first 64 bits of the SHA-256 of a document, as text."""
    text = json.dumps(_json.plain(content), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def keyed(rows: Iterable[Flags], first: int = 1, seen: dict[str, int] | None = None) -> list[Trial]:
    """Rows as trials. Equal ones (repetitions with other seeds) have keys of their own.

    Args:
        rows: The flags.
        first: The first number.
        seen: How often each hash occurred before; counted on.
    """
    seen = {} if seen is None else seen
    trials: list[Trial] = []
    for number, flags in enumerate(rows, first):
        name = hash_of(flags)
        seen[name] = seen.get(name, 0) + 1
        trials.append(Trial(number, f"{name}-{seen[name]}", flags))
    return trials


def described(flags: Mapping[str, Any]) -> str:
    """The flags as R's messages have them: `lr = 0.1, units = 16`."""
    return ", ".join(f"{name} = {value}" for name, value in flags.items())
