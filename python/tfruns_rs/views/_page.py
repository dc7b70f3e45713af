"""One page: a template, its data, and the policy that holds it together.

A page is a single file. Text reaches it through Jinja's autoescape; the points of charts through one JSON
island whose text can't end the element it stands in; scripts and styles are ours and named by their hashes
in a Content-Security-Policy that allows nothing else and no connection. So a run's names, console or source
can hold anything and stay text.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import tempfile
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, cast

from tfruns_rs.views import _ansi, _charts, _source
from tfruns_rs.views._extra import require

_LEAST_PRECISION: Final = 6
_ESCAPES: Final = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def render(
    template: str, *, charts: dict[str, list[_charts.Chart]], live: bool = False, **context: Any
) -> str:
    """Renders a page.

    Args:
        template: The template's name.
        charts: The charts by the section they stand in.
        live: Whether the page asks the server it came from for news.
        **context: What the template shows.

    Returns:
        The page's HTML.
    """
    bundle = _charts.bundle()
    script, style = _asset("page.js") + _asset("charts.js"), _style()
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src 'sha256-{_sha256(script)}' 'sha256-{bundle.sha256}'",
            f"style-src 'sha256-{_sha256(style)}'",
            "img-src data:",
            "connect-src 'self'" if live else "connect-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    island = {
        "live": live,
        "specifications": _charts.specifications(),
        "charts": {section: _charts.chart_data(some) for section, some in charts.items()},
    }
    markup = require("markupsafe").Markup
    return (
        _environment()
        .get_template(template)
        .render(
            **context,
            charts=charts,
            policy=policy,
            style=markup(style),
            script=markup(script),
            vega=markup(bundle.packed),
            island=markup(to_island(island)),
        )
    )


def to_island(value: Any) -> str:
    """JSON that can stand in a script element: no `<`, `>` or `&` of its text survives unescaped."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False).translate(_ESCAPES)


def save(html: str, filename: str | os.PathLike[str], automatic: str) -> Path:
    """Writes a page beside its target and renames it over it.

    Args:
        html: The page.
        filename: The target; "auto" is a file in a fresh directory of its own, which only this user can open
            and nobody can foresee.
        automatic: The file's name in that directory.

    Returns:
        The file, absolute.
    """
    target = (
        Path(tempfile.mkdtemp(prefix="tfruns-")) / automatic
        if filename == "auto"
        else Path(filename).absolute()
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, beside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(html.encode(errors="replace"))
        if filename != "auto":
            mask = os.umask(0)
            os.umask(mask)
            Path(beside).chmod(0o666 & ~mask)
        Path(beside).replace(target)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    return target


def show_number(value: float) -> str:
    """A number as a person reads it: six digits that count, or all where there are no more."""
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    exact = repr(value)
    short = f"{value:.{_LEAST_PRECISION}g}"
    return short if len(short) < len(exact) else exact.removesuffix(".0")


def show_duration(seconds: float) -> str:
    """A duration in words: "1 min 0.4 s", "3 d 2 h"."""
    if seconds < 0:
        return f"{seconds:g} s"
    if seconds < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{seconds:.3g} s"
    whole = round(seconds)
    parts = ((whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s"))
    first = next(i for i, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2])


def show_bytes(size: int) -> str:
    """A size in words."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:  # noqa: PLR2004 - decimal units
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.4g} TB"


@cache
def _environment() -> Any:
    jinja2 = require("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "value": _value_html,
        "bytes": show_bytes,
        "duration": show_duration,
        "console": _console_html,
    }
    return environment


def _template(name: str) -> str:
    return _read("templates", f"{name}.html.jinja")


def _console_html(text: str) -> Any:
    return require("markupsafe").Markup(_ansi.to_html(text))


def _value_html(value: Any) -> Any:  # noqa: PLR0911 - one return a kind of value
    """A value of a run as escaped HTML; a number keeps all its digits in `value` and in its tooltip."""
    markup = require("markupsafe").Markup
    match value:
        case None | "":
            return markup('<span class="none">&ndash;</span>')
        case bool():
            return "true" if value else "false"
        case int() | float():
            exact, short = repr(value), show_number(value)
            title = f' title="{exact}"' if short != exact.removesuffix(".0") else ""
            return markup(f'<data value="{exact}"{title}>{short}</data>')
        case datetime():
            at = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
            shown = at.strftime("%Y-%m-%d %H:%M:%S UTC")
            iso = at.isoformat().replace("+00:00", "Z")
            return markup(f'<time datetime="{iso}" title="{iso}">{shown}</time>')
        case timedelta():
            return show_duration(value.total_seconds())
        case list() | tuple():
            return ", ".join(str(item) for item in cast("list[Any]", value))
        case str() if value.startswith(("http://", "https://")) and value.isprintable() and " " not in value:
            return markup('<a href="{0}" rel="noopener noreferrer nofollow">{0}</a>').format(value)
        case _:
            return str(value)


@cache
def _style() -> str:
    return _asset("page.css") + _source.highlight_css() + _ansi.palette_css()


@cache
def _asset(name: str) -> str:
    return _read("static", name)


def _read(folder: str, name: str) -> str:
    return (files("tfruns_rs.views") / folder / name).read_text("utf-8")


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
