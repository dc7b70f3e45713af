"""Runs, or only the files their scripts made, copied elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tfruns_rs import _core
from tfruns_rs.tfruns._clean_runs import results
from tfruns_rs.tfruns._confirm import progress
from tfruns_rs.tfruns._run_dir import run_dirs
from tfruns_rs.tfruns._run_metadata import META_DIR, check_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from tfruns_rs.tfruns._run_dir import PathLike, Runs

_OURS = [META_DIR, "logs", "plots"]


def copy_run(run_dir: Runs, to: PathLike = ".", *, rename: str | Sequence[str] | None = None) -> pl.DataFrame:
    """Copies runs into a directory. Nothing there is replaced.

    Args:
        run_dir: Runs, as `as_run_dir` takes them.
        to: The directory that will hold the copies; made when missing.
        rename: Names of the copies, as many as there are runs; None for the runs' own.

    Returns:
        A row a run: run_dir, to, ok, problem. Links that lead out of the run and devices are left out, and
        named in `problem`.

    Raises:
        ValueError: As many names as runs are needed, or a name is none.

    Examples:
        >>> import tfruns_rs as tfr
        >>> run = tfr.unique_run_dir(tmp_path / "runs")
        >>> tfr.write_run_metadata("flags", {"lr": 0.1}, run)
        >>> tfr.copy_run(run, tmp_path / "kept", rename="best")["ok"].item()
        True
    """
    return _copy(run_dir, to, rename, [])


def copy_run_files(
    run_dir: Runs, to: PathLike = ".", *, rename: str | Sequence[str] | None = None
) -> pl.DataFrame:
    """Copies only the files that the runs' scripts made: without metadata, logs and plots.

    Args:
        run_dir: Runs, as `as_run_dir` takes them.
        to: The directory that will hold the copies; made when missing.
        rename: Names of the copies, as many as there are runs; None for the runs' own.

    Returns:
        A row a run: run_dir, to, ok, problem.

    Raises:
        ValueError: As many names as runs are needed, or a name is none.

    Examples:
        >>> import tfruns_rs as tfr
        >>> run = tfr.unique_run_dir(tmp_path / "runs")
        >>> tfr.write_run_metadata("flags", {"lr": 0.1}, run)
        >>> written = (run / "model.bin").write_bytes(b"")
        >>> copied = tfr.copy_run_files(run, tmp_path, rename="model")
        >>> [path.name for path in (tmp_path / "model").iterdir()]
        ['model.bin']
    """
    return _copy(run_dir, to, rename, _OURS)


def _copy(runs: Runs, to: PathLike, rename: str | Sequence[str] | None, without: list[str]) -> pl.DataFrame:
    named = run_dirs(runs)
    names = (
        [Path(run).name for run in named]
        if rename is None
        else [rename]
        if isinstance(rename, str)
        else rename
    )
    if len(names) != len(named):
        raise ValueError("The rename parameter must have the same length as the run_dir parameter")
    for name in names:
        check_name(name, "run")
    rows: list[tuple[str, str | None, bool, str | None]] = []
    pairs: list[tuple[str, str]] = list(zip(named, names, strict=True))
    for run, name in progress(pairs, "Copying run"):
        target = Path(to) / name
        try:
            if not (Path(run) / META_DIR).is_dir():
                raise FileNotFoundError(f"there is no run in {run}")
            left_out = _core.copy_tree(run, target, without)
        except OSError as error:
            rows.append((run, None, False, str(error)))
        else:
            problem = ", ".join(map(os.fspath, left_out))
            rows.append((run, str(target), True, f"left out: {problem}" if left_out else None))
    return results(rows)
