"""A condition in SQL, held to what a condition needs.

Polars' SQL can read files and addresses by table functions and look into other tables by subqueries. A subset
is data that may come from anywhere, so only columns, literals, operators and a list of plain functions pass.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")*"|`[^`]*`)
      | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)
      | (?P<word>[^\W\d]\w*)
      | (?P<comment>--|/\*)
      | (?P<operator><=>|<>|!=|<=|>=|==|\|\||::|[-+*/%<>=(),.~^])
    )""",
    re.VERBOSE,
)
# fmt: off
_FUNCTIONS = {
    "abs", "and", "between", "cast", "ceil", "coalesce", "contains", "date", "datetime", "ends_with", "exp",
    "floor", "greatest", "if", "ifnull", "in", "is_nan", "isnan", "least", "length", "like", "ln", "log",
    "lower", "ltrim", "mod", "not", "nullif", "or", "pow", "regexp_like", "replace", "round", "rtrim",
    "sign", "sqrt", "starts_with", "strptime", "substr", "timestamp", "to_date", "trim", "upper",
}
_KEYWORDS = {"and", "between", "false", "in", "is", "like", "not", "null", "or", "true"}
_REFUSED = {
    "all", "any", "create", "delete", "describe", "drop", "except", "exists", "explain", "from", "group",
    "having", "insert", "intersect", "join", "lateral", "limit", "order", "over", "select", "set", "show",
    "table", "truncate", "union", "unnest", "update", "using", "values", "where", "window", "with",
}
# fmt: on
_SQL = "conditions are SQL, with AND, OR, NOT, IN (...), IS NULL and texts in single quotes"


def sql_condition(text: str, times: Collection[str] = ()) -> pl.Expr:
    """The expression of a SQL condition such as `eval_acc > 0.9 AND flag_act = 'relu'`.

    Args:
        text: The condition.
        times: Columns of times; texts that they are compared with are read as times in UTC.

    Raises:
        ValueError: It is no condition, or holds more than one.
    """
    import polars as pl

    checked = _checked(text, times)
    try:
        return pl.sql_expr(checked)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"not a condition: {text!r}: {error}; {_SQL}") from None


def _checked(text: str, times: Collection[str]) -> str:
    position = 0
    previous = previous_kind = column = ""
    passed: list[str] = []
    while text[position:].strip():
        token = _TOKEN.match(text, position)
        kind = token.lastgroup if token else None
        if token is None or kind is None or kind == "comment":
            raise ValueError(f"not a condition: {text!r}, from {text[position:].lstrip()!r}; {_SQL}")
        found = token[kind]
        if kind == "word" and found.lower() in _REFUSED:
            raise ValueError(f"{found} is not allowed in a condition: {text!r}")
        if found == "(" and (
            previous_kind == "quoted" or (previous_kind == "word" and previous.lower() not in _FUNCTIONS)
        ):
            raise ValueError(f"the function {previous} is not allowed in a condition: {text!r}")
        if kind == "quoted" or (kind == "word" and found.lower() not in _KEYWORDS):
            column = found.strip('"`')
        passed.append(_time(found[1:-1], text) if kind == "string" and column in times else found)
        previous, previous_kind = found, kind
        position = token.end()
    return " ".join(passed)


def _time(written: str, text: str) -> str:
    """A time in UTC, in the one form that all supported versions of Polars read."""
    try:
        time = datetime.fromisoformat(written)
    except ValueError:
        raise ValueError(f"{written!r} is no time such as 2024-01-31 09:30:00: {text!r}") from None
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return f"STRPTIME('{time.isoformat(timespec='microseconds')}', '%+')"
