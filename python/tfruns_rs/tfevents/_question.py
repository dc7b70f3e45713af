"""What is asked of a logdir: what the readers have in common.

`Question` checks the arguments once and takes them apart, `resolve_logdirs` says which paths are meant, and
`tell_losses` is how damage is told.
"""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import operator
import os
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, SupportsIndex, TypeAlias, TypeGuard, cast

from tfruns_rs import _core
from tfruns_rs.errors import CorruptRecordError, CorruptRecordWarning, LogdirNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl

    from tfruns_rs.tfruns._run_dir import Runs
    from tfruns_rs.tfruns._run_info import RunInfo
    from tfruns_rs.tracking._run import Run

Path: TypeAlias = "str | os.PathLike[str]"
Logdirs: TypeAlias = "Path | Sequence[Path] | RunInfo | Run | pl.DataFrame"
Names: TypeAlias = "str | re.Pattern[str] | Sequence[str | re.Pattern[str]]"
Steps: TypeAlias = "int | range | tuple[int | None, int | None]"
Kind: TypeAlias = Literal["any", "summary", "scalar"]
KINDS: tuple[Kind, ...] = ("any", "summary", "scalar")
ValueKind: TypeAlias = Literal["histogram", "text", "image", "audio", "tensor", "hparams"]
VALUE_KINDS: tuple[ValueKind, ...] = ("histogram", "text", "image", "audio", "tensor", "hparams")
OnCorrupt: TypeAlias = Literal["warn", "raise", "skip"]
Loss: TypeAlias = tuple[str, int, int, str, int, "int | None"]
Checksums: TypeAlias = Literal["all", "lazy"]

EXTRA_COLUMNS = ("plugin", "summary", "source", "logdir", "file", "offset", "attempt")
# Bytes of event files read at a time where not all is wanted at once, and at first, where a few rows may do.
BATCH_BYTES = 256 << 20
FIRST_BATCH_BYTES = 32 << 20
_MIN_STEP, _MAX_STEP = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a logdir: the arguments of `collect_events`, which says what they mean.

    Raises:
        ValueError: An argument makes no sense.
    """

    type: Kind | ValueKind
    n: int | None = None
    run: Names | None = None
    tag: Names | None = None
    step: Steps | None = None
    columns: Sequence[str] = ()
    on_corrupt: OnCorrupt = "warn"
    checksums: Checksums = "all"

    def __post_init__(self) -> None:
        check_choice("type", self.type, (*KINDS, *VALUE_KINDS))
        check_choice("on_corrupt", self.on_corrupt, ("warn", "raise", "skip"))
        check_choice("checksums", self.checksums, ("all", "lazy"))
        if self.n is not None and (_whole(self.n) or 0) <= 0:
            raise ValueError(f"`n` must be a positive whole number or None, not {self.n!r}")

    @property
    def kind(self) -> ValueKind | None:
        """The kind of value that is asked for, if it is one."""
        return None if self.type in KINDS else cast("ValueKind", self.type)

    @property
    def read_as(self) -> Kind:
        """What the reader is to make rows of: a kind of value is found among the summaries."""
        return self.type if self.type in KINDS else "summary"

    @property
    def run_filter(self) -> Callable[[str], bool] | None:
        """Whether a run is to be read; None reads all."""
        return None if self.run is None else _name_filter(self.run)

    @property
    def tag_filter(self) -> Callable[[str], bool] | None:
        """Whether a tag is to be read; None reads all."""
        return None if self.tag is None else _name_filter(self.tag)

    @property
    def steps(self) -> list[tuple[int, int]] | None:
        """The steps to read, as sorted ranges with their ends; None reads all."""
        return None if self.step is None else _step_ranges(self.step)

    @property
    def is_lazy(self) -> bool:
        """Whether records that are not read need no verification."""
        return self.checksums == "lazy"

    def extra_columns(self, *, several: bool) -> list[str]:
        """The further columns, the logdir's included if there are several.

        Raises:
            ValueError: There is no such column.
        """
        wanted = [self.columns] if isinstance(self.columns, str) else list(self.columns)
        unknown = [name for name in wanted if name not in EXTRA_COLUMNS]
        if unknown:
            raise ValueError(f"no such column: {', '.join(unknown)}; there are {', '.join(EXTRA_COLUMNS)}")
        return [*wanted, "logdir"] if several and "logdir" not in wanted else wanted


def resolve_logdirs(logdir: Logdirs | None) -> list[str]:
    """The paths that `logdir` means: globs are resolved, nothing is listed yet."""
    if logdir is None:
        from tfruns_rs.tfevents._logdir import get_default_logdir

        return [os.fspath(get_default_logdir())]
    if _is_path(logdir):
        written: str = os.fspath(logdir)
        path = os.path.expanduser(written)  # noqa: PTH111 - a Path would change what the user wrote
        if glob.has_magic(path) and not os.path.lexists(path):
            found = sorted(glob.glob(path, recursive=True))  # noqa: PTH207
            if not found:
                raise LogdirNotFoundError(f"no log directory matches {path}")
            return found
        return [path]
    if any(hasattr(logdir, name) for name in ("columns", "run_dir", "local")):
        from tfruns_rs.tfruns._run_dir import run_dirs

        return run_dirs(cast("Runs", logdir))
    if isinstance(logdir, (bytes, bytearray)) or not isinstance(logdir, Iterable):
        raise TypeError(f"`logdir` must be a path or several of them, not {type(logdir).__name__}")
    return [path for one in cast("Iterable[Path]", logdir) for path in resolve_logdirs(one)]


def _is_path(logdir: Logdirs) -> TypeGuard[Path]:
    return isinstance(logdir, (str, os.PathLike))


def _name_filter(names: Names) -> Callable[[str], bool]:
    """Whether a name is one of `names` or matches one as a pattern."""
    patterns = [names] if isinstance(names, (str, re.Pattern)) else list(names)

    def takes(name: str) -> bool:
        return any(
            name == pattern or fnmatch.fnmatchcase(name, pattern)
            if isinstance(pattern, str)
            else pattern.search(name) is not None
            for pattern in patterns
        )

    return takes


def _step_ranges(step: Steps) -> list[tuple[int, int]]:
    """Steps as sorted ranges, ends included."""
    if isinstance(step, range):
        if not step:
            return []
        first, last = min(step[0], step[-1]), max(step[0], step[-1])
        return [(first, last)] if abs(step.step) == 1 else [(one, one) for one in sorted(step)]
    if isinstance(step, tuple):
        first, last = step
        first, last = _MIN_STEP if first is None else first, _MAX_STEP if last is None else last
        return [(first, last)] if first <= last else []
    only = _whole(step)
    if only is None:
        kind = type(step).__name__
        raise TypeError(f"`step` must be a step, a range or a pair of the first and the last, not {kind}")
    return [(only, only)]


def _whole(number: object) -> int | None:
    return operator.index(number) if isinstance(number, SupportsIndex) else None


def tell_losses(losses: Sequence[Loss], on_corrupt: OnCorrupt) -> None:
    """Warns of what was lost, once, or raises."""
    if not losses or on_corrupt == "skip":
        return
    path, offset, lost, reason, recovered, errno = losses[0]
    if on_corrupt == "raise" and errno is not None:
        raise OSError(errno, os.strerror(errno), path)
    message = f"{path}: {lost} bytes lost at offset {offset} ({reason}), {recovered} records read behind them"
    if on_corrupt == "raise":
        error = CorruptRecordError(message)
        error.path, error.offset = path, offset
        raise error
    more = len(losses) - 1
    if more:
        message += f"; and {more} more, see verify_events()"
    warnings.warn(message, CorruptRecordWarning, stacklevel=3)


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuses a value that is none of the choices."""
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {', '.join(map(repr, choices))}, not {value!r}")


def flush_own_writers() -> None:
    """Writes what this process has logged, so that it reads its own records."""
    with contextlib.suppress(OSError):  # kept by the writer, and raised again to whoever logs or flushes
        _core.flush_writers()
