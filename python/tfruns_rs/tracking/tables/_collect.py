"""One pass over a dataset: what a function measures of each example becomes a metrics table."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import polars as pl

from tfruns_rs.errors import BatchError
from tfruns_rs.tfruns import _record
from tfruns_rs.tracking._url import Url
from tfruns_rs.tracking.tables._batch import EXAMPLE_ID, INPUT_TABLE_ID, as_frame
from tfruns_rs.tracking.tables._direction import metrics_of
from tfruns_rs.tracking.tables._foreign import ForeignTable
from tfruns_rs.tracking.tables._writer import MetricsTableWriter, run_directory

if TYPE_CHECKING:
    from collections.abc import Callable

    from tfruns_rs.tracking.tables._schema import ColumnSchema
    from tfruns_rs.tracking.tables._table import MetricsTable
    from tfruns_rs.tracking.tables._writer import RunUrl

_BATCH = 256


def collect_metrics(
    dataset: Any,
    fn: Callable[..., Mapping[str, Any] | pl.DataFrame],
    foreign_table_url: str | os.PathLike[str] = "",
    *,
    run: RunUrl | None = None,
    batch_size: int | None = None,
    predictor: Callable[[Any], Any] | None = None,
    constants: Mapping[str, Any] | None = None,
    split: str = "",
    column_schemas: Mapping[str, ColumnSchema | Mapping[str, Any] | Any] | None = None,
    foreign_table_display_name: str = "",
    progress: bool | None = None,
) -> MetricsTable:
    """Measures every example of a dataset once, in order, and adds one metrics table to the run.

    Example `i` of the dataset gets `example_id` `i`, unless `fn` gives ids of its own. The averages of the
    metrics go into the run's evaluation as `<split>_<metric>_avg`.

    Args:
        dataset: A frame, a URL of a table, a dataset with `len()` and `[i]`, or what yields batches, such as
            a data loader.
        fn: Called with each batch, and with what `predictor` made of it if there is one; returns columns with
            a value an example. A batch is a frame of a frame, a slice of an array or list, a list of examples
            of another dataset, or what the loader yields.
        foreign_table_url: The table behind the dataset; taken from a dataset that is a URL.
        run: The run, its directory or URL; None for the active run.
        batch_size: How many examples a batch has; by default 256. A loader has its own.
        predictor: The model: called with each batch.
        constants: Columns with the same value in every row, such as the epoch.
        split: The part of the data; becomes the stream of the table, and part of the names of the averages.
        column_schemas: As for `MetricsTableWriter`.
        foreign_table_display_name: As for `MetricsTableWriter`.
        progress: Whether a bar is shown; None for only if a person looks at standard error.

    Raises:
        TypeError: The dataset is none of these.
        ValueError: What `fn` returns is no batch, or there was no example.
    """
    directory = run_directory(run)
    if isinstance(dataset, (str, os.PathLike)):
        url = Url(cast("str", dataset))
        foreign_table_url = foreign_table_url or url
        dataset = ForeignTable(url.to_absolute()).scan()
    batches, total, is_sized = _batches(dataset, batch_size)
    writer = MetricsTableWriter(
        directory,
        foreign_table_url,
        foreign_table_display_name,
        column_schemas,
        stream_name=split or "default_stream",
    )
    row = 0
    with writer:
        for batch in _shown(batches, total, split, progress=progress):
            frame = _measured(fn(batch) if predictor is None else fn(batch, predictor(batch)), row)
            if is_sized and EXAMPLE_ID not in frame.columns and frame.height != len(batch):
                raise BatchError(
                    f"fn gave {frame.height} rows for {len(batch)} examples from {row} on; "
                    f"a column {EXAMPLE_ID!r} would tell which they are about"
                )
            ids = (
                []
                if EXAMPLE_ID in frame.columns
                else [pl.int_range(row, row + frame.height).alias(EXAMPLE_ID)]
            )
            fixed = [pl.lit(value).alias(name) for name, value in (constants or {}).items()]
            writer.add_batch(frame.with_columns(*ids, *fixed))
            row += frame.height
    _write_averages(directory, writer.table, split, set(constants or {}))
    return writer.table


def _measured(given: Any, row: int) -> pl.DataFrame:
    try:
        return as_frame(given)
    except BatchError as error:
        column = f", column {error.column!r}" if error.column is not None else ""
        error.args = (f"what fn gave for the examples from {row} on{column}: {error}",)
        raise


def _batches(dataset: Any, size: int | None) -> tuple[Iterator[Any], int | None, bool]:
    """The batches of a dataset, how many there are if known, and whether len() of one counts examples."""
    if size is not None and size < 1:
        raise ValueError(f"batch_size must be 1 or more, not {size}")
    step = size or _BATCH
    if isinstance(dataset, pl.LazyFrame):
        dataset = dataset.collect()
    elif hasattr(dataset, "__arrow_c_stream__"):
        dataset = pl.DataFrame(dataset)
    if hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__") and not isinstance(dataset, Mapping):
        examples: Any = dataset
        length = len(examples)
        starts = range(0, length, step)
        if isinstance(dataset, (pl.DataFrame, pl.Series, Sequence)) or hasattr(examples, "__array__"):
            return (examples[start : start + step] for start in starts), len(starts), True
        rows = (range(start, min(start + step, length)) for start in starts)
        return ([examples[row] for row in some] for some in rows), len(starts), True
    if not isinstance(dataset, Iterable):
        raise TypeError(
            f"a dataset has len() and [i], or yields batches; {type(dataset).__name__} does neither"
        )
    if size is not None:
        raise ValueError("what yields batches has a batch_size of its own")
    try:
        count = len(cast("Any", dataset))
    except TypeError:
        count = None
    return iter(cast("Iterable[Any]", dataset)), count, False


def _shown(batches: Iterator[Any], total: int | None, split: str, *, progress: bool | None) -> Iterator[Any]:
    """The batches, with a bar that follows them."""
    if not (sys.stderr.isatty() if progress is None else progress):
        yield from batches
        return
    from rich.console import Console
    from rich.progress import track

    title = f"metrics of {split}" if split else "metrics"
    yield from track(batches, title, total, console=Console(stderr=True))


def _write_averages(
    directory: os.PathLike[str], table: MetricsTable, split: str, constants: set[str]
) -> None:
    """Adds the averages of the metrics to the run's evaluation."""
    from tfruns_rs.tfruns import _active
    from tfruns_rs.tfruns._run_metadata import write_run_metadata

    rows = table.scan()
    names = [
        name
        for name in metrics_of(rows.collect_schema(), table.schema)
        if name not in constants | {EXAMPLE_ID, INPUT_TABLE_ID}
    ]
    if not names or _active.rank() > 0:
        return
    found = rows.select(pl.col(names).cast(pl.Float64).drop_nans().mean()).collect().row(0, named=True)
    prefix = f"{split}_" if split else ""
    averages = {f"{prefix}{name}_avg": value for name, value in found.items() if value is not None}
    known = _record.read_json(os.path.join(directory, _record.META_DIR, "evaluation.json"))  # noqa: PTH118 - a text
    write_run_metadata("evaluation", {**known, **averages}, directory)
