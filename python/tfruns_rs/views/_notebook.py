"""What a notebook shows of a run: its values as small tables, escaped, without the extra `[view]`."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_GROUPS: Final = (("Metrics", "metric_"), ("Evaluation", "eval_"), ("Flags", "flag_"))
_RUN: Final = ("start", "end", "script", "context", "epochs", "epochs_completed", "error_message", "problem")
_MAX_ROWS: Final = 40
_MAX_TEXT: Final = 200


def run_html(info: Mapping[str, Any]) -> str:
    """A run as HTML.

    Args:
        info: The run, as `run_info` returns it.
    """
    groups = {"Run": {name: info[name] for name in _RUN if info.get(name) is not None}}
    for title, prefix in _GROUPS:
        groups[title] = {key.removeprefix(prefix): info[key] for key in info if key.startswith(prefix)}
    return tables_html(str(info.get("run_dir", "")), str(info.get("status", "")), groups)


def tables_html(title: str, status: str, groups: Mapping[str, Mapping[str, Any]]) -> str:
    """A title and tables of names and values beside each other."""
    tables = "".join(_table(name, values) for name, values in groups.items() if values)
    return (
        f'<div class="tfruns-run"><p><strong>{escape(title)}</strong> <em>{escape(status)}</em></p>'
        f'<div style="display:flex;flex-wrap:wrap;gap:1em;align-items:flex-start">{tables}</div></div>'
    )


def _table(title: str, values: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td style='text-align:left'>{escape(str(name))}</td>"
        f'<td title="{escape(_exact(value))}">{escape(_short(value))}</td></tr>'
        for name, value in list(values.items())[:_MAX_ROWS]
    )
    more = len(values) - _MAX_ROWS
    note = f"<tr><td colspan=2>and {more} more</td></tr>" if more > 0 else ""
    return f"<table><caption>{escape(title)}</caption><tbody>{rows}{note}</tbody></table>"


def _exact(value: Any) -> str:
    return _cut(repr(value) if isinstance(value, float) else str(value))


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if hasattr(value, "strftime"):
        return str(value.strftime("%Y-%m-%d %H:%M:%S %Z")).strip()
    return _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"
