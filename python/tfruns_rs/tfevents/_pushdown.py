"""What a Polars predicate says about run, tag, step and wall_time.

An expression is recognised by taking it apart (`meta.pop`) and putting it together again: if the result
equals it, it is what it looks like. So no serialised form is parsed, which changes between versions of
Polars. What is not recognised bounds nothing; the whole predicate is applied to every batch all the same.

The conditions on names become functions that don't need Polars: the reader asks them from its own threads,
while those of Polars may all be waiting for it.
"""

from __future__ import annotations

import math
import operator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    NameTest = Callable[[str], bool]

_MIN_STEP, _MAX_STEP = -(2**63), 2**63 - 1
_INEXACT_FLOAT = 2.0**53


class Bounds(NamedTuple):
    """A superset of what matches.

    Attributes:
        run: Whether a run can match.
        tag: Whether a tag can match.
        steps: Sorted ranges of steps, ends included.
        wall_time: A range of wall times, ends included.
    """

    run: NameTest | None = None
    tag: NameTest | None = None
    steps: list[tuple[int, int]] | None = None
    wall_time: tuple[float, float] | None = None

    def __and__(self, other: Bounds) -> Bounds:
        return Bounds(
            run=_both(self.run, other.run),
            tag=_both(self.tag, other.tag),
            steps=_intersect(self.steps, other.steps),
            wall_time=_narrow(self.wall_time, other.wall_time),
        )


def bounds_of(predicate: pl.Expr) -> Bounds:
    """What rows a predicate can match, as far as it can be told without reading them."""
    parts = _apart(predicate)
    if parts is not None and parts[0] == "and":
        return bounds_of(parts[1]) & bounds_of(parts[2])
    names = set(predicate.meta.root_names())
    if names == {"run"}:
        return Bounds(run=_name_test(predicate, parts, "run"))
    if names == {"tag"}:
        return Bounds(tag=_name_test(predicate, parts, "tag"))
    if names == {"step"}:
        return Bounds(steps=_step_bounds(predicate, parts))
    if names == {"wall_time"}:
        return Bounds(wall_time=_range_of(predicate, parts, "wall_time"))
    return Bounds()


_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "and": lambda left, right: left & right,
    "or": lambda left, right: left | right,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda column, values: column.is_in(values),
    "starts": lambda column, prefix: column.str.starts_with(prefix),
    "ends": lambda column, suffix: column.str.ends_with(suffix),
    # A pattern comes before a plain part, which prints the same: only what both mean is made use of.
    "contains": lambda column, part: column.str.contains(part),
    "holds": lambda column, part: column.str.contains(part, literal=True),
}
_CLOSED = ("both", "left", "right", "none")
_CASTS = ((True, False), (False, False), (False, True))
_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _between(column: pl.Expr, low: pl.Expr, high: pl.Expr, closed: Any) -> pl.Expr:
    return column.is_between(low, high, closed=closed)


# An operation's name and its two operands.
_Parts: TypeAlias = "tuple[str, pl.Expr, pl.Expr] | None"


def _apart(expr: pl.Expr) -> _Parts:
    """An operation of two operands as its name and these."""
    operands = expr.meta.pop()
    if len(operands) != 2:  # noqa: PLR2004
        return None
    right, left = operands
    for name, make in _BINARY.items():
        if _equals(make, (left, right), expr):
            return name, left, right
    return None


def _equals(make: Callable[..., Any], operands: tuple[pl.Expr, ...], expr: pl.Expr) -> bool:
    try:
        made = make(*operands)
    except Exception:  # noqa: BLE001 - an operation that these operands don't have is not the one
        return False
    # Older versions of Polars mark functions while they optimise; what they print of them stays the same. It
    # leaves out a function's options, so what is concluded must hold for all of these.
    return bool(made.meta.eq(expr)) or ("." in str(expr) and str(made) == str(expr))


def _is_column(expr: pl.Expr, name: str) -> bool:
    import polars as pl

    return bool(expr.meta.eq(pl.col(name)))


def _literal(expr: pl.Expr) -> Any:
    """A constant's value; None if the expression is none."""
    import polars as pl

    if expr.meta.root_names() or not expr.meta.is_literal(allow_aliasing=True):
        return None
    values: list[Any] = pl.select(expr.alias("literal")).to_series().to_list()
    return values[0] if len(values) == 1 else values


def _is_column_as_float(expr: pl.Expr, name: str) -> bool:
    """Whether this is a column as Polars casts it when it is compared with a float."""
    import polars as pl

    column = pl.col(name)
    casts = (column.cast(pl.Float64, strict=strict, wrap_numerical=wrap) for strict, wrap in _CASTS)
    return any(expr.meta.eq(cast) for cast in casts)


def _compared(parts: _Parts, column: str) -> tuple[str, Any] | None:
    """A comparison of a column with a constant, the column on the left."""
    if parts is None:
        return None
    name, left, right = parts
    for one, other, seen in ((left, right, name), (right, left, _MIRRORED.get(name, ""))):
        if _is_column(one, column) or _is_column_as_float(one, column):
            value = _literal(other)
            return None if value is None or not seen else (seen, value)
    return None


def _name_test(expr: pl.Expr, parts: _Parts, column: str) -> NameTest | None:
    """A condition on names alone, as a function of them."""
    operands = expr.meta.pop()
    if len(operands) == 1 and _equals(operator.invert, (operands[0],), expr):
        test = _name_test(operands[0], _apart(operands[0]), column)
        return None if test is None else lambda name: not test(name)
    if parts is None or parts[0] not in ("and", "or"):
        compared = _compared(parts, column)
        return None if compared is None else _name_comparison(*compared)
    first, second = (_name_test(part, _apart(part), column) for part in parts[1:])
    if first is None or second is None:
        return None
    if parts[0] == "and":
        return lambda name: first(name) and second(name)
    return lambda name: first(name) or second(name)


def _name_comparison(operation: str, value: Any) -> NameTest | None:
    if operation == "in":
        names = _constants(value, str)
        return None if names is None else frozenset(names).__contains__
    if not isinstance(value, str):
        return None
    # A pattern without special characters is a plain part of the name.
    is_plain = all(char.isalnum() or char in "_/- " for char in value)
    tests: dict[str, NameTest] = {
        "==": lambda name: name == value,
        "!=": lambda name: name != value,
        "starts": lambda name: name.startswith(value),
        "ends": lambda name: name.endswith(value),
        "holds": lambda name: value in name,
    }
    if is_plain:
        tests["contains"] = tests["holds"]
    return tests.get(operation)


def _constants(value: Any, kind: type) -> list[Any] | None:
    """The constants of a list, if they are all of a kind; nothing is equal to null."""
    values = cast("list[Any]", value) if isinstance(value, list) else [value]
    constants = [one for one in values if one is not None]
    return constants if all(type(one) is kind for one in constants) else None


def _range_of(expr: pl.Expr, parts: _Parts, column: str) -> tuple[float, float] | None:
    """The range of a number column outside of which nothing matches."""
    operands = expr.meta.pop()
    if len(operands) == 3:  # noqa: PLR2004
        last, first, one = operands
        low, high = _number(_literal(first)), _number(_literal(last))
        if (
            _is_column(one, column)
            and low is not None
            and high is not None
            and any(_equals(partial(_between, closed=closed), (one, first, last), expr) for closed in _CLOSED)
        ):
            return low, high
        return None
    compared = _compared(parts, column)
    if compared is None:
        return None
    operation, value = compared
    number = _number(value)
    if number is None:
        return None
    return {
        "==": (number, number),
        "<": (-math.inf, number),
        "<=": (-math.inf, number),
        ">": (number, math.inf),
        ">=": (number, math.inf),
    }.get(operation)


def _number(value: Any) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value):
        return value
    return None


def _step_bounds(expr: pl.Expr, parts: _Parts) -> list[tuple[int, int]] | None:
    compared = _compared(parts, "step")
    if compared is not None and compared[0] == "in":
        steps = _constants(compared[1], int)
        return None if steps is None else [(one, one) for one in sorted(set(steps))]
    bounds = _range_of(expr, parts, "step")
    if bounds is None:
        return None
    low, high = _whole(bounds[0], math.floor), _whole(bounds[1], math.ceil)
    # A strict comparison with a number that is not open-ended leaves out what rounding outwards let in.
    if compared is not None and compared[0] == ">" and abs(low) < _INEXACT_FLOAT:
        low += 1
    if compared is not None and compared[0] == "<" and abs(high) < _INEXACT_FLOAT:
        high -= 1
    return [(low, high)] if low <= high else []


def _whole(bound: float, rounded: Callable[[float], int]) -> int:
    """A bound as a step, rounded outwards: a large float is as good as any integer that rounds to it."""
    if math.isinf(bound):
        return _MIN_STEP if bound < 0 else _MAX_STEP
    if isinstance(bound, float) and abs(bound) >= _INEXACT_FLOAT:
        return _MIN_STEP if rounded is math.floor else _MAX_STEP
    return max(_MIN_STEP, min(_MAX_STEP, rounded(bound)))


def _both(first: NameTest | None, second: NameTest | None) -> NameTest | None:
    if first is None or second is None:
        return first or second
    return lambda name: first(name) and second(name)


def _intersect(
    first: list[tuple[int, int]] | None, second: list[tuple[int, int]] | None
) -> list[tuple[int, int]] | None:
    if first is None or second is None:
        return first if second is None else second
    common: list[tuple[int, int]] = []
    i = j = 0
    while i < len(first) and j < len(second):
        low, high = max(first[i][0], second[j][0]), min(first[i][1], second[j][1])
        if low <= high:
            common.append((low, high))
        if first[i][1] < second[j][1]:
            i += 1
        else:
            j += 1
    return common


def _narrow(
    first: tuple[float, float] | None, second: tuple[float, float] | None
) -> tuple[float, float] | None:
    if first is None or second is None:
        return first or second
    return max(first[0], second[0]), min(first[1], second[1])
