"""Event files that grow: connections that resume where they stopped, and frames as they come."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from tfruns_rs import _core
from tfruns_rs.tfevents._kinds import events_of_kind, kind_frame, other_plugins
from tfruns_rs.tfevents._question import Question, flush_own_writers, resolve_logdirs, tell_losses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import polars as pl

    from tfruns_rs.tfevents._question import Checksums, Kind, Logdirs, Names, OnCorrupt, Steps, ValueKind

_EVENTS_AT_A_TIME = 1000


class FileChange(NamedTuple):
    """A file that did not just grow.

    Attributes:
        file: Its path.
        what: `"replaced"` or `"truncated"` (read from its start again), or `"deleted"`.
    """

    file: str
    what: Literal["replaced", "truncated", "deleted"]


class _Position(NamedTuple):
    id: tuple[int, int]
    offset: int
    is_end: bool


class EventsLogdir:
    """A connection to a logdir: every `collect` goes on where the last one of its kind stopped.

    Each question (type, filters and columns) has a position of its own, so one never takes away what another
    asks for. So has iteration: it gives each event that is new, as a mapping of the columns of
    `collect_events(type="any")`, ends when there is none, and goes on with those that came since when it is
    started again. A context manager that closes the connection. Made by `events_logdir`.

    Attributes:
        changes: The files that were replaced, truncated or deleted since the connection was made.
    """

    def __init__(self, logdir: Logdirs | None = None) -> None:
        self._logdirs = resolve_logdirs(logdir)
        self._logdir = self._logdirs if logdir is None else logdir
        self._has_several = len(self._logdirs) > 1
        self._listings: dict[bool, _core.EventListing] = {}
        self._positions: dict[str, dict[str, _Position]] = {}
        self._finished: dict[str, _core.EventFiles] = {}
        self.changes: list[FileChange] = []
        self._events: Iterator[dict[str, Any]] = iter(())
        self._is_closed = False
        self._list(fold=False)

    @property
    def files(self) -> list[str]:
        """The event files there are now, in the order in which they are read."""
        return self._list(fold=False).paths

    def _list(self, *, fold: bool) -> _core.EventFiles:
        """The files there are now; the same object as before if nothing has changed."""
        logdirs = resolve_logdirs(self._logdir)  # a pattern may match more than it did
        if logdirs != self._logdirs:
            self._logdirs = logdirs
            self._listings.clear()
        if fold not in self._listings:
            self._listings[fold] = _core.EventListing(logdirs, fold)
        return self._listings[fold].refresh()

    def __repr__(self) -> str:
        return f"<EventsLogdir: {', '.join(self._logdirs)}{', closed' if self._is_closed else ''}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection: nothing can be collected any more. No file is held open between calls."""
        self._is_closed = True

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> dict[str, Any]:
        event = next(self._events, None)
        if event is None:
            frame = self._answer("iteration", Question("any", _EVENTS_AT_A_TIME))
            self._events = frame.iter_rows(named=True)
            event = next(self._events)
        return event

    def collect(
        self,
        n: int | None = None,
        type: Kind | ValueKind = "any",  # noqa: A002 - as collect_events
        *,
        run: Names | None = None,
        tag: Names | None = None,
        step: Steps | None = None,
        columns: Sequence[str] = (),
        on_corrupt: OnCorrupt = "warn",
        checksums: Checksums = "all",
    ) -> pl.DataFrame:
        """Collects what is new, in the form of `collect_events`; its arguments mean the same.

        What this process has logged until now is written first. A record that is not wholly there yet is left
        for the next time.

        Raises:
            ValueError: An argument makes no sense, or the connection is closed.
        """
        return self.answer(Question(type, n, run, tag, step, columns, on_corrupt, checksums))

    def answer(self, question: Question) -> pl.DataFrame:
        """Collects what is new since the same was asked the last time, however much of it was wanted then."""
        key = repr((question.type, question.run, question.tag, question.step, question.columns))
        return self._answer(key, question)

    def _answer(self, key: str, question: Question) -> pl.DataFrame:
        """Collects what is new, from the positions under a key."""
        import polars as pl

        if self._is_closed:
            raise ValueError("the connection is closed; events_logdir() makes another")
        flush_own_writers()
        wanted = question.extra_columns(several=self._has_several)
        kind = question.kind
        positions = self._positions.setdefault(key, {})
        files = self._list(fold="source" in wanted)
        takes = question.run_filter
        starts = [] if self._finished.get(key) is files else self._starts(files, positions, takes)
        if not starts:
            self._finished[key] = files
        files = files.resume(starts)
        stream, report = _core.read_events(
            files,
            question.read_as,
            [*wanted, "file", "offset"] if kind else wanted,
            tag_filter=question.tag_filter,
            steps=question.steps,
            without_plugins=other_plugins(kind) if kind else None,
            limit=None if kind else question.n,
            lazy=question.is_lazy,
        )
        frame = pl.DataFrame(stream)
        is_end = kind is not None or question.n is None or frame.height < question.n
        before = dict(positions)
        for path, identity, end in zip(files.paths, files.ids, report.ends, strict=True):
            if end is not None:
                positions[path] = _Position(identity, end, is_end)
        tell_losses(report.losses, question.on_corrupt)
        if kind is None:
            return frame
        rows, rest = events_of_kind(frame, kind, question.n)
        if rest is not None:  # the next time begins with the first event that was not taken
            at, offset = files.paths.index(rest[0]), rest[1]
            positions[rest[0]] = _Position(files.ids[at], offset, is_end=False)
            for path in files.paths[at + 1 :]:
                positions.pop(path, None)
                if path in before:
                    positions[path] = before[path]
        return kind_frame(rows, kind, wanted)

    def _starts(
        self, files: _core.EventFiles, positions: dict[str, _Position], takes: Callable[[str], bool] | None
    ) -> list[tuple[int, int]]:
        """The files with something new, and where that begins."""
        starts: list[tuple[int, int]] = []
        paths = files.paths
        for number, (path, size, identity) in enumerate(zip(paths, files.sizes, files.ids, strict=True)):
            known = positions.get(path)
            if known is not None and path.endswith(".gz") and known.id == identity:
                # An archive does not grow; where reading it stopped is an offset in what it holds.
                if not known.is_end:
                    starts.append((number, known.offset))
                continue
            if known is not None and (known.id != identity or known.offset > size):
                what = "replaced" if known.id != identity else "truncated"
                self.changes.append(FileChange(path, what))
                del positions[path]
                known = None
            start = 0 if known is None else known.offset
            if size > start:
                starts.append((number, start))
        for path in positions.keys() - set(paths) if len(paths) < len(positions) else ():
            self.changes.append(FileChange(path, "deleted"))
            del positions[path]
        if takes is not None:
            runs = files.runs
            starts = [start for start in starts if takes(runs[start[0]])]
        return starts


def events_logdir(logdir: Logdirs | EventsLogdir | None = None) -> EventsLogdir:
    """Connects to a logdir whose files may grow and become more.

    Args:
        logdir: A log directory, an event file, a glob, or several of these; the default logdir if left out. A
            connection is given back as it is.

    Returns:
        A connection whose `collect` gives what is new.

    Raises:
        LogdirNotFoundError: There is no such logdir.

    Examples:
        >>> import tempfile, polars as pl, tfruns_rs as tfr
        >>> logdir = tempfile.mkdtemp()
        >>> connection = tfr.events_logdir(logdir)
        >>> row = {"run": ["a"], "tag": ["loss"], "step": [0], "wall_time": [1.0], "value": [0.5]}
        >>> paths = tfr.write_events(pl.DataFrame(row), logdir)
        >>> [connection.collect(type="scalar").height for _ in range(2)]
        [1, 0]
        >>> [event["what"] for event in connection]
        ['file_version', 'summary']
    """
    return logdir if isinstance(logdir, EventsLogdir) else EventsLogdir(logdir)


class Follow:
    """Frames of what is new in a logdir, as it comes: an iterator and an async iterator. Made by `follow`."""

    def __init__(
        self, connection: EventsLogdir, question: Question, poll_secs: float, idle_secs: float | None
    ) -> None:
        self._connection = connection
        self._question = question
        self._poll_secs = poll_secs
        self._idle_secs = idle_secs
        self._is_closed = False

    def close(self) -> None:
        """Ends the iteration, at the latest after the current wait."""
        self._is_closed = True

    def _poll(self) -> pl.DataFrame:
        return self._connection.answer(self._question)

    def _is_over(self, since: float) -> bool:
        return self._is_closed or (
            self._idle_secs is not None and time.monotonic() - since >= self._idle_secs
        )

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> pl.DataFrame:
        since = time.monotonic()
        while not self._is_closed:
            frame = self._poll()
            if frame.height:
                return frame
            if self._is_over(since):
                break
            time.sleep(self._poll_secs)
        raise StopIteration

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> pl.DataFrame:
        import asyncio

        since = time.monotonic()
        while not self._is_closed:
            frame = await asyncio.to_thread(self._poll)
            if frame.height:
                return frame
            if self._is_over(since):
                break
            await asyncio.sleep(self._poll_secs)
        raise StopAsyncIteration


def follow(
    logdir: Logdirs | EventsLogdir | None = None,
    type: Kind | ValueKind = "scalar",  # noqa: A002 - as collect_events
    *,
    run: Names | None = None,
    tag: Names | None = None,
    step: Steps | None = None,
    columns: Sequence[str] = (),
    on_corrupt: OnCorrupt = "warn",
    poll_secs: float = 1.0,
    idle_secs: float | None = None,
) -> Follow:
    """Yields what a logdir holds and then, as it grows, what is new, in frames that are never empty.

    Args:
        logdir: A logdir as in `collect_events`, or a connection, which then goes on where it stopped.
        type: What a row is, as in `collect_events`.
        run: Names of the runs to read, or patterns.
        tag: Names of the tags to read, or patterns.
        step: The steps to read, as in `collect_events`.
        columns: Further columns, as in `collect_events`.
        on_corrupt: What to do about damaged records, as in `collect_events`.
        poll_secs: How often to look, in seconds.
        idle_secs: After how many seconds without anything new to end; never if left out.

    Returns:
        An iterator, for `for` and `async for`; its `close()` ends it.

    Raises:
        LogdirNotFoundError: There is no such logdir.
        ValueError: An argument makes no sense.

    Examples:
        >>> import tempfile, tfruns_rs as tfr
        >>> for frame in tfr.follow(tempfile.mkdtemp(), idle_secs=0):
        ...     print(frame.height)
    """
    given: dict[str, object] = {"poll_secs": poll_secs, "idle_secs": 0.0 if idle_secs is None else idle_secs}
    for name, secs in given.items():
        if not isinstance(secs, (int, float)) or not secs >= 0:
            raise ValueError(f"`{name}` must be a number of seconds, not {secs!r}")
    question = Question(type, None, run, tag, step, columns, on_corrupt)
    return Follow(events_logdir(logdir), question, poll_secs, idle_secs)
