"""Two runs, example by example: which got better, which got worse, by how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from tfruns_rs.errors import MetricsTableError
from tfruns_rs.tracking.tables._batch import EXAMPLE_ID
from tfruns_rs.tracking.tables._direction import Direction, better_of, metrics_of
from tfruns_rs.tracking.tables._joined import metrics_tables
from tfruns_rs.tracking.tables._table import MetricsTable
from tfruns_rs.tracking.tables._writer import run_directory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tfruns_rs.tracking.tables._writer import RunUrl

    Scored = RunUrl | MetricsTable | pl.DataFrame | pl.LazyFrame


def compare_examples(
    run_a: Scored,
    run_b: Scored,
    on: str = EXAMPLE_ID,
    *,
    metrics: Sequence[str] | None = None,
    better: Mapping[str, Direction] | None = None,
    tolerance: float = 0.0,
    stream: str | None = None,
    columns: Sequence[str] = (),
) -> pl.DataFrame:
    """How each example fares in one run and in another.

    Where a run speaks about an example several times, the last time counts.

    Args:
        run_a: The run to start from: a run, its directory, a `MetricsTable` or a frame.
        run_b: The run to compare with it.
        on: What tells the examples apart: a column of the metrics, or one of the foreign table.
        metrics: The metrics to compare; None for all that both have and whose better side is known.
        better: Whether a metric is better when it is smaller (`"min"`) or larger (`"max"`), where its name
            does not say.
        tolerance: Differences up to this size count as none.
        stream: The series of tables to take; None for all.
        columns: Columns of the foreign table to add.

    Returns:
        One row a metric and example: `metric`, the column `on`, `a`, `b`, `delta` (b - a), `change`
        (`better`, `worse`, `same`, `only_a`, `only_b`) and `columns`; what got worse most first, metric by
        metric. A value that is not a number is worse than any number.

    Raises:
        MetricsTableError: There is nothing to compare, the better side of a metric is unknown, or the runs
            speak about different tables.
    """
    a, b = _Side(run_a, on, stream, columns), _Side(run_b, on, stream, ())
    if on == EXAMPLE_ID and a.content and b.content and a.content != b.content:
        raise MetricsTableError(
            "the runs speak about different tables, so that an example_id means another example in each; "
            "choose a column of these tables with on="
        )
    directions = _directions(a, b, metrics, better or {})
    shared = pl.concat([_compared(a, b, on, item, tolerance) for item in directions.items()])
    if columns:
        rows = a.rows.select(on, *columns).unique(on, keep="last")
        shared = shared.join(rows, on=on, how="left", maintain_order="left")
    return shared.collect()


class _Side:
    """One of the two runs: its rows, and the content of the table they speak about."""

    def __init__(self, run: Scored, on: str, stream: str | None, columns: Sequence[str]) -> None:
        self.content = ""
        self.schemas: dict[str, Any] = {}
        if isinstance(run, (pl.DataFrame, pl.LazyFrame)):
            self.rows = run.lazy()
        else:
            tables = [run] if isinstance(run, MetricsTable) else _tables(run, stream)
            contents = {table.foreign_content for table in tables}
            if len(contents) > 1 and on == EXAMPLE_ID:
                raise MetricsTableError(
                    f"the tables of {run} speak about different tables; choose with stream="
                )
            self.content = next(iter(contents))
            self.rows = pl.concat([_rows(table, on, columns) for table in tables], how="diagonal_relaxed")
            for table in tables:
                self.schemas |= table.schema
        self.types = self.rows.collect_schema()
        if on not in self.types:
            raise MetricsTableError(f"there is no column {on!r} to tell examples apart")

    def of(self, metric: str, on: str, name: str) -> pl.LazyFrame:
        """The last value of a metric for each example."""
        value = pl.col(metric).cast(pl.Float64)
        rows = self.rows.filter(pl.col(metric).is_not_null()).select(on, value.alias(name))
        return rows.unique(on, keep="last", maintain_order=True)


def _tables(run: RunUrl, stream: str | None) -> list[MetricsTable]:
    directory = run_directory(run)
    tables = [table for table in metrics_tables(directory) if stream in {None, table.stream_name}]
    if not tables:
        which = f" of the stream {stream!r}" if stream else ""
        raise MetricsTableError(f"{directory} refers to no metrics table{which}; see Run.update_metrics")
    return tables


def _rows(table: MetricsTable, on: str, columns: Sequence[str]) -> pl.LazyFrame:
    wanted = [name for name in (on, *columns) if name not in table.columns]
    if not wanted:
        return table.scan()
    return table.join_foreign(wanted)


def _directions(
    a: _Side, b: _Side, metrics: Sequence[str] | None, better: Mapping[str, Direction]
) -> dict[str, Direction]:
    shared = [name for name in metrics_of(a.types, a.schemas) if name in metrics_of(b.types, b.schemas)]
    if metrics is None:
        found: dict[str, Direction] = {}
        for name in shared:
            if side := better.get(name) or better_of(name):
                found[name] = side
        if not found:
            raise MetricsTableError(
                f"the runs share {shared or 'no metrics'}; name some with metrics= and say which side "
                "of them is better with better="
            )
        return found
    directions: dict[str, Direction] = {}
    for name in metrics:
        if name not in shared:
            raise MetricsTableError(f"{name!r} is no metric of both runs; they share {shared}")
        side = better.get(name) or better_of(name)
        if side not in {"min", "max"}:
            raise MetricsTableError(
                f'say whether {name!r} is better small or large: better={{"{name}": "min"}}'
            )
        directions[name] = side
    return directions


def _compared(a: _Side, b: _Side, on: str, item: tuple[str, Direction], tolerance: float) -> pl.LazyFrame:
    metric, side = item
    both = a.of(metric, on, "a").join(b.of(metric, on, "b"), on=on, how="full", coalesce=True)
    sign = 1.0 if side == "min" else -1.0
    nan_a, nan_b = pl.col("a").is_nan(), pl.col("b").is_nan()
    # Equal infinities differ by nothing; one value that is no number is infinitely worse than a number.
    harm = (
        pl.when((pl.col("a") == pl.col("b")) | (nan_a & nan_b))
        .then(0.0)
        .when(nan_b)
        .then(float("inf"))
        .when(nan_a)
        .then(float("-inf"))
        .otherwise((pl.col("b") - pl.col("a")) * sign)
    )
    change = (
        pl.when(pl.col("b").is_null())
        .then(pl.lit("only_a"))
        .when(pl.col("a").is_null())
        .then(pl.lit("only_b"))
        .when(pl.col("harm") > tolerance)
        .then(pl.lit("worse"))
        .when(pl.col("harm") < -tolerance)
        .then(pl.lit("better"))
        .otherwise(pl.lit("same"))
    )
    return (
        both.with_columns(harm=harm, delta=pl.col("b") - pl.col("a"))
        .with_columns(change=change, metric=pl.lit(metric))
        .sort("harm", on, descending=[True, False], nulls_last=True, maintain_order=True)
        .select("metric", on, "a", "b", "delta", "change")
    )
