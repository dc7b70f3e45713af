"""Frames to event files: `write_events`."""

import os
from typing import TYPE_CHECKING, Any

from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

#: Columns that are written, and what they are cast to; other columns are left out.
_TYPES = {
    "run": "String",
    "tag": "String",
    "step": "Int64",
    "wall_time": "Float64",
    "value": "Float64",
    "plugin": "String",
}


def write_events(
    frame: "pl.DataFrame | pl.LazyFrame | Any",
    logdir: str | os.PathLike[str],
    *,
    exact: bool = True,
    filename_suffix: str = ".v2",
) -> "list[Path]":
    """Write a frame as event files: the inverse of `collect_events`.

    So logs can be filtered, resampled and merged with Polars, and shown in TensorBoard again. Each run's rows
    go, in their order, to a new event file; what the logdir held before stays. What `collect_events` returns
    for `type="scalar"` or `"summary"` can be written as it is, and reads back as the same rows.

    Args:
        frame: The rows, as a frame of Polars or of anything else that speaks Arrow. Columns:
            `tag` String and `step` Int64;
            `value` Float64, or `summary` as `collect_events` makes it (where a row has both, its value wins);
            `run` String, by default "." for the logdir itself;
            `wall_time` Float64, seconds since the epoch, by default the present;
            `plugin` String, the plugin of `summary`.
            Other columns are left out.
        logdir: The directory; created when missing.
        exact: Keep each float64 that is no float32, beside the float32 that TensorBoard reads.
        filename_suffix: The end of the files' names.

    Returns:
        The files written.

    Raises:
        InvalidEventError: A column is missing or can't be cast, or a row can't be written; the message names
            the row and the column. What was written before it stays.
        OSError: The system refused.

    Examples:
        >>> import polars as pl
        >>> frame = pl.DataFrame({"tag": "loss", "step": [0, 1, 2], "value": [0.3, 0.2, 0.1]})
        >>> files = tfr.write_events(frame, tmp_path)
        >>> tfr.collect_events(tmp_path, type="scalar")["value"].to_list()
        [0.3, 0.2, 0.1]
    """
    import polars as pl

    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    elif not isinstance(frame, pl.DataFrame):
        frame = pl.DataFrame(frame)
    missing = {"tag", "step"} - set(frame.columns)
    if missing or not {"value", "summary"} & set(frame.columns):
        lacking = min(missing) if missing else "value"
        raise InvalidEventError(
            f"`frame` has no column `{lacking}`: needed are `tag`, `step` and `value` (or `summary`)."
        )
    columns = [
        pl.col(name).cast(getattr(pl, dtype)) for name, dtype in _TYPES.items() if name in frame.columns
    ]
    if isinstance(frame.schema.get("summary"), pl.Struct):
        columns.append(pl.col("summary"))
    try:
        rows = frame.select(columns)
        if frame.schema["step"].is_float() and not (rows["step"] == frame["step"]).all():
            raise InvalidEventError("`frame` has a step that is no whole number.")
    except pl.exceptions.InvalidOperationError as error:
        raise InvalidEventError(f"`frame` has a column of the wrong type: {error}") from error
    directory = os.path.abspath(os.path.expanduser(logdir))  # noqa: PTH100, PTH111 - pathlib costs an import
    stream: Any = rows.__arrow_c_stream__(None)
    _, files = _core.write_rows(stream, directory, exact, filename_suffix)
    return files
