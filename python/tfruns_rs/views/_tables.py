"""The metrics tables of a run, as a page shows them: sizes, distributions, the worst examples.

Only what lies in the run's own `metrics_tables/` is read, and foreign tables that are what they were: the
run's record may name anything anywhere.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from tfruns_rs.errors import TfrunsError
from tfruns_rs.views._page import show_number

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
        For each table what `describe_table` says, and of each metric its quantiles in the order of the page's
        columns (`shown_quantiles`) and the `bars` of its histogram (`text`, `height` of 10). A table that
        can't be read is left out.
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
            metric["bars"] = _bars(**metric["histogram"])
        tables.append(table)
    return tables


def _bars(edges: list[float], counts: list[int]) -> list[dict[str, Any]]:
    """The bars of a histogram; of one that is not empty something can always be seen."""
    tallest = max(counts, default=0)
    return [
        {
            "text": f"{show_number(low)} to {show_number(high)}: {count:,}",
            "height": round(max(10 * count / tallest, 0.4), 2) if count else 0,
        }
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    ]
