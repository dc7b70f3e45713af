"""The tables of a run, one by one and as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from tfruns_rs.errors import MetricsTableError
from tfruns_rs.tracking._url import Url
from tfruns_rs.tracking.tables._infos import metric_infos
from tfruns_rs.tracking.tables._table import MetricsTable

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence


def metrics_tables(run_dir: str | os.PathLike[str]) -> list[MetricsTable]:
    """The metrics tables that a run refers to.

    Raises:
        FileNotFoundError: One is gone.
    """
    run = Url(run_dir).to_absolute()
    return [MetricsTable(Url(info["url"]).to_absolute(run)) for info in metric_infos(run_dir)]


def joined(
    run_dir: str | os.PathLike[str],
    stream: str | None = None,
    foreign: str | os.PathLike[str] | None = None,
    columns: Sequence[str] | None = None,
) -> pl.LazyFrame:
    """The rows of a run's metrics tables, each with what it speaks about, lazily.

    Columns that one table lacks are null in its rows. `metrics_table` and `foreign_table` name where a row is
    from.

    Args:
        run_dir: The run's directory.
        stream: The series of tables to take; None for all.
        foreign: The foreign table, by URL or display name; None if all speak about the same one.
        columns: The columns of the foreign table to add; None for all.

    Raises:
        MetricsTableError: The tables speak about several foreign tables, or there is none to take.
    """
    tables = [table for table in metrics_tables(run_dir) if stream in {None, table.stream_name}]
    if foreign is not None:
        url = Url(foreign).to_absolute()
        tables = [
            table
            for table in tables
            if table.foreign_table_url == url or table.foreign_table_display_name == str(foreign)
        ]
    if not tables:
        raise MetricsTableError(f"{run_dir} has no metrics table of that description")
    if len({table.foreign_table_url for table in tables}) > 1:
        names = sorted({table.foreign_table_display_name or "none" for table in tables})
        raise MetricsTableError(
            f"the tables speak about several foreign tables, {names}: choose with foreign="
        )
    return pl.concat([_one(table, columns) for table in tables], how="diagonal_relaxed")


def _one(table: MetricsTable, columns: Sequence[str] | None) -> pl.LazyFrame:
    rows = table.join_foreign(columns) if table.foreign_table_url else table.scan()
    return rows.with_columns(
        metrics_table=pl.lit(table.name),
        foreign_table=pl.lit(table.foreign_table_display_name or None, pl.String),
    )
