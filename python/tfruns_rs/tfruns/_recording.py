"""The record of one run: opened before its script starts, closed however it ends.

The same for a script in a process of its own, for one in this process and for a command.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tfruns_rs import _core
from tfruns_rs.tfruns import _record, _supervisor
from tfruns_rs.tfruns._artifacts import Artifacts
from tfruns_rs.tfruns._capture import Console
from tfruns_rs.tfruns._environment import record_environment
from tfruns_rs.tfruns._projection import Projector
from tfruns_rs.tfruns._run_metadata import META_DIR, write_properties, write_run_metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfruns_rs.tfruns._active import ActiveRun

_SESSION_FILES = ("error.json", "alive.json")
_LAST_BYTES = 4096
_LAST_LINES = 20
_SESSION_PROPERTIES = ("end", "exit_code", "signal")


class Recording:
    """A run that is being recorded.

    Attributes:
        run: The run as the script sees it.
        out: Its stdout.
        err: Its stderr.
    """

    def __init__(
        self, run: ActiveRun, properties: Mapping[str, Any], encoding: str, *, resumed: bool
    ) -> None:
        self.run = run
        self._meta = f"{run.run_dir}/{META_DIR}"
        self._heart: _core.Heartbeat | None = None
        self._artifacts: Artifacts | None = None
        self._background: threading.Thread | None = None
        self._projector: Projector | None = None
        os.makedirs(f"{self._meta}/properties", exist_ok=True)  # noqa: PTH103 - texts stay as given
        os.makedirs(f"{run.run_dir}/plots", exist_ok=True)  # noqa: PTH103
        self._started = time.time()
        if resumed:
            self._end_session()
            properties = {name: value for name, value in properties.items() if name != "start"}
        # The console is ours to write.
        write_properties(run.run_dir, {name: properties[name] for name in properties if name != "output"})

        def began(record: dict[str, Any]) -> None:
            record["name"] = record.get("name") or os.path.basename(run.run_dir)  # noqa: PTH119 - a text
            _record.sessions(record).append({"start": self._started})

        _record.update(run.run_dir, began)
        self.out = Console(f"{self._meta}/properties/output", encoding)
        self.err = Console(f"{self._meta}/stderr", encoding)
        if resumed:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._started))
            for console in (self.out, self.err):
                console.write(f"\n──── resumed {stamp} ────\n")

    def _end_session(self) -> None:
        """Moves what the session before left into its entry of `run.json`."""
        left = {name: _record.read_json(f"{self._meta}/{name}.json") for name in ("flags", "error")}
        if facts := {name: content for name, content in left.items() if content}:
            self._of_session(facts)
        stale = [*_SESSION_FILES, *(f"properties/{name}" for name in _SESSION_PROPERTIES)]
        for name in stale:
            with suppress(FileNotFoundError):
                os.unlink(f"{self._meta}/{name}")  # noqa: PTH108

    def _of_session(self, facts: Mapping[str, Any]) -> None:
        """Adds to what `run.json` says of the last session."""

        def add(record: dict[str, Any]) -> None:
            sessions = _record.sessions(record)
            if not sessions:
                sessions.append({"start": self._started})
            sessions[-1].update(facts)

        _record.update(self.run.run_dir, add)

    def watch(self, artifacts_dir: str | None, runs_dir: str) -> None:
        """Remembers which files are there, to find what the script changes."""
        if artifacts_dir is not None:
            self._artifacts = Artifacts(artifacts_dir, self.run.run_dir, runs_dir)

    def started(self, pid: int, command: list[str], directory: str) -> None:
        """The script runs as this process."""
        self._heart = _core.Heartbeat(f"{self._meta}/alive.json", pid)
        # Git and the list of packages take longer than many a script; they are looked at meanwhile.
        self._background = threading.Thread(
            target=record_environment, args=(self.run.run_dir, command, directory), name="tfruns-environment"
        )
        self._background.start()
        self._projector = Projector(self.run.run_dir)

    def ended(
        self,
        *,
        exit_code: int | None = 0,
        signal: str | None = None,
        error: Mapping[str, Any] | None = None,
        completed: bool = False,
        tells_why: bool = False,
    ) -> str | None:
        """The script has ended: records how, and what it left.

        Args:
            exit_code: Its exit code.
            signal: The signal that ended it.
            error: Why it did not complete, where it left no error itself.
            completed: Whether it came to its end.
            tells_why: Its last words on stderr stand for a traceback.

        Returns:
            Why a run that completed does not count, where a supervisor says so.
        """
        self.out.close()
        self.err.close()
        if error is not None and not os.path.exists(f"{self._meta}/error.json"):  # noqa: PTH110
            words = {"traceback": self._last_words()} if tells_why else {}
            write_run_metadata("error", {**error, **words}, self.run.run_dir)
        if self._artifacts is not None:
            self._artifacts.take()
        if self._background is not None:
            self._background.join()
        if self._projector is not None:
            self._projector.stop()
        refusal = self._refusal() if completed else None
        completed = completed and refusal is None
        end = time.time()
        facts: dict[str, Any] = {"completed": completed, "end": end}
        if exit_code:
            facts["exit_code"] = exit_code
        if signal:
            facts["signal"] = signal
        self._of_session(facts)
        # `end` comes last: a listing takes a run with an end for settled.
        ordered = {name: facts[name] for name in ("exit_code", "signal", "completed", "end") if name in facts}
        write_properties(self.run.run_dir, ordered)
        if self._heart is not None:
            self._heart.stop()
        return refusal

    def _last_words(self) -> list[str]:
        with suppress(OSError), open(f"{self._meta}/stderr", "rb") as file:  # noqa: PTH123
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()[-_LAST_LINES:]
        return []

    def _refusal(self) -> str | None:
        supervisor = _supervisor.current()
        refusal = supervisor and supervisor.commit()
        if refusal is not None:
            write_run_metadata("error", {"message": refusal}, self.run.run_dir)
        return refusal

    def error(self) -> tuple[str, str | None]:
        """The recorded error's message and traceback."""
        content = _record.read_json(f"{self._meta}/error.json")
        traceback: Any = content.get("traceback")
        lines = "\n".join(map(str, traceback)) if isinstance(traceback, list) else None  # pyright: ignore[reportUnknownArgumentType]
        return str(content.get("message", "the script failed")), lines or None
