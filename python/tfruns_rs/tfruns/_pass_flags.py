"""Flags as arguments, for scripts that parse their own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from tfruns_rs.errors import FlagsError
from tfruns_rs.tfruns import _json

if TYPE_CHECKING:
    from collections.abc import Mapping

PassFlags = Literal["argv", "hydra"] | None
_PLAIN = re.compile(r"[\w.+/-]+", re.ASCII)
_TYPED = re.compile(r"[-+]?(\d[\d_]*\.?\d*|\.\d+)(e[-+]?\d+)?|[-+]?(inf|nan)|true|false|null", re.IGNORECASE)
"""What hydra takes for a number, a truth or nothing unless it is quoted."""


def as_arguments(flags: Mapping[str, Any], how: PassFlags) -> list[str]:
    """The flags as words of a command line.

    Raises:
        FlagsError: A value that has no such form.
        ValueError: An unknown form.
    """
    if how is None:
        return []
    if how not in {"argv", "hydra"}:
        raise ValueError(f'pass_flags is "argv", "hydra" or None, not {how!r}')
    form = _argv if how == "argv" else _hydra
    return [word for name, value in flags.items() for word in form(name, _json.plain(value))]


def _argv(name: str, value: Any) -> list[str]:
    if isinstance(value, (list, dict)):
        raise FlagsError(f'flag "{name}" has length > 1 (only scalar flag values are supported)')
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}={value}"]


def _hydra(name: str, value: Any) -> list[str]:
    return [f"{name}={_hydra_value(value)}"]


def _hydra_value(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ",".join(map(_hydra_value, value)) + "]"  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, dict):
        raise FlagsError("a mapping can't be handed over by hydra's overrides; use dotted names")
    text = str(value)
    if isinstance(value, str) and (not _PLAIN.fullmatch(text) or _TYPED.fullmatch(text)):
        # Hydra takes a backslash for itself unless a quote follows it.
        escaped = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), text)
        return f"'{escaped}'"
    return text
