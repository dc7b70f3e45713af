"""The default logdir: where `log_event` writes and `collect_events` looks.

Three places can name it. The first that does, wins: the context (`with_logdir`, `local_logdir`), the process
(`set_default_logdir`), an active run. Otherwise it is "logs". A path is made absolute when it is given, so a
script that changes directory changes nothing.
"""

import functools
import os
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar, overload

P = ParamSpec("P")
T = TypeVar("T")

_of_context: ContextVar[tuple["LocalLogdir", ...]] = ContextVar("tfruns_logdirs", default=())
_of_process: str | None = None
_of_run: str | None = None
if os.environ.get("TFRUNS_RUN_DIR"):  # a run that a parent process handed over
    _of_run = f"{os.path.abspath(os.environ['TFRUNS_RUN_DIR'])}/logs"  # noqa: PTH100 - pathlib costs import time
_otherwise: str | None = None


def get_default_logdir() -> str:
    """The default logdir, as an absolute path. It need not exist yet.

    Examples:
        >>> import tfruns_rs as tfr
        >>> with tfr.with_logdir("/tmp/here"):
        ...     tfr.get_default_logdir()
        '/tmp/here'
    """
    global _otherwise  # noqa: PLW0603 - the process's default is what this module is about
    if inner := _of_context.get():
        return inner[-1].logdir
    logdir = _of_process or _of_run or _otherwise
    if logdir is None:
        logdir = _otherwise = absolute("logs")
    return logdir


def set_default_logdir(logdir: str | os.PathLike[str] = "logs") -> str | None:
    """Set the default logdir of the whole process, for all threads.

    Returns:
        What was set before; None if nothing was.

    Examples:
        >>> import tfruns_rs as tfr
        >>> before = tfr.set_default_logdir("/tmp/mine")
        >>> tfr.get_default_logdir()
        '/tmp/mine'
    """
    global _of_process
    before, _of_process = _of_process, absolute(logdir)
    return before


def set_run_logdir(logdir: str | None) -> str | None:
    """Set the logdir that an active run suggests; returns the one before."""
    global _of_run
    before, _of_run = _of_run, logdir
    return before


class LocalLogdir:
    """A logdir that is set until it is restored. Made by `local_logdir` and `with_logdir`.

    What is set is a stack in the context, nothing here: one object serves several threads, tasks and nested
    blocks, and what is restored out of order leaves the others as they are.
    """

    __slots__ = ("_set_already", "logdir")

    def __init__(self, logdir: str | os.PathLike[str], *, now: bool = False) -> None:
        self.logdir = absolute(logdir)
        self._set_already = now
        if now:
            _of_context.set((*_of_context.get(), self))

    def __enter__(self) -> str:
        if self._set_already:
            self._set_already = False  # `with local_logdir(…)` sets once, not twice
        else:
            _of_context.set((*_of_context.get(), self))
        return self.logdir

    def __exit__(self, *_exception: object) -> None:
        self.restore()

    def restore(self) -> None:
        """Bring back the logdir from before. Does nothing where this one is not set (any more)."""
        self._set_already = False
        stack = list(_of_context.get())
        if self in stack:
            del stack[len(stack) - 1 - stack[::-1].index(self)]
            _of_context.set(tuple(stack))

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Decorate a function: the logdir is set while it runs."""
        import inspect

        self.restore()
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def coroutine(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await function(*args, **kwargs)

            return coroutine  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
            with self:
                return function(*args, **kwargs)

        return wrapper


@overload
def with_logdir(logdir: str | os.PathLike[str]) -> LocalLogdir: ...
@overload
def with_logdir(logdir: str | os.PathLike[str], function: Callable[[], T]) -> T: ...
def with_logdir(logdir: str | os.PathLike[str], function: Callable[[], T] | None = None) -> LocalLogdir | T:
    """Use another default logdir for a while.

    The logdir belongs to the context (`contextvars`): tasks started inside see it, other tasks do not, and a
    thread started inside sees it only if it is run in a copy of the context.

    Args:
        logdir: The logdir.
        function: Called with the logdir set, if given; otherwise what is returned is a context manager and a
            decorator.

    Examples:
        >>> import tfruns_rs as tfr
        >>> with tfr.with_logdir("/tmp/valid") as logdir:
        ...     tfr.get_default_logdir() == logdir
        True
        >>> tfr.with_logdir("/tmp/valid", tfr.get_default_logdir)
        '/tmp/valid'
    """
    local = LocalLogdir(logdir)
    if function is None:
        return local
    with local:
        return function()


def local_logdir(logdir: str | os.PathLike[str]) -> LocalLogdir:
    """Set the default logdir of the context now, until it is restored.

    It is restored by `.restore()`, at the end of a `with` block, or, as a decorator, whenever the function
    returns; never by garbage collection.

    Examples:
        >>> import tfruns_rs as tfr
        >>> before = tfr.get_default_logdir()
        >>> logdir = tfr.local_logdir("/tmp/elsewhere")
        >>> tfr.get_default_logdir()
        '/tmp/elsewhere'
        >>> logdir.restore()
        >>> tfr.get_default_logdir() == before
        True
    """
    return LocalLogdir(logdir, now=True)


def absolute(logdir: str | os.PathLike[str]) -> str:
    """The absolute path of a logdir; a leading `~` is the home directory.

    Raises:
        TypeError: It is no path of text.
        ValueError: It is empty.
    """
    path = os.fspath(logdir)
    if not isinstance(path, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"a logdir is a str or a path, not {type(path).__name__}")
    if not path:
        raise ValueError("a logdir is not an empty text")
    return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 - as text, without normalising links
