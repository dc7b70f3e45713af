"""Event files to frames: `collect_events`."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import os
import re
import warnings
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeGuard, cast

from tfruns_rs import _core
from tfruns_rs.errors import CorruptRecordError, CorruptRecordWarning, LogdirNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl

    from tfruns_rs.tfevents._follow import EventsLogdir
    from tfruns_rs.tfevents._kinds import ValueKind

Path: TypeAlias = "str | os.PathLike[str]"
Logdirs: TypeAlias = "Path | Sequence[Path]"
Names: TypeAlias = "str | re.Pattern[str] | Sequence[str | re.Pattern[str]]"
Steps: TypeAlias = "int | range | tuple[int | None, int | None]"
Kind: TypeAlias = Literal["any", "summary", "scalar"]
KINDS: tuple[Kind, ...] = ("any", "summary", "scalar")
Restarts: TypeAlias = Literal["keep", "last"]
OnCorrupt: TypeAlias = Literal["warn", "raise", "skip"]
Checksums: TypeAlias = Literal["all", "lazy"]

EXTRA_COLUMNS = ("plugin", "summary", "source", "logdir", "file", "offset", "attempt")
_MIN_STEP, _MAX_STEP = -(2**63), 2**63 - 1


def collect_events(
    logdir: Logdirs | EventsLogdir | None = None,
    n: int | None = None,
    type: Kind | ValueKind = "any",  # noqa: A002 - R's name
    *,
    run: Names | None = None,
    tag: Names | None = None,
    step: Steps | None = None,
    columns: Sequence[str] = (),
    on_corrupt: OnCorrupt = "warn",
    restarts: Restarts = "keep",
    checksums: Checksums = "all",
    categorical: bool = False,
) -> pl.DataFrame:
    """Collects all events of a logdir in a frame.

    Files are read in the order of their paths, depth first, and records in the order of the file; nothing is
    left out, sampled or merged. What this process has logged until now is written first.

    Args:
        logdir: A log directory, an event file, a glob, or several of these; the default logdir if left out.
            Of a connection made by `events_logdir`: what is new since it was asked the same the last time.
        n: How many events (that pass the filters) to collect at most; all if left out.
        type: What a row is: `"any"` event, a `"summary"` value or a `"scalar"` value.
        run: Names of the runs to read, or patterns (`"train*"`, `re.compile(...)`).
        tag: Names of the tags to read, or patterns.
        step: The step to read, a `range` of them, or the first and the last (None for open ends).
        columns: Further columns: plugin, summary, source, logdir, file, offset, attempt. With `source`, runs
            named `<run>@<host>-<rank>` are read as `<run>`.
        on_corrupt: What to do about damaged records: `"warn"` once and go on behind them, `"raise"`
            `CorruptRecordError`, or `"skip"` them silently.
        restarts: What to do about points that were logged again after a restart: `"keep"` them all, or those
            of the `"last"` attempt for each run, tag and step. An attempt ends an earlier one only if it
            started after the other's last event, so that writers at the same time keep their points. Files
            of tfruns_rs say whose attempt they are; of others each file, and each session start in it, is
            one.
        checksums: Whether to verify `"all"` records, or `"lazy"` only those that are read: a record of 16 KiB
            and more that begins as an image, a sound, a histogram, a tensor or a graph where scalars are
            asked for, or with a tag that is not, is then passed over by the length in its header. That header
            and the one behind it are verified; the bytes between are neither read nor verified, and damage in
            them is not reported. `type="any"` reads all records.
        categorical: Whether run and tag are categorical columns instead of strings.

    Returns:
        A frame whose schema depends on `type` and `columns` only:

        - `"scalar"`: run, tag, step, wall_time (seconds since the epoch), value (Float64)
        - `"summary"`: run, tag, plugin, step, wall_time, value (null if no scalar), summary (a struct)
        - `"any"`: run, step, wall_time, what, file_version, summary (a list of structs)
        - `"histogram"`, `"text"`, `"image"`, `"audio"`, `"tensor"`, `"hparams"`: run, tag, step, wall_time
            and what the kind has (buckets; text; images; clips; dtype, shape, data; content)

    Raises:
        LogdirNotFoundError: There is no such logdir.
        CorruptRecordError: A record is damaged and `on_corrupt="raise"`.
        ValueError: An argument makes no sense.

    Examples:
        >>> import tempfile, tfruns_rs as tfr
        >>> tfr.collect_events(tempfile.mkdtemp(), type="scalar").schema.names()
        ['run', 'tag', 'step', 'wall_time', 'value']
    """
    import polars as pl

    from tfruns_rs.tfevents._follow import EventsLogdir
    from tfruns_rs.tfevents._kinds import VALUE_KINDS, events_of_kind, kind_frame

    check_choice("type", type, (*KINDS, *VALUE_KINDS))
    check_choice("on_corrupt", on_corrupt, ("warn", "raise", "skip"))
    check_choice("restarts", restarts, ("keep", "last"))
    check_choice("checksums", checksums, ("all", "lazy"))
    if restarts == "last" and type == "any":
        raise ValueError('`restarts="last"` chooses among values, so `type="any"` has no use for it')
    if n is not None and n <= 0:
        raise ValueError("`n` must be positive or None")
    flush_own_writers()
    if isinstance(logdir, EventsLogdir):
        if restarts == "last":
            raise ValueError('`restarts="last"` needs all events, and a connection gives those that are new')
        frame = logdir.collect(
            n,
            type,
            run=run,
            tag=tag,
            step=step,
            columns=columns,
            on_corrupt=on_corrupt,
            checksums=checksums,
        )
        return _with_categories(frame) if categorical else frame
    logdirs = resolve_logdirs(logdir)
    wanted = check_columns(columns, several=len(logdirs) > 1)
    asked = [*wanted, "attempt"] if restarts == "last" and "attempt" not in wanted else wanted
    files = _core.list_event_files(logdirs, "source" in wanted)
    if run is not None:
        takes = name_filter(run)
        files = files.select([number for number, name in enumerate(files.runs) if takes(name)])
    runs = set(files.runs)
    kind = None if type in KINDS else cast("ValueKind", type)
    stream, report = _core.read_events(
        files,
        "summary" if kind else type,
        asked if kind is None else [*asked, "file", "offset"],
        without=["run"] if len(runs) == 1 else None,
        tag_filter=None if tag is None else name_filter(tag),
        steps=None if step is None else step_ranges(step),
        limit=n if kind is None else None,
        lazy=checksums == "lazy",
    )
    tell_losses(report, on_corrupt)
    frame = pl.DataFrame(stream)
    if len(runs) == 1:
        # Polars keeps a constant once; as a column of views it would take sixteen bytes a row.
        frame = frame.select(pl.lit(next(iter(runs))).alias("run"), pl.all())
    if restarts == "last":
        frame = _last_attempts(frame, report.attempts[0] if report.attempts else [])
        frame = frame.drop(set(asked) - set(wanted))
    if kind is not None:
        frame = kind_frame(events_of_kind(frame, kind, n)[0], kind, wanted)
    return _with_categories(frame) if categorical else frame


def _with_categories(frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    names = [name for name in ("run", "tag") if name in frame.columns]
    return frame.with_columns(pl.col(names).cast(pl.Categorical))


def flush_own_writers() -> None:
    """Writes what this process has logged, so that it reads its own records."""
    with contextlib.suppress(OSError):  # kept by the writer, and raised again to whoever logs or flushes
        _core.flush_writers()


def _last_attempts(frame: pl.DataFrame, attempts: Sequence[tuple[str, float, float]]) -> pl.DataFrame:
    """Leaves out the points that a later attempt has logged again."""
    import polars as pl

    start: dict[str, float] = {}
    last: dict[str, float] = {}
    for key, began, ended in attempts:
        start[key] = min(began, start.get(key, began))
        last[key] = max(ended, last.get(key, ended))
    times = pl.DataFrame(
        {
            "attempt": range(len(attempts)),
            "_start": [start[key] for key, _, _ in attempts],
            "_last": [last[key] for key, _, _ in attempts],
        },
        schema={"attempt": pl.UInt32, "_start": pl.Float64, "_last": pl.Float64},
    )
    point = [name for name in ("logdir", "run", "tag", "step") if name in frame.columns]
    return (
        frame.join(times, on="attempt", how="left", maintain_order="left")
        .filter(pl.col("_last") >= pl.col("_start").max().over(point))
        .drop("_start", "_last")
    )


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
    return [path for one in cast("Sequence[Path]", logdir) for path in resolve_logdirs(one)]


def _is_path(logdir: Logdirs) -> TypeGuard[Path]:
    return isinstance(logdir, (str, os.PathLike))


def check_columns(columns: Sequence[str], *, several: bool) -> list[str]:
    """The extra columns, the logdir's included if there are several."""
    wanted = [columns] if isinstance(columns, str) else list(columns)
    unknown = [name for name in wanted if name not in EXTRA_COLUMNS]
    if unknown:
        raise ValueError(f"no such column: {', '.join(unknown)}; there are {', '.join(EXTRA_COLUMNS)}")
    return [*wanted, "logdir"] if several and "logdir" not in wanted else wanted


def name_filter(names: Names) -> Callable[[str], bool]:
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


def step_ranges(step: Steps) -> list[tuple[int, int]]:
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
    return [(step, step)]


def tell_losses(report: _core.ReadReport, on_corrupt: OnCorrupt) -> None:
    """Warns of what was lost, or raises."""
    if not report.losses or on_corrupt == "skip":
        return
    path, offset, lost, reason, recovered, errno = report.losses[0]
    if on_corrupt == "raise" and errno is not None:
        raise OSError(errno, os.strerror(errno), path)
    message = f"{path}: {lost} bytes lost at offset {offset} ({reason}), {recovered} records read behind them"
    if on_corrupt == "raise":
        error = CorruptRecordError(message)
        error.path, error.offset = path, offset
        raise error
    more = len(report.losses) - 1
    if more:
        message += f"; and {more} more, see verify_events()"
    warnings.warn(message, CorruptRecordWarning, stacklevel=3)


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuses a value that is none of the choices."""
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {', '.join(map(repr, choices))}, not {value!r}")
