"""JSON and text as R's tfruns writes and reads them.

Pretty printed with arrays on one line. NaN and the infinities are the strings "NaN", "Inf" and "-Inf",
which R reads back as numbers; a bare NaN would be no JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, cast


def dumps(value: Mapping[str, Any]) -> bytes:
    """An object, one key a line."""
    if not value:
        return b"{}\n"
    lines = (f"  {_scalar(str(key))}: {_inline(item, '  ')}" for key, item in value.items())
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _inline(value: Any, indent: str) -> str:
    if isinstance(value, Mapping):
        held = cast("Mapping[Any, Any]", value)
        inner = indent + "  "
        if isinstance(held, dict) and {type(text) for pair in held.items() for text in pair} == {str}:
            # Texts alone, as the packages of an environment: the encoder's own loop, with our line ends.
            body = json.dumps(held, ensure_ascii=False, separators=(f",\n{inner}", ": "))
            return f"{{\n{inner}{body[1:-1]}\n{indent}}}"
        lines = (f"{inner}{_scalar(str(key))}: {_inline(item, inner)}" for key, item in held.items())
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(item, indent) for item in cast("list[Any]", value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    return json.dumps(special(value), ensure_ascii=False)


def special(value: Any) -> Any:
    """R's word for a number that JSON lacks, else the value itself."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"
    return value


def plain(value: Any) -> Any:
    """The value as JSON holds it: scalars by `item()`, arrays by `tolist()`, the rest as text."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in cast("Iterable[Any]", value)]
    if getattr(value, "shape", ()) and hasattr(value, "tolist"):
        return plain(value.tolist())
    if hasattr(value, "item"):
        return plain(value.item())
    return str(value)


def text(value: Any) -> str:
    """A property's text in R's form: TRUE, 15 significant digits, one line an element."""
    value = plain(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(special(value)) if not math.isfinite(value) else f"{value:.15g}"
    if isinstance(value, list):
        return "\n".join(text(item) for item in cast("list[Any]", value))
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
