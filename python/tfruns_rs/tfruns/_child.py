"""A script or command as a child process: started, shown, waited for, and ended where it must."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from tfruns_rs.tfruns import _supervisor
from tfruns_rs.tfruns._capture import Console, Pump, show

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from tfruns_rs.tfruns._supervisor import Stop

_POLITE_SECS = 10.0
_POLITE_SECS_BELOW = 2.0


class Outcome(NamedTuple):
    """How a child ended.

    Attributes:
        returncode: Its exit code; negative for a signal.
        timed_out: It was ended because its time was over.
        interrupted: Ctrl-C, or a signal to this process.
        stopped: Why its supervisor ended it.
    """

    returncode: int
    timed_out: bool = False
    interrupted: BaseException | None = None
    stopped: Stop | None = None


def run_child(
    command: list[str],
    environment: Mapping[str, str],
    out: Console,
    err: Console,
    *,
    echo: bool,
    timeout_secs: float | None,
    started: Callable[[int], None],
) -> Outcome:
    """Runs a command to its end, its console shown and kept.

    Raises:
        OSError: It can't be started.
    """
    child = subprocess.Popen(  # noqa: S603 - what the caller asks for
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    streams = sys.stdout, sys.stderr

    def take(console: Console, stream: object) -> Callable[[bytes], None]:
        def taken(chunk: bytes) -> None:
            text = console.feed(chunk)
            if echo:
                show(stream, text)

        return taken

    pump = Pump([(child.stdout, take(out, streams[0])), (child.stderr, take(err, streams[1]))])
    timed_out, interrupted = False, None
    supervisor = _supervisor.current()
    try:
        with sigterm_raises():
            started(child.pid)
            if supervisor is not None:
                supervisor.attach(lambda first: _end(child, first))
            child.wait(timeout_secs)
    except subprocess.TimeoutExpired:
        timed_out = True
        _end(child)
    except (KeyboardInterrupt, SystemExit) as stopped:
        interrupted = stopped
        _end(child, signal.SIGINT if isinstance(stopped, KeyboardInterrupt) else signal.SIGTERM)
    except BaseException:
        _end(child)
        raise
    finally:
        if supervisor is not None:
            supervisor.detach()
        pump.finish()
    return Outcome(child.returncode, timed_out, interrupted, supervisor and supervisor.stopped)


@contextmanager
def sigterm_raises() -> Generator[None]:
    """A SIGTERM to this process, as batch systems send it, ends the run and is recorded."""
    is_ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    )

    def leave(*_: object) -> None:
        sys.exit(128 + signal.SIGTERM)

    if is_ours:
        signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        if is_ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end(child: subprocess.Popen[bytes], first: signal.Signals = signal.SIGTERM) -> None:
    """Ends a child and its own children: asked first, so that they can write what they have, then killed."""
    below = _descendants(child.pid)
    deadline = time.monotonic() + _POLITE_SECS
    if first == signal.SIGINT:
        # The terminal has sent the signal to the child as well.
        with suppress(subprocess.TimeoutExpired):
            child.wait(0.5)
    if child.poll() is None:
        child.send_signal(first)
    try:
        child.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    except KeyboardInterrupt:
        child.kill()
        child.wait()
    _signal(below, signal.SIGTERM)
    deadline = time.monotonic() + _POLITE_SECS_BELOW
    while any(_start(pid) == start for pid, start in below.items()) and time.monotonic() < deadline:
        time.sleep(0.02)
    _signal(below, signal.SIGKILL)


def _signal(processes: dict[int, str], number: signal.Signals) -> None:
    for pid, start in processes.items():
        if _start(pid) == start:
            with suppress(OSError):
                os.kill(pid, number)


def end_orphan(pid: int, start: str) -> bool:
    """Ends a process that is not ours to wait for, and those below it; returns whether it was there."""
    if not start or _start(pid) != start:
        return False
    below = _descendants(pid)
    with suppress(OSError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _POLITE_SECS
    while _start(pid) == start and time.monotonic() < deadline:
        time.sleep(0.05)
    for process, began in {pid: start, **below}.items():
        if _start(process) == began:
            with suppress(OSError):
                os.kill(process, signal.SIGKILL)
    return True


def _descendants(pid: int) -> dict[int, str]:
    """The processes below `pid` and their start times, where the system shows them."""
    parents: dict[int, list[tuple[int, str]]] = {}
    with suppress(OSError):
        for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib costs import time
            if name.isdigit() and (fields := _stat(int(name))):
                parents.setdefault(int(fields[1]), []).append((int(name), fields[19]))
    found: dict[int, str] = {}
    waiting = [pid]
    while waiting:
        for below, start in parents.get(waiting.pop(), []):
            found[below] = start
            waiting.append(below)
    return found


def _stat(pid: int) -> list[str] | None:
    """The fields of `/proc/<pid>/stat` behind the name: state, parent and so on."""
    with suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        return file.read().rpartition(")")[2].split()
    return None


def _start(pid: int) -> str | None:
    fields = _stat(pid)
    return fields[19] if fields and fields[0] != "Z" else None
