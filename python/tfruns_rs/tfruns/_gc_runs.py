"""Room made after the fact: the best runs stay, of the others the runs or only their artifacts go."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Literal

from tfruns_rs.tfruns._clean_runs import clean_runs
from tfruns_rs.tfruns._confirm import confirmed, progress
from tfruns_rs.tfruns._disk_usage import PARTS, usage_of
from tfruns_rs.tfruns._ls_runs import ls_runs, not_found
from tfruns_rs.tfruns._options import runs_dir_or_option

if TYPE_CHECKING:
    import polars as pl

    from tfruns_rs.tfruns._ls_runs import Subset
    from tfruns_rs.tfruns._run_dir import PathLike

_DONE: dict[str, type] = {"to": str, "ok": bool, "problem": str}
_ENDED = ["completed", "failed", "interrupted", "killed"]


def gc_runs(
    by: str,
    *,
    keep_best: int,
    which: Literal["min", "max"] = "min",
    what: Literal["runs", "artifacts"] = "runs",
    subset: Subset | None = None,
    runs_dir: PathLike | None = None,
    dry_run: bool = False,
    confirm: bool | None = None,
) -> pl.DataFrame:
    """Keeps the best runs and makes room of the others.

    Only runs that have ended and have the metric are touched; a run with a label stays whole.

    Args:
        by: A column of `ls_runs()` (`eval_accuracy`), or a metric, judged by its best value over the epochs
            (`val_loss`).
        keep_best: How many stay.
        which: Whether the best is the least ("min") or the greatest ("max").
        what: "runs" moves the others to the archive, where `restore_runs` finds them; "artifacts" removes for
            good the files that their scripts made, and leaves metadata, logs, tables and plots.
        subset: Among which runs, as in `ls_runs`.
        runs_dir: Where the runs are; None for the option `runs_dir`.
        dry_run: Only tell what would be done.
        confirm: True asks, False does not; None asks where there is a terminal.

    Returns:
        A row for each run that goes: run_dir, value (Float64), bytes (Int64, what it frees), to, ok (null
        where nothing was done), problem.

    Raises:
        polars.exceptions.ColumnNotFoundError: No run has such a column or metric.
        ValueError: Arguments that mean nothing, or nobody can be asked.

    Examples:
        >>> import tfruns_rs as tfr
        >>> for accuracy in (0.8, 0.9):
        ...     run = tfr.create_run(name="try", runs_dir=tmp_path)
        ...     run.finish()
        ...     tfr.write_run_metadata("evaluation", {"accuracy": accuracy}, run.local)
        >>> going = tfr.gc_runs("eval_accuracy", which="max", keep_best=1, runs_dir=tmp_path, dry_run=True)
        >>> going.height
        1
    """
    import polars as pl

    if keep_best < 0:
        raise ValueError(f"keep_best must be 0 or more, not {keep_best}")
    if which not in {"min", "max"} or what not in {"runs", "artifacts"}:
        raise ValueError(f'which is "min" or "max", what is "runs" or "artifacts", not {which!r}, {what!r}')
    directory = runs_dir_or_option(runs_dir)
    runs = ls_runs(subset, runs_dir=directory, best={by: which})
    column = by if by in runs.columns else f"best_{by}"
    if column not in runs.columns or (runs.height and runs[column].null_count() == runs.height):
        raise not_found(by, runs.columns)
    if not runs.schema[column].is_numeric():
        raise ValueError(f"{by} holds no numbers, so no run is best by it")
    labels = pl.col("labels").is_null() if "labels" in runs.columns else pl.lit(True)
    ranked = (
        runs.with_columns(pl.col(column).cast(pl.Float64).fill_nan(None).alias("value"))
        .filter(pl.col("value").is_not_null())
        .sort("value", descending=which == "max", maintain_order=True)
        .with_row_index("rank")
    )
    going = ranked.filter((pl.col("rank") >= keep_best) & pl.col("status").is_in(_ENDED) & labels)
    named = going["run_dir"].to_list()
    frees = [_freed(run, what) for run in named]
    frame = pl.DataFrame(
        {"run_dir": named, "value": going["value"], "bytes": frees},
        schema={"run_dir": pl.String, "value": pl.Float64, "bytes": pl.Int64},
    )
    nothing = [pl.lit(None, dtype).alias(name) for name, dtype in _DONE.items()]
    if dry_run or not named:
        return frame.with_columns(nothing)
    done = clean_runs(named, confirm=confirm) if what == "runs" else _empty(named, confirm, sum(frees))
    return frame.join(done, on="run_dir", how="inner", maintain_order="left").select(*frame.columns, *_DONE)


def _freed(run: str, what: str) -> int:
    try:
        usage = usage_of(run)
    except FileNotFoundError:
        return 0
    return usage["artifacts" if what == "artifacts" else "bytes"]


def _empty(named: list[str], confirm: bool | None, total: int) -> pl.DataFrame:  # noqa: FBT001
    from tfruns_rs.tfruns._clean_runs import results

    question = f"Permanently remove what the scripts of {len(named)} runs made ({total} bytes)?"
    if not confirmed(question, confirm=confirm, are_named=False):
        return results([])
    rows: list[tuple[str, str | None, bool, str | None]] = []
    for run in progress(named, "Emptying run"):
        try:
            for entry in list(os.scandir(run)):
                if entry.name in PARTS:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    os.unlink(entry.path)  # noqa: PTH108 - a path as it was listed
        except OSError as error:
            rows.append((run, None, False, str(error)))
        else:
            rows.append((run, None, True, None))
    return results(rows)
