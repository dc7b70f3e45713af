"""The life of all writers: `flush`, forks, signals, and the end of the interpreter.

Importing this module registers the hooks. A forked child starts with empty buffers; a child of
`multiprocessing` never sees `atexit`, so it ends its writers through multiprocessing's own finalizers.
"""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from tfruns_rs import _core

EXIT_DEADLINE_SECS = 60.0


def flush() -> None:
    """Write everything that was logged so far to its files, for all writers of this process.

    Raises:
        OSError: Something could not be written. It is kept and tried again.

    Examples:
        >>> import tfruns_rs as tfr
        >>> with tfr.with_logdir(tmp_path):
        ...     tfr.log_event(loss=0.5)
        >>> tfr.flush()
        >>> tfr.collect_events(tmp_path, type="scalar")["value"].to_list()
        [0.5]
    """
    _core.flush_writers()


def flush_on_sigterm() -> None:
    """Have SIGTERM, as batch systems and `kill` send it, write what was logged before it ends the process.

    Without this the signal loses what `kill -9` loses: at most the last `flush_secs` (1 s). With it, all
    writers are flushed, then the signal does what it did before: ends the process by default, calls the
    handler that was installed, or nothing if it was ignored. Forked children inherit this; calling it again
    changes nothing.

    Python runs signal handlers in the main thread and between two of its instructions, so a long call into
    native code delays it.

    Raises:
        RuntimeError: This is not the main thread, or SIGTERM has a handler that is not Python's.

    Examples:
        >>> import tfruns_rs as tfr
        >>> tfr.flush_on_sigterm()
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("signal handlers are the main thread's: call flush_on_sigterm() there")
    before = signal.getsignal(signal.SIGTERM)
    if isinstance(before, _FlushFirst):
        return
    if before is None:
        raise RuntimeError("SIGTERM has a handler that is not Python's; call tfr.flush() from it")
    signal.signal(signal.SIGTERM, _FlushFirst(before))


class _FlushFirst:
    """A handler that flushes, then does what was done before."""

    def __init__(self, before: Callable[[int, FrameType | None], Any] | int) -> None:
        self.before = before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.before == signal.SIG_DFL:
            _exit()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        try:
            flush()
        except OSError as error:
            sys.stderr.write(f"tfruns_rs: events could not be written at SIGTERM: {error}\n")
        if callable(self.before):
            self.before(number, frame)


def _exit() -> None:
    for logdir, waiting in _core.exit_writers(EXIT_DEADLINE_SECS):
        sys.stderr.write(
            f"tfruns_rs: {waiting} bytes of events for {logdir} could not be written and are lost\n"
        )


class _ChildExit:
    """Asks every child that multiprocessing starts to end its writers."""

    def __init__(self) -> None:
        self.registered = False

    def register(self) -> None:
        util: Any = sys.modules.get("multiprocessing.util")
        if util is not None and not self.registered:
            self.registered = True
            util.register_after_fork(self, _ChildExit.finalize)

    def finalize(self) -> None:
        util: Any = sys.modules["multiprocessing.util"]
        util.Finalize(None, _exit, exitpriority=-100)


_child_exit = _ChildExit()


def _before_fork() -> None:
    _child_exit.register()
    _core.before_fork()


def _in_child_of_multiprocessing() -> bool:
    process: Any = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_core.after_fork_in_parent,
        after_in_child=_core.after_fork_in_child,
    )
atexit.register(_exit)
_child_exit.register()
if _in_child_of_multiprocessing():
    _child_exit.finalize()
