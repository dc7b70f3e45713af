"""One flag: its definition, and how a value becomes one of its type."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from tfruns_rs.errors import FlagsError
from tfruns_rs.tfruns import _json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FlagType = Literal["numeric", "integer", "boolean", "string"]

_TRUE = {"true", "t", "yes", "y", "on", "1"}
_FALSE = {"false", "f", "no", "n", "off", "0"}
NULL = {"", "~", "null"}
"""Texts that, outside quotes, say nothing."""
_INTEGERS = range(-(1 << 63), 1 << 63)
_NUMBER = re.compile(r"[-+]?(0x[0-9a-f]+|0b[01]+|0[0-7]+|\d+)$", re.IGNORECASE)


class Flag(NamedTuple):
    """A flag as it is declared.

    Attributes:
        name: What it is called.
        type: "numeric", "integer", "boolean" or "string".
        default: The value if nothing else is said, of the flag's type.
        description: What it means.
        choices: The values it may have; None for all.
        optional: Whether it may be None.
    """

    name: str
    type: FlagType
    default: Any
    description: str | None = None
    choices: tuple[Any, ...] | None = None
    optional: bool = False

    def convert(self, value: Any) -> Any:
        """A value from a file, a command line or a call as the flag's type; None where it says nothing.

        Raises:
            FlagsError: It can't be converted, is several values, or is none of the choices.
        """
        value = _single(self.name, value)
        if value is None or (
            isinstance(value, str) and not isinstance(value, Quoted) and value.lower() in NULL
        ):
            return None
        try:
            converted = _CONVERSIONS[self.type](value)
        except (ValueError, TypeError, OverflowError):
            raise FlagsError(
                f"Unable to convert flag '{self.name}' with value '{value}' to type {self.type}"
            ) from None
        if self.choices is not None and converted not in self.choices:
            allowed = ", ".join(map(repr, self.choices))
            raise FlagsError(f"flag '{self.name}' is {converted!r}, and must be one of {allowed}")
        return converted


class Quoted(str):
    """Text that stood in quotes: never null."""

    __slots__ = ()


def flag_numeric(
    name: str,
    default: float | None,
    description: str | None = None,
    *,
    choices: Sequence[float] | None = None,
    optional: bool = False,
) -> Flag:
    """A flag that is a number.

    Args:
        name: What it is called.
        default: Its value if nothing else is said.
        description: What it means.
        choices: The values it may have; None for all.
        optional: Whether it may be None; it may where the default is.

    Raises:
        FlagsError: The default is no number.

    Examples:
        >>> import tfruns_rs as tfr
        >>> FLAGS = tfr.flags(
        ...     tfr.flag_numeric("lr", 0.01, "Learning rate."),
        ...     tfr.flag_integer("epochs", 10),
        ...     tfr.flag_boolean("augment", False),
        ...     tfr.flag_string("optimizer", "adam", choices=["adam", "sgd"]),
        ...     arguments=["--lr", "0.1", "--augment"],
        ... )
        >>> FLAGS.lr, FLAGS.epochs, FLAGS.augment, FLAGS.optimizer
        (0.1, 10, True, 'adam')
    """
    return _flag("numeric", name, default, description, choices=choices, optional=optional)


def flag_integer(
    name: str,
    default: float | None,
    description: str | None = None,
    *,
    choices: Sequence[int] | None = None,
    optional: bool = False,
) -> Flag:
    """A flag that is a whole number; a fraction is cut off, as R does.

    Arguments, errors and an example: see `flag_numeric`.
    """
    return _flag("integer", name, default, description, choices=choices, optional=optional)


def flag_boolean(
    name: str,
    default: bool | None,  # noqa: FBT001 - R's signature
    description: str | None = None,
    *,
    choices: Sequence[bool] | None = None,
    optional: bool = False,
) -> Flag:
    """A flag that is true or false.

    Arguments, errors and an example: see `flag_numeric`.
    """
    return _flag("boolean", name, default, description, choices=choices, optional=optional)


def flag_string(
    name: str,
    default: str | None,
    description: str | None = None,
    *,
    choices: Sequence[str] | None = None,
    optional: bool = False,
) -> Flag:
    """A flag that is text.

    Arguments, errors and an example: see `flag_numeric`.
    """
    return _flag("string", name, default, description, choices=choices, optional=optional)


def _flag(kind: FlagType, name: str, default: Any, description: str | None, **limits: Any) -> Flag:
    if not name or name.startswith("-") or any(character.isspace() or character == "=" for character in name):
        raise FlagsError(f"{name!r} can't be the name of a flag")
    choices = limits["choices"]
    flag = Flag(
        name=name,
        type=kind,
        default=None,
        description=description,
        choices=None if choices is None else tuple(choices),
        optional=limits["optional"] or default is None,
    )
    if default is None or (kind == "string" and default == ""):
        return flag._replace(default=default)
    converted = flag.convert(Quoted(default) if isinstance(default, str) else default)
    return flag._replace(default=converted)


def _single(name: str, value: Any) -> Any:
    if not isinstance(value, (str, list, tuple, dict)):
        value = _json.plain(value)
    if isinstance(value, (list, tuple)) and len(cast("Sequence[Any]", value)) == 1:
        value = cast("Sequence[Any]", value)[0]
    if isinstance(value, (list, tuple, dict)):
        raise FlagsError(f'flag "{name}" has length > 1 (only scalar flag values are supported)')
    return value


def _number(value: Any) -> int | float:
    if isinstance(value, (bool, int, float)):
        return value + 0
    text = str(value).strip().replace("_", "")
    lowered = text.lower().lstrip("+")
    if lowered in {".inf", "-.inf"}:
        return math.inf if lowered == ".inf" else -math.inf
    whole = _NUMBER.match(text)
    if whole is None:
        return float(text) if lowered not in _TRUE | _FALSE else int(lowered in _TRUE)
    digits = whole[1].lower()
    sign = -1 if text.startswith("-") else 1
    octal = digits.startswith("0") and digits.isdigit() and len(digits) > 1
    return sign * int(digits, 8 if octal else 0)


def _numeric(value: Any) -> float:
    number = float(_number(value))
    if math.isnan(number):
        raise ValueError("not a number")
    return number


def _boolean(value: Any) -> bool:
    if isinstance(value, (bool, int, float)):
        return bool(value)
    word = str(value).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    return bool(_number(word))


def _string(value: Any) -> str:
    return str(value) if isinstance(value, str) else _json.text(value)


def _integer(value: Any) -> int:
    whole = int(_number(value))
    if whole not in _INTEGERS:
        raise OverflowError("beyond 64 bits")
    return whole


_CONVERSIONS: dict[FlagType, Callable[[Any], Any]] = {
    "numeric": _numeric,
    "integer": _integer,
    "boolean": _boolean,
    "string": _string,
}
