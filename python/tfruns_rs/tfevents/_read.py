"""Event files to frames: `collect_events`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from tfruns_rs import _core
from tfruns_rs.tfevents._follow import EventsLogdir
from tfruns_rs.tfevents._kinds import events_of_kind, kind_frame, other_plugins
from tfruns_rs.tfevents._question import (
    BATCH_BYTES,
    FIRST_BATCH_BYTES,
    Question,
    check_choice,
    flush_own_writers,
    resolve_logdirs,
    tell_losses,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

    from tfruns_rs.tfevents._question import (
        Checksums,
        Kind,
        Logdirs,
        Loss,
        Names,
        OnCorrupt,
        Steps,
        ValueKind,
    )

Restarts: TypeAlias = Literal["keep", "last"]


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
        logdir: A log directory, an event file, a glob, or several of these; a run, or runs as `ls_runs` lists
            them; the default logdir if left out.
            Of a directory of runs the `archive` is left out.
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

    question = Question(type, n, run, tag, step, columns, on_corrupt, checksums)
    check_choice("restarts", restarts, ("keep", "last"))
    if restarts == "last" and type == "any":
        raise ValueError('`restarts="last"` chooses among values, so `type="any"` has no use for it')
    if isinstance(logdir, EventsLogdir):
        if restarts == "last":
            raise ValueError('`restarts="last"` needs all events, and a connection gives those that are new')
        frame = logdir.answer(question)
        return _with_categories(frame) if categorical else frame
    flush_own_writers()
    logdirs = resolve_logdirs(logdir)
    wanted = question.extra_columns(several=len(logdirs) > 1)
    asked = [*wanted, "attempt"] if restarts == "last" and "attempt" not in wanted else wanted
    files = _core.list_event_files(logdirs, "source" in wanted)
    if (takes := question.run_filter) is not None:
        files = files.select([number for number, name in enumerate(files.runs) if takes(name)])
    kind = question.kind
    if kind is not None and restarts == "keep":
        frame, losses = _of_kind(files, question, kind, wanted)
        tell_losses(losses, on_corrupt)
        return _with_categories(frame) if categorical else frame
    runs = set(files.runs)
    stream, report = _core.read_events(
        files,
        question.read_as,
        asked if kind is None else [*asked, "file", "offset"],
        without=["run"] if len(runs) == 1 else None,
        tag_filter=question.tag_filter,
        steps=question.steps,
        without_plugins=other_plugins(kind) if kind else None,
        limit=n if kind is None else None,
        lazy=question.is_lazy,
    )
    tell_losses(report.losses, on_corrupt)
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


def _of_kind(
    files: _core.EventFiles, question: Question, kind: ValueKind, wanted: list[str]
) -> tuple[pl.DataFrame, list[Loss]]:
    """Values of one kind, out of so many files at a time that other blobs fill no memory."""
    import polars as pl

    left = question.n
    losses: list[Loss] = []
    frames: list[pl.DataFrame] = []
    for numbers in _batches(files, BATCH_BYTES if left is None else FIRST_BATCH_BYTES):
        stream, report = _core.read_events(
            files.select(numbers),
            "summary",
            [*wanted, *(name for name in ("file", "offset") if name not in wanted)],
            tag_filter=question.tag_filter,
            steps=question.steps,
            without_plugins=other_plugins(kind),
            lazy=question.is_lazy,
        )
        losses += report.losses
        if losses and question.on_corrupt == "raise":
            break
        rows, rest = events_of_kind(pl.DataFrame(stream), kind, left)
        frames.append(kind_frame(rows, kind, wanted))
        if left is not None:
            left -= rows.select(pl.struct("file", "offset").n_unique()).item()
            if rest is not None or left == 0:
                break
    return pl.concat(frames) if frames else pl.DataFrame(), losses


def _batches(files: _core.EventFiles, batch_bytes: int) -> Iterator[list[int]]:
    """The files' numbers, some megabytes at a time; those of a run together, which share metadata."""
    batch: list[int] = []
    room, run, runs = batch_bytes, None, files.runs
    for number, size in enumerate(files.sizes):
        if room <= 0 and runs[number] != run:
            yield batch
            batch, room = [], batch_bytes
        batch.append(number)
        room, run = room - size, runs[number]
    yield batch


def _with_categories(frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    names = [name for name in ("run", "tag") if name in frame.columns]
    return frame.with_columns(pl.col(names).cast(pl.Categorical))


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
