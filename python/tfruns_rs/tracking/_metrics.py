"""The metrics of a run: what `log` takes, and how they are read back from its events."""

from __future__ import annotations

import math
import operator
import os
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs import _core
from tfruns_rs.tfruns import _record
from tfruns_rs.tracking._names import canonical_type, seconds, timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    Metrics = dict[str, list[dict[str, dict[str, Any]]]]

_NUMBERS = {"NaN": math.nan, "Inf": math.inf, "-Inf": -math.inf}


def check_metric(name: Any) -> str:
    """A metric's name.

    Raises:
        TypeError: It is no text, or empty.
    """
    if not isinstance(name, str) or not name:
        raise TypeError(f"a metric's name is a str, not {name!r}")
    return name


def number(name: str, value: Any) -> float:
    """A metric's value.

    Raises:
        TypeError: It is no single number.
    """
    if value.__class__ is float:
        return value
    if isinstance(value, (int, float)):
        return float(value)
    item = value.numpy() if hasattr(value, "numpy") and not hasattr(value, "item") else value
    try:
        item = item.item() if hasattr(item, "item") else item
        if not isinstance(item, (str, bytes)):
            return float(item)
    except (TypeError, ValueError, RuntimeError):
        pass
    raise TypeError(f"metric {name!r} is a single number, not {_short(value)}")


def whole(what: str, value: Any) -> int:
    """A whole number of 64 bits.

    Raises:
        TypeError: It is none.
        ValueError: It is too large.
    """
    try:
        found = (
            int(value)
            if isinstance(value, float) and value.is_integer()
            else operator.index(cast("Any", value))
        )
    except TypeError:
        raise TypeError(f"{what} is a whole number, not {_short(value)}") from None
    if not -(1 << 63) <= found < 1 << 63:
        raise ValueError(f"{what} {found} does not fit into 64 bits")
    return found


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"a {type(value).__name__}"  # noqa: PLR2004 - what a message holds


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
    """The metrics of a run directory: its scalar events, else what R wrote into `metrics.json`."""
    import polars as pl

    from tfruns_rs.tfevents._question import tell_losses

    if not os.path.isdir(f"{run_dir}/logs"):  # noqa: PTH112
        return _of_columns(run_dir)
    files = _core.list_event_files([f"{run_dir}/logs"], False)
    stream, report = _core.read_events(files, "scalar", ["call"])
    tell_losses(report.losses, "warn")
    frame = pl.DataFrame(stream)
    if frame.is_empty():
        return _of_columns(run_dir)
    return frame.select(
        pl.col("run").alias("type"),
        pl.col("tag").alias("name"),
        "step",
        "epoch",
        "call",
        "wall_time",
        "value",
    )


def _of_columns(run_dir: str) -> pl.DataFrame:
    """R's metrics: a column a metric, a row an epoch; `val_loss` is the `loss` of type "val"."""
    columns = _record.read_json(f"{run_dir}/{_record.META_DIR}/metrics.json")
    epochs: Any = columns.pop("epoch", None)
    metrics: Metrics = {}
    for column, values in columns.items():
        kind, name = ("val", column[4:]) if column.startswith("val_") else ("train", column)
        for row, value in enumerate(_as_list(values)):
            number = _NUMBERS.get(value, value) if isinstance(value, str) else value
            if isinstance(number, (int, float)):
                told = _as_list(epochs)[row : row + 1]
                epoch = int(told[0]) if told and isinstance(told[0], (int, float)) else row + 1
                sequence = {"epoch": epoch, "step": epoch, "timestamp": None}
                entries = metrics.setdefault(kind, [])
                same = [
                    entry for entry in entries[-len(columns) - row - 1 :] if entry["sequence"] == sequence
                ]
                if same:
                    same[0]["value"][name] = float(number)
                else:
                    entries.append({"value": {name: float(number)}, "sequence": sequence})
    return frame_of(metrics)


def _as_list(values: Any) -> list[Any]:
    return cast("list[Any]", values) if isinstance(values, list) else [values]
