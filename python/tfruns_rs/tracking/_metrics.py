"""The metrics of a run, read back from its events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfruns_rs.tracking._names import canonical_type, seconds, timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from tfruns_rs.tracking._run import Metrics


def frame_of(metrics: Mapping[str, Any]) -> pl.DataFrame:
    """The metrics of a run in memory as a frame: a row a value, `call` numbering the calls of `log`."""
    import polars as pl

    rows = [
        (kind, name, entry["sequence"]["step"], entry["sequence"]["epoch"], call, _wall_time(entry), value)
        for kind, entries in metrics.items()
        for call, entry in enumerate(entries)
        for name, value in entry["value"].items()
    ]
    schema = {
        "type": pl.String,
        "name": pl.String,
        "step": pl.Int64,
        "epoch": pl.Int64,
        "call": pl.Int64,
        "wall_time": pl.Float64,
        "value": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _wall_time(entry: Mapping[str, Any]) -> float | None:
    return seconds(entry["sequence"]["timestamp"])


def public_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame that `Run.metrics_frame()` returns."""
    import polars as pl

    kinds = {kind: canonical_type(kind) for kind in frame["type"].unique()}
    return frame.select(
        "type",
        "name",
        "step",
        "epoch",
        pl.from_epoch((pl.col("wall_time") * 1e6).round().cast(pl.Int64), "us")
        .dt.replace_time_zone("UTC")
        .alias("timestamp"),
        "value",
        pl.col("type").replace(kinds).alias("canonical_type"),
    )


def metrics_of(frame: pl.DataFrame) -> Metrics:
    """The calls of `log` by type, in their order."""
    found: Metrics = {}
    last: dict[str, tuple[Any, ...]] = {}
    for kind, name, step, epoch, call, wall_time, value in frame.iter_rows():
        key = (call, step, wall_time)
        if last.get(kind) != key:
            last[kind] = key
            stamp = None if wall_time is None else timestamp(wall_time)
            sequence = {"epoch": epoch, "step": step, "timestamp": stamp}
            found.setdefault(kind, []).append({"value": {}, "sequence": sequence})
        found[kind][-1]["value"][name] = value
    return found


def read_metrics(run_dir: str) -> pl.DataFrame:
    """The metrics of a run directory."""
    raise NotImplementedError(run_dir)
