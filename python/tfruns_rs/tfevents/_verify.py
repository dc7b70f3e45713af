"""Damaged event files: what is lost in them (`verify_events`), and copies without it (`repair_events`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tfruns_rs import _core
from tfruns_rs.tfevents._question import resolve_logdirs

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import polars as pl

    from tfruns_rs.tfevents._question import Logdirs

    Loss = tuple[str, int, int, str, int]


def verify_events(logdir: Logdirs | None = None) -> pl.DataFrame:
    """Reads a logdir whole and tells what can't be read.

    A record that is not wholly there yet at the end of a file, or a block of zeros there, is no damage: a
    writer may still be at work.

    Args:
        logdir: A log directory, an event file, a glob, or several of these; a run, or runs as `ls_runs` lists
            them; the default logdir if left out.

    Returns:
        A frame with a row for each place where bytes are lost: file, offset (Int64, where they begin), bytes
        (Int64, how many), reason, and recovered (Int64, the records of the file that were read behind them).

    Raises:
        LogdirNotFoundError: There is no such logdir.

    Examples:
        >>> import tempfile, tfruns_rs as tfr
        >>> tfr.verify_events(tempfile.mkdtemp()).height
        0
    """
    files = _core.list_event_files(resolve_logdirs(logdir), fold=False)
    return _frame([loss[:5] for loss in _read(files).losses])


def repair_events(src: Logdirs, dst: str | os.PathLike[str]) -> pl.DataFrame:
    """Writes copies of event files that hold their whole records and nothing else.

    What is read stays as it is, and so does what is there: an existing file is never replaced. The copy of a
    compressed archive is one.

    Args:
        src: A log directory, an event file, a glob, or several of these.
        dst: The directory for the copies; they are laid out below it as the originals below `src`.

    Returns:
        What was left out, as `verify_events` tells it.

    Raises:
        LogdirNotFoundError: There is no such logdir.
        FileExistsError: A copy's place is taken.

    Examples:
        >>> import tempfile, tfruns_rs as tfr
        >>> tfr.repair_events(tempfile.mkdtemp(), tempfile.mkdtemp()).height
        0
    """
    losses: list[Loss] = []
    for logdir in resolve_logdirs(src):
        files = _core.list_event_files([logdir], fold=False)
        root = Path(logdir) if Path(logdir).is_dir() else Path(logdir).parent
        for number, path in enumerate(files.paths):
            report = _read(files.select([number]))
            lost = [loss[:5] for loss in report.losses]
            target = Path(dst) / Path(path).relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            files.copy_whole(
                number, target, [(offset, size) for _, offset, size, *_ in lost], report.ends[0] or 0
            )
            losses += lost
    return _frame(losses)


def _read(files: _core.EventFiles) -> _core.ReadReport:
    # Every record is verified and walked whatever is asked for; of scalars the least is kept.
    return _core.read_events(files, "scalar", (), without=("run", "tag", "wall_time", "value"))[1]


def _frame(losses: Sequence[Loss]) -> pl.DataFrame:
    import polars as pl

    schema = {
        "file": pl.String,
        "offset": pl.Int64,
        "bytes": pl.Int64,
        "reason": pl.String,
        "recovered": pl.Int64,
    }
    return pl.DataFrame(list(losses), schema=schema, orient="row")
