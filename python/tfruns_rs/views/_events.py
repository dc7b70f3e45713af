"""What a run's `logs/` holds, as a page shows it: scalars, images, histograms over steps, texts.

Scalars are read first; what is none, in a second pass that names the tags to skip.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tfruns_rs.errors import InvalidEventError, LogdirNotFoundError
from tfruns_rs.tfevents._read import collect_events
from tfruns_rs.tfevents._value import buckets_of, images_of, strings_of
from tfruns_rs.views._charts import PALETTE_SIZE, Chart, Series, is_share
from tfruns_rs.views._picture import picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import polars as pl
    from numpy.typing import NDArray

    from tfruns_rs.views._budget import Budget
    from tfruns_rs.views._picture import Picture

_MAX_HEAVY_BYTES: Final = 1_000_000_000
"""Logs beyond this size show their scalars only: a page is no place to read gigabytes of pictures for."""

_BROKEN: Final = (InvalidEventError, ValueError, TypeError, struct.error)
"""What values whose bytes are broken raise when they are read."""

_MAX_HISTOGRAM_STEPS: Final = 60
_MAX_HISTOGRAM_BUCKETS: Final = 60
_PER_TAG: Final = 6
"""Pictures and texts of one tag: the last, and others spread over the steps."""


@dataclass(frozen=True, slots=True)
class LoggedText:
    """A logged text."""

    run: str
    tag: str
    step: int
    text: str


@dataclass(frozen=True, slots=True)
class Events:
    """The events of a run.

    Attributes:
        charts: A chart a scalar tag, then a chart a histogram.
        images: The pictures, by tag and step.
        texts: The texts, by tag and step.
        notes: What was left out, in words.
    """

    charts: list[Chart] = field(default_factory=list[Chart])
    images: list[Picture] = field(default_factory=list["Picture"])
    texts: list[LoggedText] = field(default_factory=list[LoggedText])
    notes: list[str] = field(default_factory=list[str])


def read_events(logdir: Path, budget: Budget, *, media_bytes: int) -> Events:
    """Reads the events below a directory.

    Args:
        logdir: The directory; it may be missing.
        budget: How much the page can hold.
        media_bytes: How many bytes pictures may have in all.

    Returns:
        The events; none where the logs can't be read.
    """
    try:
        scalars = collect_events(logdir, type="scalar", on_corrupt="skip")
        charts = _scalar_charts(scalars)
        heavy = _without_tags(logdir, scalars["tag"].unique().to_list())
    except (LogdirNotFoundError, OSError):
        return Events()
    if heavy is None:
        return Events(charts, notes=["Images, histograms and texts are left out: the logs exceed 1 GB."])
    events = Events(charts)
    events.charts.extend(_histogram_charts(heavy))
    events.images.extend(_images(heavy, budget, media_bytes, events.notes))
    events.texts.extend(_texts(heavy, budget, events.notes))
    return events


def _without_tags(logdir: Path, tags: list[str]) -> pl.DataFrame | None:
    """The summaries of all other tags; None if the logs are too large to look for them."""
    size = sum(file.stat().st_size for file in logdir.rglob("*tfevents*") if file.is_file())
    if size > _MAX_HEAVY_BYTES:
        return None
    others = re.compile(rf"\A(?!(?:{'|'.join(map(re.escape, tags))})\Z)") if tags else re.compile("")
    frame = collect_events(logdir, type="summary", tag=others, on_corrupt="skip")
    return frame.sort("run", "tag", "step", maintain_order=True)


def _scalar_charts(scalars: pl.DataFrame) -> list[Chart]:
    """A chart a tag, with a line a run; a tag's `val_` twin is drawn with it."""
    runs = {run: number % PALETTE_SIZE for number, run in enumerate(scalars["run"].unique().sort())}
    tags = set(scalars["tag"].unique())
    charts: dict[str, Chart] = {}
    for (run, tag), lines in _by_tag(scalars):
        twin = tag.removeprefix("val_")
        is_validation = twin != tag and twin in tags
        title = twin if is_validation else tag
        chart = charts.setdefault(title, Chart(title, x_title="step", is_share=is_share(title)))
        label = ("values" if run == "." else run) + (" (validation)" if is_validation else "")
        chart.series.append(_line(label, lines.sort("step", maintain_order=True), runs[run], is_validation))
    return sorted(charts.values(), key=lambda chart: chart.title)


def _line(label: str, rows: pl.DataFrame, colour: int, dashed: bool) -> Series:  # noqa: FBT001 - private
    finite = rows.filter(rows["value"].is_finite())
    return Series(
        label,
        finite["step"].to_list(),
        finite["value"].to_list(),
        colour,
        dashed,
        label,
        len(rows),
        len(rows) - len(finite),
    )


def _histogram_charts(heavy: pl.DataFrame) -> Iterator[Chart]:
    for (run, tag), rows in _of_plugin(heavy, "histograms"):
        steps: list[tuple[int, list[tuple[float, float, float]]]] = []
        for row in _spread(rows, _MAX_HISTOGRAM_STEPS):
            buckets = _buckets(row["summary"])
            if buckets is not None and len(buckets):
                steps.append((int(row["step"]), _joined(buckets)))
        if steps:
            title = tag if run == "." else f"{run}: {tag}"
            yield Chart(
                title, "histogram", "step", rows=list(_rectangles(steps)), left_out=len(rows) - len(steps)
            )


def _buckets(summary: dict[str, Any]) -> NDArray[np.float64] | None:
    """The buckets of a histogram as rows of lower edge, upper edge and count."""
    try:
        buckets = buckets_of(summary)
    except _BROKEN:
        return None
    return buckets[np.isfinite(buckets).all(axis=1)]


def _joined(buckets: NDArray[np.float64]) -> list[tuple[float, float, float]]:
    """Neighbouring buckets added up until a page can hold them."""
    step = -(-len(buckets) // _MAX_HISTOGRAM_BUCKETS)
    groups = [buckets[at : at + step] for at in range(0, len(buckets), step)]
    return [(float(group[0, 0]), float(group[-1, 1]), float(group[:, 2].sum())) for group in groups]


def _rectangles(steps: list[tuple[int, list[tuple[float, float, float]]]]) -> Iterator[dict[str, Any]]:
    """A rectangle a bucket: as wide as the time to the next step, coloured by its density."""
    places = [step for step, _ in steps]
    ends = [*places[1:], places[-1] + (places[-1] - places[-2] if len(places) > 1 else 1)]
    for (step, buckets), end in zip(steps, ends, strict=True):
        densities = [count / (high - low) if high > low else 0.0 for low, high, count in buckets]
        densest = max(densities) or 1.0
        for (low, high, count), density in zip(buckets, densities, strict=True):
            if count:
                yield {
                    "step": step,
                    "from": step,
                    "to": max(end, step),
                    "low": _short(low),
                    "high": _short(high),
                    "count": count,
                    "share": round(density / densest, 3),
                }


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _images(heavy: pl.DataFrame, budget: Budget, media_bytes: int, notes: list[str]) -> Iterator[Picture]:
    shown = total = 0
    for (run, tag), rows in _of_plugin(heavy, "images"):
        total += len(rows)
        for row in _spread(rows, _PER_TAG):
            caption = f"{tag} · step {row['step']}" + ("" if run == "." else f" · {run}")
            for data in _encoded(row["summary"]):
                found = picture(caption, data)
                if found is None or shown >= budget.images or len(found.uri) > media_bytes:
                    continue
                media_bytes -= len(found.uri)
                shown += 1
                yield found
                break
    if shown < total:
        notes.append(f"{shown:,} of {total:,} images are shown.")


def _encoded(summary: dict[str, Any]) -> list[bytes]:
    try:
        return images_of(summary)
    except _BROKEN:
        return []


def _texts(heavy: pl.DataFrame, budget: Budget, notes: list[str]) -> Iterator[LoggedText]:
    shown = total = 0
    for (run, tag), rows in _of_plugin(heavy, "text"):
        total += len(rows)
        for row in _spread(rows, _PER_TAG):
            if shown >= budget.texts:
                break
            text = "\n".join(piece.decode(errors="replace") for piece in _strings(row["summary"]))
            more = len(text) - budget.text_chars
            if more > 0:
                text = f"{text[: budget.text_chars]}\n({more:,} characters are left out)"
            shown += 1
            yield LoggedText(run, tag, int(row["step"]), text)
    if shown < total:
        notes.append(f"{shown:,} of {total:,} texts are shown.")


def _strings(summary: dict[str, Any]) -> list[bytes]:
    try:
        return strings_of(summary)
    except _BROKEN:
        return []


def _of_plugin(heavy: pl.DataFrame, plugin: str) -> Iterator[tuple[tuple[str, str], pl.DataFrame]]:
    return _by_tag(heavy.filter(heavy["plugin"] == plugin))


def _by_tag(rows: pl.DataFrame) -> Iterator[tuple[tuple[str, str], pl.DataFrame]]:
    for (run, tag), some in rows.group_by("run", "tag", maintain_order=True):
        yield (str(run), str(tag)), some


def _spread(rows: pl.DataFrame, limit: int) -> Iterator[dict[str, Any]]:
    """Some rows, spread evenly, the last among them."""
    places = np.unique(np.linspace(len(rows) - 1, 0, min(limit, len(rows))).round().astype(int))
    yield from rows[places.tolist()].iter_rows(named=True)
