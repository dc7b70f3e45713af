"""Event files as a lazy frame: `scan_events`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfruns_rs import _core
from tfruns_rs.tfevents import _pushdown
from tfruns_rs.tfevents._kinds import events_of_kind, kind_frame, other_plugins
from tfruns_rs.tfevents._question import (
    BATCH_BYTES,
    FIRST_BATCH_BYTES,
    Question,
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

OMITTABLE = ("run", "tag", "wall_time", "value", "summary")


# What scans have done since the start: tests hold the pushdown to it.
counters = {"files_opened": 0, "records": 0, "rows": 0}


def scan_events(
    logdir: Logdirs | None = None,
    type: Kind | ValueKind = "scalar",  # noqa: A002 - as collect_events
    *,
    run: Names | None = None,
    tag: Names | None = None,
    step: Steps | None = None,
    columns: Sequence[str] = (),
    on_corrupt: OnCorrupt = "warn",
    checksums: Checksums = "all",
) -> pl.LazyFrame:
    """A logdir's events as a lazy frame.

    Files and their sizes are fixed by this call; they are read when the frame is collected. Columns nobody
    needs are not built. Conditions on run, tag, step and wall_time that compare with constants (`==`, `!=`,
    `<`, …, `is_between`, `is_in`, and for names `str.starts_with`, `str.ends_with` and `str.contains`,
    joined by `&`) are answered by the reader: runs that can't match are not opened, other tags and steps are
    not decoded. All other conditions are applied to each batch.

    Args:
        logdir: A log directory, an event file, a glob, or several of these; a run, or runs as `ls_runs` lists
            them; the default logdir if left out.
        type: What a row is, as in `collect_events`.
        run: Names of the runs to read, or patterns.
        tag: Names of the tags to read, or patterns.
        step: The steps to read, as in `collect_events`.
        columns: Further columns, as in `collect_events`.
        on_corrupt: What to do about damaged records, as in `collect_events`.
        checksums: Which records to verify, as in `collect_events`.

    Returns:
        A lazy frame with the schema of `collect_events` for the same `type` and `columns`.

    Raises:
        LogdirNotFoundError: There is no such logdir.
        ValueError: An argument makes no sense.

    Examples:
        >>> import tempfile, polars as pl, tfruns_rs as tfr
        >>> events = tfr.scan_events(tempfile.mkdtemp())
        >>> events.filter(pl.col("tag") == "loss").group_by("run").agg(pl.col("value").min()).collect().height
        0
    """
    from polars.io.plugins import register_io_source

    question = Question(type, None, run, tag, step, columns, on_corrupt, checksums)
    logdirs = resolve_logdirs(logdir)
    wanted = question.extra_columns(several=len(logdirs) > 1)
    scan = _Scan(_core.list_event_files(logdirs, "source" in wanted), question, wanted)
    return register_io_source(scan.batches, schema=scan.schema)


class _Scan:
    """A listing and how to read it; Polars may ask for it several times, from several threads."""

    def __init__(self, files: _core.EventFiles, question: Question, columns: list[str]) -> None:
        import polars as pl

        self._files = files
        self._question = question
        self._kind: ValueKind | None = question.kind
        self._columns = columns
        self._bounds = _pushdown.Bounds(
            run=question.run_filter, tag=question.tag_filter, steps=question.steps
        )
        nothing = pl.DataFrame(_core.read_events(files.select([]), question.read_as, columns)[0])
        self.schema = (kind_frame(nothing, self._kind, columns) if self._kind else nothing).schema

    def batches(
        self,
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,  # noqa: ARG002 - batches follow the files
    ) -> Iterator[pl.DataFrame]:
        """Polars' side of the interface: what is asked for, in frames. Damage is told once, at the end."""
        losses: list[Loss] = []
        try:
            yield from self._batches(with_columns, predicate, n_rows, losses)
        finally:
            tell_losses(losses, self._question.on_corrupt)

    def _batches(
        self,
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        losses: list[Loss],
    ) -> Iterator[pl.DataFrame]:
        needed = set(self.schema) if with_columns is None else {*with_columns}
        bounds = self._bounds
        if predicate is not None:
            needed.update(predicate.meta.root_names())
            bounds = bounds & _pushdown.bounds_of(predicate)
        extra = [name for name in self._columns if name in needed]
        if self._kind:
            without = ["value"]
        else:
            without = [name for name in OMITTABLE if name not in needed and name not in extra]
        limit = n_rows if predicate is None and not self._kind else None
        left = n_rows
        for part in self._parts(bounds):
            if left is not None and left <= 0:
                return
            frame, report = self._read(part, extra, without, bounds, limit)
            losses += report.losses
            if self._kind:
                frame, _ = events_of_kind(frame, self._kind, None)
                if not needed.issubset(frame.columns):
                    frame = kind_frame(frame, self._kind, extra)
            if predicate is not None:
                frame = frame.filter(predicate)
            if with_columns is not None or self._kind:
                # In the schema's order, which is the one that every version of Polars takes.
                frame = frame.select(
                    name for name in self.schema if with_columns is None or name in with_columns
                )
            if left is not None:
                frame = frame.head(left)
                left -= frame.height
            part.end = report.ends[-1] or 0
            yield frame

    def _read(
        self,
        part: _Part,
        extra: list[str],
        without: list[str],
        bounds: _pushdown.Bounds,
        limit: int | None,
    ) -> tuple[pl.DataFrame, _core.ReadReport]:
        import polars as pl

        stream, report = _core.read_events(
            part.files,
            self._question.read_as,
            extra,
            without=without,
            tag_filter=bounds.tag,
            steps=bounds.steps,
            wall_time=bounds.wall_time,
            without_plugins=other_plugins(self._kind) if self._kind else None,
            limit=limit,
            lazy=self._question.is_lazy,
        )
        counters["files_opened"] += report.files_opened
        counters["records"] += report.records
        if self._question.on_corrupt == "raise":
            tell_losses(report.losses, "raise")
        frame = pl.DataFrame(stream)
        counters["rows"] += frame.height
        return frame, report

    def _parts(self, bounds: _pushdown.Bounds) -> Iterator[_Part]:
        """The files that can match, a batch's worth at a time; a large file in parts."""
        runs, sizes, paths = self._files.runs, self._files.sizes, self._files.paths
        takes = {run: bounds.run is None or bounds.run(run) for run in set(runs)}
        if bounds.steps == []:
            return
        # A query that wants a few rows gets little at first, but not where most bytes are passed over.
        room = BATCH_BYTES if self._question.is_lazy else FIRST_BATCH_BYTES
        batch: list[int] = []
        held = 0
        for number, (run, size) in enumerate(zip(runs, sizes, strict=True)):
            if not takes[run]:
                continue
            may_part = self._question.type == "scalar" and "attempt" not in self._columns
            if batch and held + size > room:
                yield _Part(self._files.select(batch))
                batch, held, room = [], 0, BATCH_BYTES
            if size <= 2 * room or not may_part or paths[number].endswith(".gz"):
                batch.append(number)
                held += size
                continue
            start = 0
            while start < size:
                part = _Part(self._files.part(number, start, start + room))
                yield part
                if part.end <= start:
                    break
                start, room = part.end, BATCH_BYTES
        if batch:
            yield _Part(self._files.select(batch))


class _Part:
    """Some files, or a part of one; `end` is where reading it ended."""

    __slots__ = ("end", "files")

    def __init__(self, files: _core.EventFiles) -> None:
        self.files = files
        self.end = 0
