"""Sweeps as a frame."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tfruns_rs.tfruns._options import runs_dir_or_option
from tfruns_rs.tuning._claims import State
from tfruns_rs.tuning._sweep import sweeps

if TYPE_CHECKING:
    import os

    import polars as pl

    from tfruns_rs.tuning._sweep import Sweep

    PathLike = str | os.PathLike[str]


def ls_sweeps(runs_dir: PathLike | None = None) -> pl.DataFrame:
    """Lists sweeps, the newest first.

    Args:
        runs_dir: Where their runs are; None for the option `runs_dir`.

    Returns:
        A row a sweep: `sweep` (String, the id, which its runs have as a property), `created` (Datetime, UTC),
        `script`, `search` (String), `total`, `completed`, `failed`, `pruned`, `running`, `waiting` (Int64,
        combinations), `metric`, `direction` (String), `best` (Float64, the metric's best value),
        `best_run` (String, the directory) and `status`: "finished", "running", or "unfinished" for what
        `tuning_run(resume=)` goes on with.

    Examples:
        >>> ls_sweeps(tmp_path).height
        0
    """
    import polars as pl

    schema: dict[str, Any] = {
        "sweep": pl.String,
        "created": pl.Datetime("us", "UTC"),
        "script": pl.String,
        "search": pl.String,
        **dict.fromkeys(("total", "completed", "failed", "pruned", "running", "waiting"), pl.Int64),
        "metric": pl.String,
        "direction": pl.String,
        "best": pl.Float64,
        "best_run": pl.String,
        "status": pl.String,
    }
    below = runs_dir_or_option(runs_dir)
    rows = [_row(sweep, below) for sweep in reversed(sweeps(below))]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _row(sweep: Sweep, below: str) -> dict[str, Any]:
    about = sweep.about
    claims = sweep.claims
    trials = sweep.trials()
    states = claims.states()
    counts: dict[str, int] = dict.fromkeys(("completed", "failed", "pruned", "running", "waiting"), 0)
    best: tuple[float, str] | None = None
    sign = -1.0 if about.get("direction") == "maximize" else 1.0
    for trial in trials:
        state = states.get(trial.key, State())
        what = "waiting"
        if state.is_done:
            what = "completed"
            record = claims.done(trial.key)
            value = record.get("value")
            if isinstance(value, (int, float)) and (best is None or sign * value < sign * best[0]):
                best = float(value), f"{below}/{record.get('run')}"
        elif state.is_held:
            what = "waiting" if claims.owner_is_gone(trial.key, state.generation) else "running"
        elif state.ending in {"failed", "pruned"}:
            what = state.ending
        counts[what] += 1
    total = max(int(about.get("total") or 0), len(trials))
    counts["waiting"] += total - len(trials)
    is_finished = counts["completed"] + counts["pruned"] == total
    created = about.get("created")
    return {
        "sweep": sweep.id,
        "created": datetime.fromtimestamp(created, UTC) if isinstance(created, (int, float)) else None,
        "script": about.get("script"),
        "search": about.get("search"),
        "total": total,
        **counts,
        "metric": about.get("metric"),
        "direction": about.get("direction") if about.get("metric") else None,
        "best": best and best[0],
        "best_run": best and best[1],
        "status": "finished" if is_finished else "running" if counts["running"] else "unfinished",
    }
