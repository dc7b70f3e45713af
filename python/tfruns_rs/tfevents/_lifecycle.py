"""The life of all writers: `flush`, forks, and the end of the interpreter.

Importing this module registers the hooks. A forked child starts with empty buffers; a child of
`multiprocessing` never sees `atexit`, so it ends its writers through multiprocessing's own finalizers.
"""

import atexit
import os
import sys
from typing import Any

from tfruns_rs import _core

EXIT_DEADLINE_SECS = 60.0


def flush() -> None:
    """Write everything that was logged so far to its files, for all writers of this process.

    Raises:
        OSError: Something could not be written. It is kept and tried again.
    """
    _core.flush_writers()


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
