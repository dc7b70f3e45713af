"""From the records of a sweep to its runs: what a killed owner left undone, and the frame."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tfruns_rs import _core
from tfruns_rs.tfruns._run_metadata import META_DIR, write_properties

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

    from tfruns_rs.tuning._claims import State
    from tfruns_rs.tuning._combinations import Trial
    from tfruns_rs.tuning._sweep import Sweep


def settle(sweep: Sweep, states: dict[str, State]) -> int:
    """Finishes runs whose owner was killed after it had committed them; returns how many.

    A commit comes right before the run's last properties, so those are all that can be missing. Writing them
    twice changes nothing.
    """
    claims = sweep.claims
    count = 0
    for key in (key for key, state in states.items() if state.is_done):
        record = claims.done(key)
        run_dir = f"{sweep.runs_dir}/{record.get('run')}"
        if not os.path.isdir(f"{run_dir}/{META_DIR}") or _is_completed(run_dir):  # noqa: PTH112
            continue
        write_properties(run_dir, {"completed": True, "end": record.get("end")})
        count += 1
    return count


def _is_completed(run_dir: str) -> bool:
    try:
        with open(f"{run_dir}/{META_DIR}/properties/completed", encoding="utf-8") as file:  # noqa: PTH123
            completed = file.read().strip() == "TRUE"
    except OSError:
        return False
    return completed and os.path.exists(f"{run_dir}/{META_DIR}/properties/end")  # noqa: PTH110


def runs_of(sweep: Sweep, trials: Iterable[Trial], shown_runs_dir: str) -> pl.DataFrame:
    """The runs that stand for the combinations, as `ls_runs()` lists them, the newest first."""
    import polars as pl

    claims = sweep.claims
    states = claims.states()
    settle(sweep, states)
    names = {claims.run_of(trial.key, states[trial.key]) for trial in trials if trial.key in states}
    runs = pl.DataFrame(_core.scan_runs(shown_runs_dir, only={name for name in names if name}))
    return runs.sort("start", "run_dir", descending=True, nulls_last=True)
