"""The open life of a run: what beats, what is active, where its events go, and how it ends.

A run that this process started is *owned*: it beats, it is the active one, and if the process ends without
`finish()` it ends as an error. A run that a parent started (`training_run`) is only visited: it takes metrics
and metadata, and its parent ends it.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tfruns_rs import _core
from tfruns_rs.tfevents._logdir import set_run_logdir
from tfruns_rs.tfevents._writer import writer_of
from tfruns_rs.tfruns import _active, _json, _record
from tfruns_rs.tfruns._projection import Projector
from tfruns_rs.tfruns._run_metadata import write_properties
from tfruns_rs.tracking._names import timestamp

if TYPE_CHECKING:
    from types import TracebackType

    from tfruns_rs.tracking._sync import Sync
    from tfruns_rs.tracking._system_metrics import Sampler

BEAT_SECS = 10.0


class Session:
    """A run directory that takes metrics.

    Attributes:
        run_dir: The directory, absolute.
        is_owner: Whether this process ends the run.
    """

    def __init__(self, run_dir: str, *, is_owner: bool) -> None:
        self.run_dir = run_dir
        self.is_owner = is_owner
        self.is_open = True
        self.helpers: list[Sampler] = []
        self.followers: list[Sync] = []
        self._calls = 0
        self._pid = os.getpid()
        if is_owner:
            self._active = _active.ActiveRun(run_dir)
            self._heartbeat = _core.Heartbeat(
                f"{run_dir}/{_record.META_DIR}/alive.json", self._pid, BEAT_SECS
            )
            self._projector = Projector(run_dir)
            _active.push(self._active)
            self._logdir_before = set_run_logdir(self.logdir)
            atexit.register(self._abandon)

    @property
    def logdir(self) -> str:
        """Where the run's event files are."""
        return f"{self.run_dir}/logs"

    def log(
        self, kind: str, values: dict[str, float], step: int, epoch: int | None, wall_time: float
    ) -> None:
        """Writes the events of one call."""
        self._calls += 1
        writer_of(self.logdir)._log_metrics(kind, values, step, wall_time, epoch, self._calls)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    def flush(self) -> None:
        """Sees to it that readers find what was logged."""
        writer_of(self.logdir).flush()

    def end(self, status: str, error: dict[str, Any] | None = None) -> float:
        """Ends the run; returns when. The property `end` comes last: who sees it sees all."""
        now = time.time()
        self.is_open = False
        for helper in self.helpers:
            helper.stop()
        if not self.is_owner:
            self.flush()
            return now
        atexit.unregister(self._abandon)
        _active.pop(self._active)
        set_run_logdir(self._logdir_before)
        try:
            self.flush()
            self._project()
        finally:
            if error is not None:
                _core.write_atomic(f"{self.run_dir}/{_record.META_DIR}/error.json", _json.dumps(error))

            def ended(record: dict[str, Any]) -> None:
                record["status"], record["end_timestamp"] = status, timestamp(now)
                record["sessions"][-1].update(completed=status == "Complete", end=now)

            _record.update(self.run_dir, ended)
            write_properties(self.run_dir, {"completed": status == "Complete", "end": now})
            self._heartbeat.stop()
        for follower in self.followers:
            follower.stop()
        return now

    def _project(self) -> None:
        """Brings `metrics.json` up to the events; a run ends also if that fails."""
        try:
            self._projector.stop()
        except RuntimeError:  # an interpreter that ends imports no polars, so another one does it
            import subprocess

            code = "import sys; from tfruns_rs.tfruns._projection import project_metrics as p; p(sys.argv[1])"
            with suppress(OSError, subprocess.SubprocessError):
                subprocess.run([sys.executable, "-c", code, self.run_dir], timeout=30, check=False)  # noqa: S603
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the events, it is told
            warnings.warn(f"{self.run_dir}: metrics.json could not be written: {error}", stacklevel=4)

    def _abandon(self) -> None:
        """The interpreter ends and nobody said `finish()`. A forked child that ends is not the run's end."""
        if os.getpid() != self._pid or not self.is_open:
            return
        unhandled = getattr(sys, "last_value", None)
        if isinstance(unhandled, BaseException):
            self.end("Error", error_of(unhandled, unhandled.__traceback__))
        else:
            self.end("Error", {"message": "the process ended without finish()", "traceback": []})


def error_of(error: BaseException, traceback: TracebackType | None) -> dict[str, Any]:
    """An exception as `error.json` keeps it."""
    import traceback as traceback_module

    lines = traceback_module.format_exception(type(error), error, traceback)
    message = str(error) or type(error).__name__
    return {"message": message, "traceback": [line.rstrip("\n") for line in lines]}
