"""Run directories: the active one, new ones, and what stands for one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs import _core
from tfruns_rs.tfruns import _active
from tfruns_rs.tfruns._options import runs_dir_or_option

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import polars as pl

    from tfruns_rs.tfruns._run_info import RunInfo

    PathLike = str | os.PathLike[str]
    Runs = PathLike | RunInfo | pl.DataFrame | pl.Series | Sequence[PathLike | RunInfo]


def run_dir() -> Path:
    """The directory of the active run, or the working directory if no run is active; absolute."""
    from pathlib import Path

    run = _active.current()
    return Path.cwd() if run is None else Path(run.run_dir)


def is_run_active() -> bool:
    """Whether a training run is active in this process or was handed to it by a parent.

    Examples:
        >>> import tfruns_rs as tfr
        >>> tfr.is_run_active()
        False
    """
    return _active.current() is not None


def unique_run_dir(runs_dir: PathLike | None = None, seconds_scale: int = 0) -> Path:
    """Makes a new run directory, named by the time in UTC.

    Made exclusively: of several processes asking within one second each gets its own, `…Z`, `…Z-001`,
    `…Z-002`, in the order they asked.

    Args:
        runs_dir: Where; None for the option `runs_dir`.
        seconds_scale: Decimals of the second in the name, 0 to 9.

    Returns:
        The directory, below `runs_dir` as that was given.

    Raises:
        ValueError: More decimals than a second has.

    Examples:
        >>> import tfruns_rs as tfr
        >>> tfr.unique_run_dir(tmp_path).is_dir()
        True
    """
    from pathlib import Path

    if not 0 <= seconds_scale <= 9:  # noqa: PLR2004 - a second has nine decimals
        raise ValueError(f"seconds_scale must be 0 to 9, not {seconds_scale}")
    return Path(_core.unique_run_dir(runs_dir_or_option(runs_dir), seconds_scale))


def as_run_dir(x: Runs) -> str | list[str]:
    """The directory, or directories, that a value stands for.

    Args:
        x: A path or name of a run, a `RunInfo` or `Run`, a frame with a column `run_dir`, a series, or
            several of them. If all names exist as they are they stay; else, if all exist below the option
            `runs_dir`, they are taken from there; else they stay.

    Raises:
        ValueError: A frame without a column `run_dir`.

    Examples:
        >>> import tfruns_rs as tfr
        >>> run = tfr.unique_run_dir(tmp_path)
        >>> tfr.as_run_dir(run) == str(run)
        True
    """
    dirs = run_dirs(x)
    return dirs[0] if _is_single(x) and dirs else dirs


def run_dirs(x: Runs) -> list[str]:
    """The directories that a value stands for, always as a list."""
    named = _named(x)
    if all(map(os.path.isdir, named)):
        return named
    below = [os.path.join(runs_dir_or_option(None), name) for name in named]  # noqa: PTH118 - texts stay as given
    return below if all(map(os.path.isdir, below)) else named


def _is_single(x: Any) -> bool:
    return isinstance(x, (str, os.PathLike)) or (_place(x) is not None and not hasattr(x, "columns"))


def _place(x: Any) -> str | None:
    """Where a `RunInfo` or a `Run` lies."""
    for place in (getattr(x, "run_dir", None), getattr(x, "local", None)):
        if isinstance(place, (str, os.PathLike)):
            return os.fspath(cast("PathLike", place))
    return None


def _named(x: Any) -> list[str]:
    if isinstance(x, (str, os.PathLike)):
        return [os.fspath(x)]
    if hasattr(x, "columns") and hasattr(x, "to_dict"):
        if "run_dir" not in x.columns:
            raise ValueError("the frame has no column run_dir")
        return [str(name) for name in x["run_dir"]]
    if (place := _place(x)) is not None:
        return [place]
    if isinstance(x, Mapping):
        mapping = cast("Mapping[str, Any]", x)
        if "run_dir" not in mapping:
            raise ValueError("the mapping has no run_dir")
        return _named(mapping["run_dir"])
    try:
        items = list(x)
    except TypeError:
        raise TypeError(f"a run is a path, a Run, a RunInfo or a frame, not {type(x).__name__}") from None
    return [name for item in items for name in _named(item)]
