"""What runs take on disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tfruns_rs.errors import RunNotFoundError
from tfruns_rs.tfruns._options import runs_dir_or_option
from tfruns_rs.tfruns._run_dir import run_dirs
from tfruns_rs.tfruns._run_metadata import META_DIR

if TYPE_CHECKING:
    import polars as pl

    from tfruns_rs.tfruns._run_dir import PathLike, Runs

#: The directories of a run that hold something else than what its script made.
PARTS = {META_DIR: "metadata", "logs": "logs", "metrics_tables": "tables", "plots": "plots"}


def disk_usage(runs: Runs | None = None, *, runs_dir: PathLike | None = None) -> pl.DataFrame:
    """Tells what runs take on disk. Links are not followed; a file with several names in a run counts once.

    Args:
        runs: Runs, as `as_run_dir` takes them; None for all of `runs_dir`.
        runs_dir: Where the runs are; None for the option `runs_dir`.

    Returns:
        A row a run: run_dir, files (Int64), bytes (Int64, the files' sizes), and how many of these are
        metadata, logs, tables, plots, artifacts (what the script made).

    Raises:
        RunNotFoundError: There is no such run.

    Examples:
        >>> import tfruns_rs as tfr
        >>> tfr.disk_usage(runs_dir=tmp_path).height
        0
    """
    import polars as pl

    from tfruns_rs import _core

    if runs is None:
        listed = pl.DataFrame(_core.scan_runs(runs_dir_or_option(runs_dir), columns=["run_dir"]))
        named = listed["run_dir"].to_list()
    else:
        named = run_dirs(runs)
    columns = ["files", "bytes", *PARTS.values(), "artifacts"]
    rows = [{"run_dir": name, **usage_of(name)} for name in named]
    schema = {"run_dir": pl.String, **dict.fromkeys(columns, pl.Int64)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def usage_of(run_dir: str) -> dict[str, int]:
    """The numbers of one run."""
    if not os.path.isdir(f"{run_dir}/{META_DIR}"):  # noqa: PTH112 - texts stay as given
        raise RunNotFoundError(f"there is no run in {run_dir}")
    sums = dict.fromkeys(["files", "bytes", *PARTS.values(), "artifacts"], 0)
    seen: set[tuple[int, int]] = set()
    pending = [(run_dir, "")]
    while pending:
        directory, part = pending.pop()
        try:
            entries = list(os.scandir(directory))
        except OSError:  # removed meanwhile, or not ours to read
            continue
        for entry in entries:
            of = part or PARTS.get(entry.name, "artifacts")
            try:
                if entry.is_dir(follow_symlinks=False):
                    pending.append((entry.path, of))
                    continue
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if status.st_nlink > 1:
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
            sums["files"] += 1
            sums["bytes"] += status.st_size
            sums[of] += status.st_size
    return sums
