"""The report of one run: everything its directory tells, in one file that opens without a network."""

from __future__ import annotations

from html import escape
from typing import Any, Final

from tfruns_rs.views import _budget, _page
from tfruns_rs.views._ansi import cut_middle
from tfruns_rs.views._charts import fit, history_charts
from tfruns_rs.views._data import RunData, gather
from tfruns_rs.views._source import highlight

_ATTEMPTS: Final = 6


def render_report(info: Any) -> str:
    """The report's HTML, within the size that `_budget` promises."""
    budget = _budget.Budget()
    html = ""
    for _ in range(_ATTEMPTS):
        data = gather(info, budget, media_bytes=_budget.MEDIA_BYTES)
        html = _render(data, budget)
        media = sum(len(shown.uri) for shown in (*data.plots, *data.events.images))
        if len(html.encode(errors="replace")) - media <= _budget.PAGE_BYTES:
            break
        budget = budget.halved()
    return html


def _render(data: RunData, budget: _budget.Budget) -> str:
    history = history_charts({data.name: (data.history, data.epochs)}) if data.history else []
    charts = fit([*history, *data.events.charts], budget.points, budget.series_points)
    history, events = charts[: len(history)], charts[len(history) :]
    console = cut_middle(data.output, budget.console_chars)
    stderr = cut_middle(data.stderr, budget.console_chars // 4)
    return _page.render(
        "report",
        charts={"history": history[: budget.charts], "events": events[: budget.charts]},
        run=data,
        tabs=_tabs(data, events),
        rows=_history_rows(data, budget),
        console=console,
        console_file=(data.path / "tfruns.d" / "properties" / "output").as_uri(),
        stderr=stderr,
        stderr_file=(data.path / "tfruns.d" / "stderr").as_uri(),
        sources=highlighted(data.sources, budget),
        left_out={
            "history": max(0, len(history) - budget.charts),
            "events": max(0, len(events) - budget.charts),
        },
    )


def _tabs(data: RunData, events: list[Any]) -> list[tuple[str, str]]:
    shown = (
        ("summary", "Summary", True),
        ("events", "Events", bool(events or data.events.images or data.events.texts)),
        ("tables", "Tables", bool(data.tables)),
        ("output", "Output", bool(data.output or data.stderr or data.plots or data.files)),
        ("code", "Code", bool(data.sources or data.git_diff)),
        ("environment", "Environment", bool(data.environment or data.git or data.packages)),
    )
    return [(key, title) for key, title, has_content in shown if has_content]


def _history_rows(data: RunData, budget: _budget.Budget) -> list[tuple[float, list[float | None]]]:
    """The history as a table: for reading without charts. The first rows, and as many as pay."""
    length = max((len(values) for values in data.history.values()), default=0)
    epochs = data.epochs or [float(n) for n in range(1, length + 1)]
    limit = min(200, budget.series_points)
    columns = data.history.values()
    rows = [
        (epoch, [values[at] if at < len(values) else None for values in columns])
        for at, epoch in enumerate(epochs[:length])
    ]
    return [row for row in rows if any(value is not None for value in row[1])][-limit:]


def highlighted(sources: dict[str, str], budget: _budget.Budget) -> list[tuple[str, str, int, int]]:
    """Source files as HTML: name, text, its lines, and how many characters were left out."""
    shown: list[tuple[str, str, int, int]] = []
    left, coloured = budget.source_chars, budget.highlighted_chars
    for name, text in sources.items():
        kept = text[: max(0, left)]
        left -= len(kept)
        html = highlight(name, kept) if len(kept) <= coloured else escape(kept)
        coloured -= len(kept)
        shown.append((name, html, text.count("\n") + (not text.endswith("\n")), len(text) - len(kept)))
    return shown
