"""The metrics tables of a run, as a page shows them: sizes, distributions, the worst examples.

Only what lies in the run's own `metrics_tables/` is read: the run's record may name anything anywhere.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from tfruns_rs.errors import TfrunsError

if TYPE_CHECKING:
    from pathlib import Path

_MAX_TABLES: Final = 12
_WORST: Final = 5
_QUANTILES: Final = (0.05, 0.5, 0.95)


def read_tables(folder: Path) -> list[dict[str, Any]]:
    """Describes the tables of a directory.

    Args:
        folder: The run's `metrics_tables`; it may be missing.

    Returns:
        For each table what `describe_table` says, and its `quantiles` in the order of the page's columns. A
        table that can't be read is left out.
    """
    from tfruns_rs.tracking.tables import MetricsTable, describe_table

    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []
    tables: list[dict[str, Any]] = []
    for name in names[:_MAX_TABLES]:
        try:
            table = describe_table(MetricsTable(folder / name), worst=_WORST)
        except (TfrunsError, OSError, ValueError, TypeError, KeyError, pl.exceptions.PolarsError):
            continue
        for metric in table["metrics"]:
            metric["shown_quantiles"] = [metric["quantiles"].get(q) for q in _QUANTILES]
        tables.append(table)
    return tables
