"""Runs moved to the archive beside them, back from it, or removed from it for good."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfruns_rs import _core
from tfruns_rs.tfruns._capture import show
from tfruns_rs.tfruns._confirm import confirmed, progress
from tfruns_rs.tfruns._options import runs_dir_or_option
from tfruns_rs.tfruns._run_dir import run_dirs
from tfruns_rs.tfruns._run_metadata import META_DIR

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl

    from tfruns_rs.tfruns._run_dir import PathLike, Runs

ARCHIVE = "archive"
_BUSY = {"running", "stale"}


def clean_runs(
    runs: Runs | None = None,
    runs_dir: PathLike | None = None,
    *,
    confirm: bool | None = None,
    force: bool = False,
) -> pl.DataFrame:
    """Moves runs to the archive of the directory they lie in. Nothing there is replaced.

    Args:
        runs: Runs, as `as_run_dir` takes them; None for all of `runs_dir`.
        runs_dir: Where the runs are; None for the option `runs_dir`.
        confirm: True asks, False does not; None asks where there is a terminal.
        force: Move runs that are running, or may be, as well.

    Returns:
        A row a run: run_dir, to, ok, problem.

    Raises:
        ValueError: All runs are meant and nobody can be asked.

    Examples:
        >>> import tfruns_rs as tfr
        >>> for name in ("first", "second"):
        ...     tfr.create_run(name=name, runs_dir=tmp_path / "runs").finish()
        >>> moved = tfr.clean_runs(tfr.latest_run(tmp_path / "runs"), tmp_path / "runs", confirm=False)
        >>> tfr.ls_runs(runs_dir=tmp_path / "runs")["name"].to_list()
        ['first']
    """
    named = run_dirs(runs) if runs is not None else _runs_below(runs_dir_or_option(runs_dir))
    if not named:
        show(sys.stderr, "No runs found to clean.\n")
        return results([])
    archives = sorted({os.fspath(Path(run).parent / ARCHIVE) for run in named})
    question = f"Move {len(named)} run {_directories(named)} to {', '.join(archives)}?"
    if not confirmed(question, confirm=confirm, are_named=runs is not None):
        return results([])
    states = _states(named)

    def clean(run: str) -> str:
        if not force and states.get(run) in _BUSY:
            raise ValueError(f"the run is {states[run]}; force moves it all the same")
        path = Path(run)
        if path.absolute().parent.name == ARCHIVE:
            raise ValueError("the run is in the archive")
        return _move(path, path.parent / ARCHIVE / path.name)

    frame = _for_each(named, clean, "Moving run")
    moved = _count(frame)
    show(sys.stderr, f"Moved {moved} to {', '.join(archives)} (purge_runs() removes them permanently)\n")
    return frame


def restore_runs(
    runs: Runs | None = None, runs_dir: PathLike | None = None, *, confirm: bool | None = None
) -> pl.DataFrame:
    """Moves runs from the archive back to where they were. Nothing there is replaced.

    Args:
        runs: Archived runs, by name or path; None for all of the archive.
        runs_dir: The directory that the archive lies in; None for the option `runs_dir`.
        confirm: As in `clean_runs`.

    Returns:
        A row a run: run_dir, to, ok, problem.

    Raises:
        ValueError: All runs are meant and nobody can be asked.

    Examples:
        >>> import tfruns_rs as tfr
        >>> tfr.create_run(name="mnist", runs_dir=tmp_path / "back").finish()
        >>> moved = tfr.clean_runs(runs_dir=tmp_path / "back", confirm=False)
        >>> tfr.restore_runs(runs_dir=tmp_path / "back", confirm=False)["ok"].item()
        True
    """
    archive = Path(runs_dir_or_option(runs_dir)) / ARCHIVE
    if runs is None:
        named = _runs_below(os.fspath(archive))
    else:
        archived = ((name, os.fspath(archive / Path(name).name)) for name in run_dirs(runs))
        named = [name if Path(name).parent.name == ARCHIVE else path for name, path in archived]
    if not named:
        show(sys.stderr, "No runs found to restore.\n")
        return results([])
    question = f"Restore {len(named)} run {_directories(named)} from {archive}?"
    if not confirmed(question, confirm=confirm, are_named=runs is not None):
        return results([])

    def restore(run: str) -> str:
        path = Path(run)
        return _move(path, path.parent.parent / path.name, exactly=True)

    frame = _for_each(named, restore, "Restoring run")
    show(sys.stderr, f"Restored {_count(frame)} to {archive.parent}\n")
    return frame


def purge_runs(
    runs_dir: PathLike | None = None, *, confirm: bool | None = None, force: bool = False
) -> pl.DataFrame:
    """Removes the runs of the archive for good. What is there and is no run stays.

    Args:
        runs_dir: The directory that the archive lies in; None for the option `runs_dir`.
        confirm: True asks, False does not; None asks where there is a terminal.
        force: Remove runs that are running, or may be, as well.

    Returns:
        A row a run: run_dir, to (null), ok, problem.

    Raises:
        ValueError: Nobody can be asked.

    Examples:
        >>> import tfruns_rs as tfr
        >>> tfr.create_run(name="mnist", runs_dir=tmp_path / "gone").finish()
        >>> moved = tfr.clean_runs(runs_dir=tmp_path / "gone", confirm=False)
        >>> tfr.purge_runs(tmp_path / "gone", confirm=False).height
        1
    """
    archive = Path(runs_dir_or_option(runs_dir)) / ARCHIVE
    named = _runs_below(os.fspath(archive))
    question = f"Permanently remove {len(named)} run {_directories(named)} from {archive}?"
    if not named:
        show(sys.stderr, f"No runs found in {archive}.\n")
        return results([])
    if not confirmed(question, confirm=confirm, are_named=False):
        return results([])
    states = _states(named)

    def purge(run: str) -> None:
        if not force and states.get(run) in _BUSY:
            raise ValueError(f"the run is {states[run]}; force removes it all the same")
        _check(Path(run))
        # Out of every listing first: what is removed half is no run any more.
        doomed = _move(Path(run), Path(run).with_name(f".{Path(run).name}.removed"))
        shutil.rmtree(doomed)

    frame = _for_each(named, purge, "Removing run")
    show(sys.stderr, f"Permanently removed {_count(frame)}\n")
    return frame


def results(rows: Sequence[tuple[str, str | None, bool, str | None]]) -> pl.DataFrame:
    """The frame of what was done."""
    import polars as pl

    schema = {"run_dir": pl.String, "to": pl.String, "ok": pl.Boolean, "problem": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _for_each(runs: Sequence[str], work: Callable[[str], str | None], what: str) -> pl.DataFrame:
    rows: list[tuple[str, str | None, bool, str | None]] = []
    for run in progress(runs, what):
        try:
            rows.append((run, work(run), True, None))
        except (OSError, ValueError) as error:
            rows.append((run, None, False, str(error)))
    return results(rows)


def _count(done: pl.DataFrame) -> str:
    count = done["ok"].sum()
    of_all = "" if count == done.height else f" of {done.height}"
    return f"{count}{of_all} run{'' if done.height == 1 else 's'}"


def _directories(runs: Sequence[Any]) -> str:
    return "directory" if len(runs) == 1 else "directories"


def _runs_below(runs_dir: str) -> list[str]:
    import polars as pl

    return pl.DataFrame(_core.scan_runs(runs_dir, columns=["run_dir"]))["run_dir"].to_list()


def _states(runs: Sequence[str]) -> dict[str, str]:
    import polars as pl

    states: dict[str, str] = {}
    for parent in {os.fspath(Path(run).parent) for run in runs}:
        listed = pl.DataFrame(_core.scan_runs(parent, columns=["status"]))
        below = {Path(run).name: state for run, state in listed.select("run_dir", "status").iter_rows()}
        states |= {
            run: below.get(Path(run).name, "") for run in runs if os.fspath(Path(run).parent) == parent
        }
    return states


def _check(run: Path) -> None:
    """Only a real directory that holds a real `tfruns.d` is ever moved or removed."""
    meta = run / META_DIR
    if run.is_symlink() or not run.is_dir() or meta.is_symlink() or not meta.is_dir():
        raise ValueError("not a run directory")


def _move(run: Path, to: Path, *, exactly: bool = False) -> str:
    """Moves a run; where its place is taken, to the next name that is free."""
    _check(run)
    for twin in range(1000):
        target = to if twin == 0 else to.with_name(f"{to.name}-{twin:03}")
        try:
            _core.move_tree(run, target)
        except FileExistsError:
            if exactly:
                raise
        else:
            return os.fspath(target)
    raise FileExistsError(f"{to} is taken")
