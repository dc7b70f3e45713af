"""The value of a run's metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfruns_rs import _core

if TYPE_CHECKING:
    from collections.abc import Sequence

_PREFIXES = ("metric_", "eval_", "")


def metric_of(run_dir: str, metric: str | None) -> float | None:
    """The last value of a metric, else that of the evaluation of this name; None where there is none."""
    stream = _core.read_run(run_dir) if metric is not None else None
    if metric is None or stream is None:
        return None
    import polars as pl

    frame = pl.DataFrame(stream)
    column = column_of(metric, frame.columns)
    value: Any = frame[column][0] if column is not None else None
    return float(value) if isinstance(value, (int, float)) else None


def column_of(metric: str, columns: Sequence[str]) -> str | None:
    """The column of `ls_runs()` that a metric's name means."""
    return next((prefix + metric for prefix in _PREFIXES if prefix + metric in columns), None)
