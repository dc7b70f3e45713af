"""Frames to event files: `write_events`, the inverse of `collect_events`."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any

from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError

if TYPE_CHECKING:
    import polars as pl

_SCALAR_COLUMNS = {"run", "tag", "step", "wall_time", "value"}
_SUMMARY_COLUMNS = {"run", "tag", "plugin", "step", "wall_time", "summary"}


def write_events(frame: pl.DataFrame, logdir: str | os.PathLike[str]) -> list[str]:
    """Writes a frame's rows to new event files, one a run, in the order of the rows.

    So what was collected can be filtered, resampled or merged with Polars and looked at in TensorBoard again.
    Values stay exact. There is no file until it is whole, and none that exists is touched.

    Args:
        frame: Scalars (columns run, tag, step, wall_time, value) or summaries (columns run, tag, plugin,
        step,
            wall_time, summary), as `collect_events` gives them. Other columns are left out.
        logdir: The log directory. It is made if it does not exist.

    Returns:
        The paths of the files, one a run, in the order in which the runs appear.

    Raises:
        InvalidEventError: A column is missing, a value is null, a wall time is no number, or a run's name
        leads
            out of the logdir.
        OSError: A file can't be written.

    Examples:
        >>> import tempfile, polars as pl, tfruns_rs as tfr
        >>> logdir = tempfile.mkdtemp()
        >>> rows = {"run": ["train"], "tag": ["loss"], "step": [3], "wall_time": [1.5], "value": [0.1]}
        >>> paths = tfr.write_events(pl.DataFrame(rows), logdir)
        >>> tfr.collect_events(logdir, type="scalar").rows()
        [('train', 'loss', 3, 1.5, 0.1)]
    """
    import polars as pl

    is_summaries = _SUMMARY_COLUMNS.issubset(frame.columns)
    columns = _SUMMARY_COLUMNS if is_summaries else _SCALAR_COLUMNS
    missing = sorted(columns - set(frame.columns))
    if missing:
        raise InvalidEventError(f"the frame has no column {', '.join(missing)}")
    types = {"run": pl.String, "tag": pl.String, "step": pl.Int64, "wall_time": pl.Float64}
    if not is_summaries:
        types["value"] = pl.Float64
    rows = frame.select(columns).cast({name: kind for name, kind in types.items() if name in columns})
    for name in types:
        if rows[name].null_count():
            raise InvalidEventError(f"column {name} has nulls")
    if rows["wall_time"].is_nan().any():
        raise InvalidEventError("a wall time is no number")
    write = _write_summaries if is_summaries else _write_scalars
    if rows["run"].n_unique() == 1:
        return [write(os.fspath(logdir), rows["run"][0], rows)]
    parts = rows.partition_by("run", maintain_order=True)
    return [write(os.fspath(logdir), part["run"][0], part) for part in parts]


def _write_scalars(logdir: str, run: str, rows: pl.DataFrame) -> str:
    import polars as pl

    names = rows["tag"].unique(maintain_order=True).to_list()
    tags = rows["tag"].cast(pl.Enum(names)).to_physical().cast(pl.UInt32)
    return _core.write_scalars(
        logdir,
        run,
        names,
        _bytes(tags),
        _bytes(rows["step"]),
        _bytes(rows["wall_time"]),
        _bytes(rows["value"]),
    )


def _bytes(column: pl.Series) -> bytes:
    return column.to_numpy().tobytes()


def _write_summaries(logdir: str, run: str, rows: pl.DataFrame) -> str:
    values = zip(
        rows["tag"], rows["plugin"], rows["step"], rows["wall_time"], rows["summary"].to_list(), strict=True
    )
    return _core.write_values(
        logdir,
        run,
        [
            (tag, _fields(plugin or "", cell), step, wall_time)
            for tag, plugin, step, wall_time, cell in values
        ],
    )


def _fields(plugin: str, cell: dict[str, Any]) -> bytes:
    """A value's bytes on the wire, but for the tag."""
    metadata = _core.encode_metadata(
        plugin, cell["plugin_content"] or b"", cell["display_name"] or "", cell["description"] or ""
    )
    kind, dtype = cell["kind"], cell["dtype"]
    data: bytes | None = cell["data"]
    if data is None:
        return metadata
    if kind == "scalar":
        (value,) = struct.unpack("<f" if dtype == "float32" else "<d", data)
        fields = _core.encode_scalar(value, dtype == "float64", metadata)
    elif kind == "tensor" and dtype == "string":
        fields = _core.encode_strings(_strings(data), cell["shape"], None, metadata)
    elif kind == "tensor":
        fields = _core.encode_tensor(data, dtype, cell["shape"], None, metadata)
    elif kind == "image":
        height, width, colorspace = cell["shape"]
        fields = _core.encode_image(data, width, height, colorspace, metadata)
    elif kind == "histo":
        fields = _field(5, data) + metadata
    else:
        fields = _field(6, _field(4, data)) + metadata
    return fields


def _strings(data: bytes) -> list[bytes]:
    """The elements of a string tensor: each stands behind its length."""
    elements: list[bytes] = []
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        elements.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return elements


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited field."""
    key, length = number << 3 | 2, len(data)
    varint = bytearray()
    while length >= 0x80:  # noqa: PLR2004 - seven bits a byte
        varint.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([key, *varint, length]) + data
