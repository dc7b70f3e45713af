"""What a run has logged of a metric so far."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs.tfruns._projection import metric_names
from tfruns_rs.tfruns._record import load
from tfruns_rs.tfruns._run_metadata import META_DIR

if TYPE_CHECKING:
    from collections.abc import Mapping


def series_of(run_dir: str, metric: str) -> dict[int, float]:
    """Its values by step, from the events, else from `metrics.json`; named as in `ls_runs()` or by tag."""
    found = _logged(run_dir, metric)
    if found:
        return found
    columns: Any = load(f"{run_dir}/{META_DIR}/metrics.json")
    values: Any = cast("Mapping[str, Any]", columns).get(metric) if isinstance(columns, dict) else None
    if not isinstance(values, list):
        return {}
    epochs: Any = cast("Mapping[str, Any]", columns).get("epoch")
    steps: Any = cast("list[Any]", epochs) if isinstance(epochs, list) else count(1)
    listed = cast("list[Any]", values)
    return {int(step): float(value) for step, value in zip(steps, listed) if isinstance(value, (int, float))}  # noqa: B905 - steps may be endless


def _logged(run_dir: str, metric: str) -> dict[int, float]:
    import polars as pl

    from tfruns_rs.errors import LogdirNotFoundError
    from tfruns_rs.tfevents._read import collect_events

    try:
        events = collect_events(f"{run_dir}/logs", type="scalar", on_corrupt="skip")
    except LogdirNotFoundError:
        return {}
    pairs = events.select("run", "tag").unique(maintain_order=True).rows()
    names = metric_names(pairs)
    wanted = next((pair for pair in pairs if metric in {names.get(pair), pair[1]}), None)
    if wanted is None:
        return {}
    of_metric = events.filter((pl.col("run") == wanted[0]) & (pl.col("tag") == wanted[1]))
    return dict(of_metric.select("step", "value").iter_rows())
