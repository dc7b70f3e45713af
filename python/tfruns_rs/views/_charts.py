"""Charts: Altair describes them once a kind, Vega-Lite draws them in the page, without any network.

A page carries the specification of each kind once and the points of each chart; the page's own script joins
the two. Vega's expressions are interpreted, so the page needs no `unsafe-eval`. The JavaScript of Vega comes
out of vl-convert, is carried compressed, and is named by its hash in the page's Content-Security-Policy.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tfruns_rs.views._extra import require

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

PALETTE_SIZE: Final = 8
"""How many colours the pages' style sheet has for series."""

_PALETTE: Final = ("#1f6fd1", "#c2410c", "#1a7f37", "#8e3fb5", "#a16207", "#0e7490", "#be185d", "#57606a")
"""The style sheet's colours on white, for pictures."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart.

    Attributes:
        name: What its legend says.
        x: Epochs or steps.
        y: Values, all finite.
        colour: Which of the page's colours.
        dashed: Whether the line is dashed.
        group: What hides and shows it, where several lines share one button; its name otherwise.
        total: How many points there were before some were left out.
        not_finite: How many of those were NaN or infinite, and so have no place.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    dashed: bool = False
    group: str = ""
    total: int = 0
    not_finite: int = 0


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of a page.

    Attributes:
        title: The metric or tag.
        kind: "line", "histogram" or "parallel".
        x_title: What x counts.
        series: The lines of a line chart.
        rows: The rows of the other kinds.
        ends: The axes of parallel coordinates: their names, and what their ends are called.
        is_share: Whether the values are shares of one, so that the axis ends there.
        left_out: How many steps of a histogram have no room.
        x_end: Where x is going to end, if that is known: the epochs a run was started with.
    """

    title: str
    kind: str = "line"
    x_title: str = "epoch"
    series: list[Series] = field(default_factory=list[Series])
    rows: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    ends: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    is_share: bool = False
    x_end: float | None = None
    left_out: int = 0

    @property
    def note(self) -> str:
        """What the chart leaves out, in words."""
        return "; ".join(filter(None, (self._reduced_note(), self._not_finite_note(), self._left_out_note())))

    def _reduced_note(self) -> str:
        shown = sum(len(series.x) for series in self.series)
        finite = sum(series.total - series.not_finite for series in self.series)
        return f"{shown:,} of {finite:,} points shown, extremes kept" if shown < finite else ""

    def _left_out_note(self) -> str:
        return f"{self.left_out:,} more steps are left out" if self.left_out else ""

    def _not_finite_note(self) -> str:
        count = sum(series.not_finite for series in self.series)
        return f"{count:,} values are NaN or infinite" if count else ""


def make_series(
    name: str,
    x: Iterable[float],
    y: Iterable[float | None],
    *,
    colour: int = 0,
    dashed: bool = False,
    group: str = "",
) -> Series:
    """A line from values; missing ones are skipped, NaN and infinite ones counted."""
    points = [(at, value) for at, value in zip(x, y, strict=False) if value is not None]
    finite = [(at, value) for at, value in points if math.isfinite(value)]
    return Series(
        name,
        [at for at, _ in finite],
        [value for _, value in finite],
        colour,
        dashed,
        group or name,
        len(points),
        len(points) - len(finite),
    )


def history_charts(
    histories: dict[str, tuple[dict[str, list[float | None]], list[float] | None]],
    *,
    keep_empty: bool = False,
) -> list[Chart]:
    """One chart a metric, with its `val_` twin.

    Args:
        histories: By run: the values of every metric, and the epochs where they are not 1 to n. One run's
            lines are named "training" and "validation"; the lines of several bear the runs' names.
        keep_empty: Whether a metric without a value yet has a chart.

    Returns:
        The charts, in the order the metrics were first seen.
    """
    names = list(dict.fromkeys(name for columns, _ in histories.values() for name in columns))
    ends = [
        epochs[-1] if epochs else max(map(len, columns.values()))
        for columns, epochs in histories.values()
        if columns
    ]
    end = float(max(ends, default=0))
    single = len(histories) == 1
    charts: dict[str, Chart] = {}
    for name in names:
        base = (
            name.removeprefix("val_")
            if name.startswith("val_") and name.removeprefix("val_") in names
            else name
        )
        chart = charts.setdefault(base, Chart(base, is_share=is_share(base), x_end=end))
        for number, (run, (columns, epochs)) in enumerate(histories.items()):
            if name not in columns:
                continue
            values = columns[name]
            is_validation = name != base or name.startswith("val_")
            label = ("validation" if is_validation else "training") if single else run
            if not single and is_validation:
                label += " (validation)"
            series = make_series(
                label,
                epochs or range(1, len(values) + 1),
                values,
                colour=int(is_validation) if single else number % PALETTE_SIZE,
                dashed=is_validation and not single,
                group="" if single else run,
            )
            chart.series.append(series)
    return [chart for chart in charts.values() if keep_empty or any(series.total for series in chart.series)]


def is_share(name: str) -> bool:
    """Whether a metric of this name is an accuracy, between 0 and 1."""
    return name.rsplit("/", 1)[-1].lower().removeprefix("val_") in {"acc", "accuracy"}


def fit(charts: list[Chart], points: int, series_points: int) -> list[Chart]:
    """Leaves points out until all charts together hold at most about `points`."""
    lines = sum(len(chart.series) for chart in charts)
    if not lines:
        return charts
    limit = max(20, min(series_points, points // lines))
    return [replace(chart, series=[_reduce(series, limit) for series in chart.series]) for chart in charts]


def extremes(y: NDArray[np.float64], limit: int) -> NDArray[np.intp]:
    """The points to keep of a long line: first, last, and the lowest and highest of every stretch.

    A spike of a single point survives any reduction, which no average and no regular thinning would grant.

    Args:
        y: The values, finite.
        limit: How many points to keep at most, 4 or more.

    Returns:
        The places of the points kept, rising.
    """
    if len(y) <= limit:
        return np.arange(len(y))
    starts = np.linspace(1, len(y) - 1, (limit - 2) // 2 + 1).astype(np.intp)[:-1]
    ends = np.append(starts[1:], len(y) - 1)
    kept = [0, len(y) - 1]
    for start, end in zip(starts, ends, strict=True):
        stretch = y[start:end]
        kept += [start + int(stretch.argmin()), start + int(stretch.argmax())]
    return np.unique(np.asarray(kept, dtype=np.intp))


def _reduce(series: Series, limit: int) -> Series:
    if len(series.y) <= limit:
        return series
    kept: list[int] = extremes(np.asarray(series.y, dtype=np.float64), limit).tolist()
    return replace(series, x=[series.x[i] for i in kept], y=[_rounded(series.y[i]) for i in kept])


def _rounded(value: float) -> float:
    """Nine digits: finer than a pixel, half the bytes. Lines that are shown whole keep all digits."""
    return float(f"{value:.9g}")


def chart_data(charts: list[Chart]) -> list[dict[str, Any]]:
    """The charts as the page's script reads them."""
    return [
        {
            "kind": chart.kind,
            "title": chart.title,
            "x": chart.x_title,
            "share": chart.is_share,
            "end": chart.x_end,
            "series": [
                {
                    "name": s.name,
                    "x": _compact(s.x),
                    "y": list(s.y),
                    "colour": s.colour,
                    "dashed": s.dashed,
                    "group": s.group,
                }
                for s in chart.series
            ],
            "rows": chart.rows,
            "ends": chart.ends,
            "note": chart.note,
        }
        for chart in charts
    ]


def _compact(x: Sequence[float]) -> list[float] | None:
    """Whole numbers as such; None for 1 to n, which needs no words."""
    whole = [int(at) if float(at).is_integer() else at for at in x]
    return None if whole == list(range(1, len(whole) + 1)) else whole


@cache
def specifications() -> dict[str, Any]:
    """The Vega-Lite specification of every kind of chart. Data, colours and sizes are the page's."""
    return {"line": _line(), "histogram": _histogram(), "parallel": _parallel()}


def _line() -> dict[str, Any]:
    alt = require("altair")
    points = alt.NamedData("points")
    x = alt.X(
        "x:Q",
        scale=alt.Scale(zero=False, nice=False, padding=6),
        axis=alt.Axis(title=None, tickMinStep=1, tickCount=9),
    )
    colour = alt.Color("c:N", legend=None)
    zoom = alt.selection_interval(name="zoom", bind="scales", zoom="wheel![event.shiftKey]")

    def line(field: str, width: float, opacity: float) -> Any:
        y = alt.Y(
            f"{field}:Q", scale=alt.Scale(zero=False, padding=4), axis=alt.Axis(title=None, format="~g")
        )
        return (
            alt.Chart(points)
            .mark_line(clip=True, strokeWidth=width, opacity=opacity)
            .encode(
                x=x,
                y=y,
                color=colour,
                detail="s:N",
                strokeDash=alt.StrokeDash(
                    "d:N", legend=None, scale=alt.Scale(domain=[0, 1], range=[[1, 0], [5, 3]])
                ),
            )
        )

    hover = alt.Chart(alt.NamedData("hover"))
    rule = hover.mark_rule(opacity=0.5).encode(x=x)
    dots = hover.mark_point(filled=True, size=50, clip=True, opacity=1).encode(x=x, y="y:Q", color=colour)
    return _finished(alt.layer(line("r", 1, 0.3), line("y", 2, 1).add_params(zoom), rule, dots))


def _histogram() -> dict[str, Any]:
    alt = require("altair")
    return _finished(
        alt.Chart(alt.NamedData("rows"))
        .mark_rect()
        .encode(
            x=alt.X(
                "from:Q", axis=alt.Axis(title=None, tickCount=9), scale=alt.Scale(zero=False, nice=False)
            ),
            x2="to:Q",
            y=alt.Y("low:Q", axis=alt.Axis(title=None, format="~g"), scale=alt.Scale(zero=False)),
            y2="high:Q",
            color=alt.Color("share:Q", legend=None, scale=alt.Scale(scheme="blues", domainMin=0)),
            tooltip=["step:Q", "low:Q", "high:Q", "count:Q"],
        )
    )


def _parallel() -> dict[str, Any]:
    alt = require("altair")
    x = alt.X("field:N", sort=None, axis=alt.Axis(title=None, labelAngle=-20, domain=False, ticks=False))
    hover = alt.selection_point(name="hover", on="pointerover", nearest=True, fields=["run"], empty=False)
    rows = alt.Chart(alt.NamedData("rows")).encode(
        x=x,
        y=alt.Y("place:Q", axis=None, scale=alt.Scale(domain=[-0.06, 1.06])),
        color=alt.Color("c:N", legend=None),
        opacity=alt.condition(hover, alt.value(1), alt.value(0.6)),
    )
    lines = rows.mark_line().encode(
        detail="run:N", strokeWidth=alt.condition(hover, alt.value(4), alt.value(1.3))
    )
    dots = (
        rows.mark_point(filled=True, size=40)
        .encode(tooltip=["run:N", "field:N", "value:N"])
        .add_params(hover)
    )
    ends = alt.Chart(alt.NamedData("ends"))
    rules = ends.mark_rule(opacity=0.35).encode(x=x)
    top = ends.mark_text(baseline="bottom", dy=-4).encode(x=x, y=alt.datum(1), text="high:N")
    bottom = ends.mark_text(baseline="top", dy=4).encode(x=x, y=alt.datum(0), text="low:N")
    return _finished(alt.layer(rules, lines, dots, top, bottom))


def _finished(chart: Any) -> dict[str, Any]:
    spec: dict[str, Any] = chart.properties(width="container", height=230).to_dict(validate=True)
    spec.pop("config", None)  # the page brings the colours of its own theme
    spec.pop("datasets", None)
    return spec


@dataclass(frozen=True, slots=True)
class Bundle:
    """Vega's JavaScript, gzipped and base64-encoded, and the hash of its text for the policy."""

    packed: str
    sha256: str


@cache
def bundle() -> Bundle:
    """Vega, Vega-Lite and Vega-Embed as one script that sets `window.vegaEmbed`."""
    script: str = require("vl_convert").javascript_bundle("window.vegaEmbed=vegaEmbed;")
    packed = gzip.compress(script.encode(), compresslevel=9, mtime=0)
    return Bundle(
        base64.b64encode(packed).decode(),
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def as_svg(chart: Chart) -> str:
    """A line chart as a picture, for places that run no script."""
    spec = json.loads(json.dumps(specifications()["line"]))
    colours = [_PALETTE[number] for number in range(PALETTE_SIZE)]
    scale = {"domain": list(range(PALETTE_SIZE)), "range": colours}
    rows = [
        {"x": x, "y": y, "r": y, "s": series.name, "c": series.colour, "d": int(series.dashed)}
        for series in chart.series
        for x, y in zip(series.x, series.y, strict=True)
    ]
    for layer in spec["layer"]:
        if "color" in layer["encoding"]:
            layer["encoding"]["color"]["scale"] = scale
    spec |= {"datasets": {"points": rows, "hover": []}, "width": 340, "height": 180, "background": "white"}
    spec["title"] = {"text": chart.title, "anchor": "start"}
    return require("vl_convert").vegalite_to_svg(spec)
