"""The comparison of runs: side by side, the most recent on the right, with what differs marked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tfruns_rs.views import _ansi, _budget, _page, _runs
from tfruns_rs.views._charts import PALETTE_SIZE, Chart, fit, history_charts
from tfruns_rs.views._data import RunData, gather
from tfruns_rs.views._diff import Diff, diff_files

if TYPE_CHECKING:
    from collections.abc import Sequence

_ATTEMPTS: Final = 6
_MIN_RUNS: Final = 2
_ALWAYS_DIFFERENT: Final = frozenset(("start", "duration (s)"))
"""Rows whose difference says nothing."""

_MAX_FIELDS: Final = 14
"""Axes of the parallel coordinates: more can't be told apart."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the comparison's table: a name, a value a run, and whether those differ."""

    name: str
    values: list[Any]
    differs: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed from one run to the next, as diffs."""

    old: str
    new: str
    diffs: list[Diff]


def render_comparison(infos: Sequence[_runs.Info]) -> str:
    """The comparison's HTML, within the size that `_budget` promises."""
    budget = _budget.Budget()
    html = ""
    for _ in range(_ATTEMPTS):
        share = _budget.MEDIA_BYTES // len(infos)
        runs = [gather(info, budget, media_bytes=share, with_events=False) for info in infos]
        runs.sort(key=lambda run: (run.start.timestamp() if run.start else -math.inf, run.name))
        html = _render(runs, budget)
        media = sum(len(plot.uri) for run in runs for plot in run.plots)
        if len(html.encode(errors="replace")) - media <= _budget.PAGE_BYTES:
            break
        budget = budget.halved()
    return html


def _render(runs: list[RunData], budget: _budget.Budget) -> str:
    labels = _labels(runs)
    histories = {label: (run.history, run.epochs) for label, run in zip(labels, runs, strict=True)}
    charts = history_charts(histories)
    charts = fit(charts[: budget.charts], budget.points, budget.series_points)
    groups = table(runs)
    parallel = parallel_coordinates(labels, groups)
    return _page.render(
        "compare",
        charts={"history": charts, "parallel": [parallel] if parallel else []},
        runs=list(zip(labels, runs, strict=True)),
        groups=groups,
        labels=labels,
        changes=_changes(labels, runs, budget),
    )


def _labels(runs: list[RunData]) -> list[str]:
    """A name a run that no other has."""
    titles = [run.title for run in runs]
    if len(set(titles)) == len(titles):
        return titles
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else [f"{run.path.parent.name}/{run.name}" for run in runs]


def table(runs: list[RunData]) -> dict[str, list[Row]]:
    """The rows of the table by group; a row's values are in the order of the runs."""
    groups = {
        "Run": [
            {"status": run.status, "start": run.start, "duration (s)": run.duration, **run.about}
            for run in runs
        ],
        "Flags": [run.flags for run in runs],
        "Metrics": [run.metrics for run in runs],
        "Evaluation": [run.evaluation for run in runs],
        "Training": [run.training for run in runs],
        "Optimization": [run.optimization for run in runs],
        "Properties": [run.properties for run in runs],
        "Git": [run.git for run in runs],
        "Environment": [run.environment for run in runs],
    }
    rows = {title: _rows(values) for title, values in groups.items()}
    return {title: some for title, some in rows.items() if some}


def _rows(columns: list[dict[str, Any]]) -> list[Row]:
    names = dict.fromkeys(name for column in columns for name in column)
    return [
        Row(name, values, name not in _ALWAYS_DIFFERENT and _differs(values))
        for name in names
        if (values := [c.get(name) for c in columns])
    ]


def _differs(values: list[Any]) -> bool:
    return any(_same(values[0]) != _same(value) for value in values[1:])


def _same(value: Any) -> Any:
    """A value for comparing: NaN equals NaN, and true is not 1."""
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return (type(value) is bool, value)


def parallel_coordinates(labels: list[str], groups: dict[str, list[Row]]) -> Chart | None:
    """Flags, metrics and evaluations that differ, as parallel axes; None if there are too few to show."""
    fields = [
        (f"eval {row.name}" if group == "Evaluation" else row.name, row.values)
        for group in ("Flags", "Metrics", "Evaluation")
        for row in groups.get(group, ())
        if row.differs
    ]
    # What training achieved stays, whatever number of flags there is.
    fields = (
        fields if len(fields) <= _MAX_FIELDS else [*fields[: _MAX_FIELDS // 2], *fields[-_MAX_FIELDS // 2 :]]
    )
    if len(labels) <= _MIN_RUNS or len(fields) <= 1:
        return None
    rows: list[dict[str, Any]] = []
    ends: list[dict[str, Any]] = []
    for name, values in fields:
        places, low, high = _places(values)
        ends.append({"field": name, "low": low, "high": high})
        rows += [
            {
                "run": label,
                "c": number % PALETTE_SIZE,
                "field": name,
                "place": place,
                "value": _page.show_number(value) if isinstance(value, float) else _word(value),
            }
            for number, (label, value, place) in enumerate(zip(labels, values, places, strict=True))
            if place is not None
        ]
    return Chart("Flags and metrics of every run", "parallel", "field", rows=rows, ends=ends)


def _places(values: list[Any]) -> tuple[list[float | None], str, str]:
    """Where values stand on an axis from 0 to 1, and what its ends are called."""
    if all(_is_number(value) or value is None for value in values):
        finite = [float(value) for value in values if value is not None and math.isfinite(value)]
        if not finite:
            return [None] * len(values), "", ""
        low, high = min(finite), max(finite)
        span = (high - low) or 1.0
        places = [
            (float(value) - low) / span if value is not None and math.isfinite(value) else None
            for value in values
        ]
        return places, _page.show_number(low), _page.show_number(high)
    words = sorted({_word(value) for value in values if value is not None})
    last = max(1, len(words) - 1)
    return [None if v is None else words.index(_word(v)) / last for v in values], words[0], words[-1]


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _changes(labels: list[str], runs: list[RunData], budget: _budget.Budget) -> list[Changes]:
    """The diffs from each run to the next, which share the page's room for diffs."""
    share = budget.diff_chars // (len(runs) - 1)
    changes: list[Changes] = []
    for at in range(1, len(runs)):
        old, new = _comparable(runs[at - 1], len(runs)), _comparable(runs[at], len(runs))
        changes.append(Changes(labels[at - 1], labels[at], diff_files(old, new, share)))
    return [change for change in changes if change.diffs]


def _comparable(run: RunData, runs: int) -> dict[str, str]:
    """The texts of a run that are worth comparing."""
    texts = {**run.sources}
    if run.packages:
        texts["packages"] = "".join(f"{name} {version}\n" for name, version in sorted(run.packages.items()))
    if run.git_diff:
        texts["uncommitted changes"] = run.git_diff
    if runs == _MIN_RUNS and run.output:
        texts["console"] = _ansi.plain(run.output)
    return texts
