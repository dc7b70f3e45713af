"""What a sweep is to each of its runs: it may end one before its time, and says whether it counts."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class Stop(NamedTuple):
    """Why a run is ended before its time.

    Attributes:
        kind: "interrupted", "pruned" or "superseded".
        message: What is recorded.
    """

    kind: Literal["interrupted", "pruned", "superseded"]
    message: str


class Supervisor:
    """Stands over one run of this process.

    Attributes:
        stopped: Why the run was ended, if it was.
        is_quiet: Whether the run keeps its own messages to itself.
    """

    def __init__(self, commit: Callable[[], str | None], *, is_quiet: bool = False) -> None:
        self._commit = commit
        self._lock = threading.Lock()
        self._end: Callable[[signal.Signals], None] | None = None
        self.stopped: Stop | None = None
        self.is_quiet = is_quiet

    def attach(self, end: Callable[[signal.Signals], None]) -> None:
        """Tells how to end the run's process, by which signal first."""
        with self._lock:
            self._end = end
            stopped = self.stopped
        if stopped is not None:
            end(_signal(stopped))

    def detach(self) -> None:
        """The process has ended."""
        with self._lock:
            self._end = None

    def stop(self, stop: Stop) -> None:
        """Ends the run, once; returns when its process has ended."""
        with self._lock:
            if self.stopped is not None:
                return
            self.stopped = stop
            end = self._end
        if end is not None:
            end(_signal(stop))

    def commit(self) -> str | None:
        """Asks whether a run that completed counts; if not, why."""
        return self._commit()


def _signal(stop: Stop) -> signal.Signals:
    return signal.SIGINT if stop.kind == "interrupted" else signal.SIGTERM


_current: ContextVar[Supervisor | None] = ContextVar("tfruns_supervisor", default=None)


def current() -> Supervisor | None:
    """Who stands over the runs of this context."""
    return _current.get()


@contextmanager
def supervised(supervisor: Supervisor) -> Generator[None]:
    """The runs of this context are `supervisor`'s."""
    token = _current.set(supervisor)
    try:
        yield
    finally:
        _current.reset(token)
