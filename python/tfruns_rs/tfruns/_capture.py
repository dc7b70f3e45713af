"""The console of a run: shown as it comes, and kept, collapsed and capped.

A progress bar that returns to the start of its line keeps its last state only. The file grows by whole
lines, so a killed run has what it said. Beyond the cap its head stays and its tail is added at the end,
with a note between.
"""

from __future__ import annotations

import codecs
import os
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

CAP_BYTES = 64 << 20
_TAIL_BYTES = 16 << 20
_LONGEST_LINE = 1 << 16


class Console:
    """One stream of a run's console, appended to a file as UTF-8."""

    def __init__(self, path: str, encoding: str = "utf-8", cap_bytes: int = CAP_BYTES) -> None:
        self._file = open(path, "ab", buffering=0)  # noqa: PTH123, SIM115 - closed by close()
        self._room = cap_bytes - min(_TAIL_BYTES, cap_bytes // 4)
        self._tail = bytearray()
        self._tail_bytes = min(_TAIL_BYTES, cap_bytes // 4)
        self._cut = 0
        self._decode = codecs.getincrementaldecoder(encoding)("replace")
        self._line = ""
        self._lock = threading.Lock()

    def feed(self, chunk: bytes, *, final: bool = False) -> str:
        """Takes what came; returns it as text."""
        text = self._decode.decode(chunk, final)
        with self._lock:
            self._take(text)
        return text

    def write(self, text: str) -> None:
        """Takes text."""
        with self._lock:
            self._take(text)

    def _take(self, text: str) -> None:
        *lines, rest = (self._line + text.replace("\r\n", "\n")).split("\n")
        # A return at the very end may be followed by a line end that has not come yet.
        kept, ends_in_return = (rest[:-1], "\r") if rest.endswith("\r") else (rest, "")
        self._line = kept.rpartition("\r")[2] + ends_in_return
        if len(self._line) > _LONGEST_LINE:
            lines.append(self._line)
            self._line = ""
            self._append("\n".join(map(_last_state, lines)))
        elif lines:
            self._append("\n".join(map(_last_state, lines)) + "\n")

    def _append(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        if self._room >= len(data):
            self._room -= len(data)
            with suppress(OSError):
                self._file.write(data)
            return
        self._room = 0
        self._tail += data
        over = len(self._tail) - self._tail_bytes
        if over > self._tail_bytes:
            del self._tail[:over]
            self._cut += over

    def close(self) -> None:
        """Writes what is left."""
        with self._lock:
            self._take(self._decode.decode(b"", True))
            if self._line:
                self._append(_last_state(self._line))
                self._line = ""
            if over := max(len(self._tail) - self._tail_bytes, 0):
                del self._tail[:over]
                self._cut += over
            with suppress(OSError):
                if self._cut:
                    self._file.write(f"\n… [cut, {self._cut} bytes are not kept]\n".encode())
                self._file.write(self._tail)
                self._file.close()


def _last_state(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]


def show(stream: Any, text: str) -> None:
    """Writes to a stream of this process; a closed one is left alone."""
    with suppress(OSError, ValueError, AttributeError):
        stream.write(text)
        stream.flush()


class _Tee:
    """A stream of this process that is also kept."""

    def __init__(self, stream: Any, console: Console, *, echo: bool) -> None:
        self._stream = stream
        self._console = console
        self._echo = echo

    def write(self, text: str) -> int:
        self._console.write(text)
        if self._echo:
            self._stream.write(text)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def capture(out: Console, err: Console, *, echo: bool) -> Generator[None]:
    """Captures this process's console: what Python writes, and what C code writes to the descriptors."""
    streams = sys.stdout, sys.stderr
    pumps: list[tuple[int, int, threading.Thread]] = []
    for descriptor, name, console in ((1, "stdout", out), (2, "stderr", err)):
        stream = getattr(sys, name)
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
        if _descriptor(stream) != descriptor:
            setattr(sys, name, _Tee(stream, console, echo=echo))
        with suppress(OSError):
            pumps.append(_redirect(descriptor, console, echo=echo))
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        sys.stdout, sys.stderr = streams
        for descriptor, saved, pump in pumps:
            os.dup2(saved, descriptor)
            # A process that the script left behind may hold the other end.
            pump.join(1.0)
            os.close(saved)


def _descriptor(stream: Any) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def _redirect(descriptor: int, console: Console, *, echo: bool) -> tuple[int, int, threading.Thread]:
    saved = os.dup(descriptor)
    shown = os.dup(saved)
    reading, writing = os.pipe()
    os.dup2(writing, descriptor)
    os.close(writing)

    def pump() -> None:
        with os.fdopen(reading, "rb", buffering=0) as source:
            while chunk := source.read(1 << 16):
                console.feed(chunk)
                if echo:
                    with suppress(OSError):
                        os.write(shown, chunk)
        os.close(shown)

    thread = threading.Thread(target=pump, name="tfruns-console", daemon=True)
    thread.start()
    return descriptor, saved, thread


class Pump:
    """Reads the pipes of a child until it has ended and they are empty."""

    _GRACE_SECS = 1.0

    def __init__(self, pipes: list[tuple[Any, Callable[[bytes], None]]]) -> None:
        self._threads = [
            threading.Thread(target=self._read, args=pipe, name="tfruns-console", daemon=True)
            for pipe in pipes
        ]
        for thread in self._threads:
            thread.start()

    @staticmethod
    def _read(pipe: Any, take: Callable[[bytes], None]) -> None:
        with pipe, suppress(OSError, ValueError):
            while chunk := os.read(pipe.fileno(), 1 << 16):
                take(chunk)

    def finish(self) -> None:
        """Waits for the rest, but not for a process that the child left behind with the pipes open."""
        deadline = time.monotonic() + self._GRACE_SECS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
