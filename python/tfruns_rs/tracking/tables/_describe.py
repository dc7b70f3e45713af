"""A table in a few numbers, as plain data: for reports, which show it without reading it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import polars as pl

from tfruns_rs.tracking.tables._batch import EXAMPLE_ID, INPUT_TABLE_ID
from tfruns_rs.tracking.tables._direction import better_of, metrics_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfruns_rs.tracking.tables._schema import ColumnSchema
    from tfruns_rs.tracking.tables._table import MetricsTable

_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_LONGEST_TEXT = 200
_FOREIGN_COLUMNS = 6
_LARGEST_FOREIGN = 1 << 30  # bytes; finding rows of a text file takes reading all of it


def describe_table(table: MetricsTable, *, worst: int = 10, buckets: int = 30) -> dict[str, Any]:
    """Size, columns, the distribution of each metric and the worst examples of a table.

    The worst examples show the first plain columns of the foreign table as well, if that is still what it
    was. Anything else outside the run is not read: a report may be of a run from anywhere.

    Args:
        table: The table.
        worst: How many examples to show for each metric whose better side its name tells.
        buckets: How many bars a histogram has.

    Returns:
        Numbers, texts, lists and mappings only: `name`, `url`, `stream_name`, `row_count`, `file_size`,
        `created`, `foreign` (`display_name`, `url`, `is_shown`, or None), `columns` (`name`, `dtype`, and
        what the schema says), `metrics` (`name`, `label`, `unit`, `count`, `nulls`, `nans`, `min`, `max`,
        `mean`, `std`, `quantiles`, `histogram` with `edges` and `counts`, `better`, `worst`: rows as
        mappings). Numbers that JSON lacks are None.
    """
    schemas = table.schema
    rows = table.scan()
    types = dict(rows.collect_schema())
    url = table.foreign_table_url
    metrics = [
        {
            **_distribution(rows, name, schemas[name], buckets),
            "better": better_of(name),
            "worst": _worst(rows, types, name, worst),
        }
        for name in metrics_of(types, schemas)
        if name in schemas
    ]
    is_shown = _add_foreign(table, types, metrics)
    foreign = {"display_name": table.foreign_table_display_name, "url": str(url), "is_shown": is_shown}
    return {
        "name": table.name,
        "url": str(table.url),
        "stream_name": table.stream_name,
        "row_count": table.row_count,
        "file_size": table.file_size,
        "created": table.created,
        "foreign": foreign if url else None,
        "columns": [
            {"name": name, **schemas[name].to_dict(), "dtype": str(dtype)}
            for name, dtype in types.items()
            if name in schemas
        ],
        "metrics": metrics,
    }


def _distribution(rows: pl.LazyFrame, name: str, schema: ColumnSchema, buckets: int) -> dict[str, Any]:
    value = pl.col(name).cast(pl.Float64)
    finite = value.filter(value.is_finite())
    found = (
        rows.select(
            value.is_not_null().sum().alias("count"),
            value.null_count().alias("nulls"),
            value.is_nan().sum().alias("nans"),
            finite.min().alias("min"),
            finite.max().alias("max"),
            finite.mean().alias("mean"),
            finite.std().alias("std"),
            *(finite.quantile(q, "linear").alias(f"quantile {q}") for q in _QUANTILES),
        )
        .collect()
        .row(0, named=True)
    )
    quantiles = {q: _plain(found.pop(f"quantile {q}")) for q in _QUANTILES}
    return {
        "name": name,
        "label": schema.display_name or name,
        "unit": schema.unit,
        **{key: _plain(number) for key, number in found.items()},
        "quantiles": quantiles,
        "histogram": _histogram(rows, finite, found["min"], found["max"], buckets),
    }


def _histogram(
    rows: pl.LazyFrame, finite: pl.Expr, low: float | None, high: float | None, buckets: int
) -> dict[str, list[Any]]:
    """Equal buckets from the smallest to the largest value; one bucket where all are equal."""
    if low is None or high is None:
        return {"edges": [], "counts": []}
    width = (high - low) / buckets
    if not 0 < width < math.inf:
        buckets, width = 1, max(high - low, 0.0)
    place = ((finite - low) / width).floor().clip(0, buckets - 1) if width else finite * 0.0
    found = rows.select(place.cast(pl.Int64).alias("place")).group_by("place").len().collect()
    counts = [0] * buckets
    for bucket, count in found.iter_rows():
        counts[bucket] = count
    return {"edges": [low + width * edge for edge in range(buckets)] + [high], "counts": counts}


def _worst(rows: pl.LazyFrame, types: dict[str, Any], name: str, count: int) -> list[dict[str, Any]]:
    better = better_of(name)
    if better is None or count < 1:
        return []
    # What is no number is the worst, on whichever side.
    badness = pl.col(name).cast(pl.Float64) * (1.0 if better == "min" else -1.0)
    order = pl.when(badness.is_nan()).then(math.inf).otherwise(badness)
    shown = [column for column in _plain_columns(types) if column != INPUT_TABLE_ID]
    picked = rows.filter(pl.col(name).is_not_null()).select(*shown, order.alias(" order"))
    worst = picked.sort(" order", descending=True, maintain_order=True).head(count).drop(" order").collect()
    return [{key: _plain(value) for key, value in row.items()} for row in worst.iter_rows(named=True)]


def _add_foreign(table: MetricsTable, types: Mapping[str, Any], metrics: list[dict[str, Any]]) -> bool:
    """Adds what the foreign table says to the worst rows; whether it could."""
    ids = {row[EXAMPLE_ID] for metric in metrics for row in metric["worst"] if EXAMPLE_ID in row}
    foreign = table.recorded_foreign(_LARGEST_FOREIGN) if ids else None
    if foreign is None:
        return False
    try:
        rows = foreign.scan()
        columns = _plain_columns(rows.collect_schema())[:_FOREIGN_COLUMNS]
        names = {name: f"{name}_input" if name in types else name for name in columns}
        chosen = rows.select(columns).with_row_index(" row").filter(pl.col(" row").is_in(list(ids)))
        found = {row.pop(" row"): row for row in chosen.collect().iter_rows(named=True)}
    except (OSError, pl.exceptions.PolarsError):
        return False
    for metric in metrics:
        for row in metric["worst"]:
            said = found.get(row[EXAMPLE_ID], {})
            row.update({shown: _plain(said.get(name)) for name, shown in names.items()})
    return True


def _plain_columns(types: Mapping[str, Any]) -> list[str]:
    """The columns that a line of text has room for."""
    return [name for name, dtype in types.items() if not dtype.is_nested() and dtype != pl.Binary]


def _plain(value: Any) -> Any:
    """A value that JSON holds."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int)):
        return value
    text = str(value)
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
