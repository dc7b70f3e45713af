"""Frames of one kind of value: histograms, texts, images, sounds, tensors, hyperparameters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._hparams import status_name
from tfruns_rs.tfevents._value import buckets_of, clips_of, images_of, strings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from tfruns_rs.tfevents._question import ValueKind

_PLUGINS: dict[str, tuple[str, str]] = {
    "histogram": ("histograms", "histo"),
    "text": ("text", ""),
    "image": ("images", "image"),
    "audio": ("audio", "audio"),
    "hparams": ("hparams", ""),
}
_PNG_HEADER_LEN = 24


def other_plugins(kind: ValueKind) -> list[str]:
    """The plugins whose values are never of a kind, so that the reader need not build their rows."""
    own, _ = _PLUGINS.get(kind, ("", ""))
    return [name for name in ("scalars", *(name for name, _ in _PLUGINS.values())) if name != own]


def events_of_kind(
    frame: pl.DataFrame, kind: ValueKind, n: int | None
) -> tuple[pl.DataFrame, tuple[str, int] | None]:
    """The rows of a summary frame that are of a kind, and where the first event is that was not taken.

    Args:
        frame: A summary frame with the columns file and offset.
        kind: The kind.
        n: How many events to take at most.
    """
    import polars as pl

    plugin, stored = pl.col("plugin"), pl.col("summary").struct.field("kind")
    if kind == "tensor":
        wanted = (stored == "tensor") & ~plugin.is_in([*(name for name, _ in _PLUGINS.values()), "scalars"])
    else:
        name, form = _PLUGINS[kind]
        wanted = (plugin == name) | ((stored == form) & (plugin == ""))
    rows = frame.filter(wanted)
    if n is None:
        return rows, None
    number = rows.select(pl.struct("file", "offset").rle_id()).to_series()
    rest = rows.filter(number == n).select("file", "offset").head(1).rows()
    return rows.filter(number < n), rest[0] if rest else None


def kind_frame(rows: pl.DataFrame, kind: ValueKind, extra: list[str]) -> pl.DataFrame:
    """Rows of a kind with that kind's columns instead of the summary's.

    A value whose data are broken keeps its row, with nulls.

    Args:
        rows: Rows of a summary frame, from `events_of_kind`.
        kind: The kind.
        extra: The further columns that were asked for.
    """
    import polars as pl

    schema = _schema(kind)
    made = [_row(cell, kind) for cell in rows["summary"].to_list()]
    if kind == "histogram":
        columns = pl.DataFrame([row[1:] for row in made], schema=dict(list(schema.items())[1:]), orient="row")
        columns.insert_column(0, _bucket_column([row[0] for row in made]))
    else:
        columns = pl.DataFrame(made, schema=schema, orient="row")
    keep = ["run", "tag", *(["plugin"] if kind == "tensor" else []), "step", "wall_time"]
    return pl.concat([rows.select(keep), columns, rows.select(extra)], how="horizontal")


def _schema(kind: ValueKind) -> dict[str, Any]:
    import polars as pl

    match kind:
        case "histogram":
            bucket = pl.Struct({"lower": pl.Float64, "upper": pl.Float64, "count": pl.Float64})
            return {
                "buckets": pl.List(bucket),
                "min": pl.Float64,
                "max": pl.Float64,
                "count": pl.Float64,
                "sum": pl.Float64,
                "sum_squares": pl.Float64,
                "nan": pl.Int64,
                "positive_infinity": pl.Int64,
                "negative_infinity": pl.Int64,
            }
        case "text":
            return {"text": pl.String, "elements": pl.List(pl.String), "shape": pl.List(pl.Int64)}
        case "image":
            return {"width": pl.Int64, "height": pl.Int64, "images": pl.List(pl.Binary)}
        case "audio":
            return {
                "sample_rate": pl.Int64,
                "channels": pl.Int64,
                "clips": pl.List(pl.Binary),
                "labels": pl.List(pl.String),
            }
        case "tensor":
            return {"dtype": pl.String, "shape": pl.List(pl.Int64), "data": pl.Binary}
        case "hparams":
            return {
                "what": pl.String,
                "trial": pl.String,
                "status": pl.String,
                "time_secs": pl.Float64,
                "content": pl.String,
            }


def _row(cell: Mapping[str, Any], kind: ValueKind) -> tuple[Any, ...]:
    make, width = _ROWS[kind]
    if cell["data"] is None and kind not in ("hparams", "tensor"):
        return (None,) * width
    try:
        return make(cell)
    except InvalidEventError:
        return (None,) * width


def _histogram(cell: Mapping[str, Any]) -> tuple[Any, ...]:
    table = buckets_of(cell)
    total, square = None, None
    if cell["kind"] == "histo" and (read := _core.decode_histo(cell["data"])):
        _, (low, high, count, total, square) = read
    else:
        low, high = (float(table[0, 0]), float(table[-1, 1])) if len(table) else (None, None)
        count = float(table[:, 2].sum())
    apart = _core.decode_non_finite(cell["plugin_content"] or b"")
    return (table, low, high, count, total, square, *apart)


def _bucket_column(tables: list[NDArray[np.float64] | None]) -> pl.Series:
    """Lists of buckets out of tables, built as columns: an object for each bucket would cost far more."""
    import numpy as np
    import polars as pl

    sizes = [0 if table is None else len(table) for table in tables]
    flat = np.concatenate([table for table in tables if table is not None] or [np.empty((0, 3))])
    bucket = pl.struct("lower", "upper", "count")
    lists = (
        pl.DataFrame(flat, schema=dict.fromkeys(("lower", "upper", "count"), pl.Float64))
        .with_columns(row=pl.Series(np.repeat(np.arange(len(tables)), sizes), dtype=pl.Int64))
        .group_by("row", maintain_order=True)
        .agg(buckets=bucket)
    )
    known = pl.DataFrame(
        {"row": range(len(tables)), "known": [table is not None for table in tables]},
        schema={"row": pl.Int64, "known": pl.Boolean},
    )
    column = known.join(lists, on="row", how="left", maintain_order="left").select(
        pl.when("known").then(pl.col("buckets").fill_null([])).alias("buckets")
    )
    return column.to_series().cast(_schema("histogram")["buckets"])


def _text(cell: Mapping[str, Any]) -> tuple[Any, ...]:
    strings = [string.decode("utf-8", "replace") for string in strings_of(cell)]
    return (strings[0] if len(strings) == 1 else None, strings, cell["shape"])


def _image(cell: Mapping[str, Any]) -> tuple[Any, ...]:
    images = images_of(cell)
    width, height = _size(cell, images)
    return (width, height, images)


def _size(cell: Mapping[str, Any], images: list[bytes]) -> tuple[int | None, int | None]:
    """Width and height: the PNG's own, else what the writer says (TensorFlow in digits)."""
    first = images[0] if images else b""
    if first.startswith(b"\x89PNG") and len(first) >= _PNG_HEADER_LEN:
        return int.from_bytes(first[16:20]), int.from_bytes(first[20:24])
    if cell["kind"] == "image":
        height, width, _ = cell["shape"]
        return width, height
    said = strings_of(cell)[:2]
    width, height = (int(side) if side.isdigit() else None for side in (*said, b"", b"")[:2])
    return width, height


def _audio(cell: Mapping[str, Any]) -> tuple[Any, ...]:
    clips, labels = clips_of(cell)
    try:
        rate, channels, *_ = _core.decode_wav(clips[0] if clips else b"")
    except InvalidEventError:  # another encoding
        rate, channels = None, None
    return (rate, channels, clips, [label.decode("utf-8", "replace") for label in labels])


def _tensor(cell: Mapping[str, Any]) -> tuple[Any, ...]:
    return (cell["dtype"], cell["shape"], cell["data"])


def _hparams(cell: Mapping[str, Any]) -> tuple[Any, ...]:
    match _core.decode_hparams(cell["plugin_content"] or b""):
        case ("start", values, trial, time):
            return ("start", trial, None, time, json.dumps(values))
        case ("end", status, time):
            return ("end", None, status_name(status), time, None)
        case ("experiment", hparams, metrics, time):
            names = ("name", "values", "interval", "display_name", "description")
            fields = ("tag", "group", "display_name", "description", "dataset_type")
            content = {
                "hparams": [dict(zip(names, hparam, strict=True)) for hparam in hparams],
                "metrics": [dict(zip(fields, metric, strict=True)) for metric in metrics],
            }
            return ("experiment", None, None, time, json.dumps(content))
        case _:
            raise InvalidEventError("The hyperparameters are broken.")


_ROWS: dict[str, tuple[Callable[[Mapping[str, Any]], tuple[Any, ...]], int]] = {
    "histogram": (_histogram, 9),
    "text": (_text, 3),
    "image": (_image, 3),
    "audio": (_audio, 4),
    "tensor": (_tensor, 3),
    "hparams": (_hparams, 5),
}
