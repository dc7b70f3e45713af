"""Options: where runs live and what shows them.

An option is looked up in the innermost `option_context`, then in what was set on `options`, then in the
environment, then in the default.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

_DEFAULTS: dict[str, Any] = {"runs_dir": "runs", "viewer": None}
_ENVIRONMENT = {"runs_dir": "TFRUNS_RUNS_DIR"}

_scoped: ContextVar[Mapping[str, Any]] = ContextVar("tfruns_options", default={})  # noqa: B039 - never changed in place


class Options:
    """The options of this process.

    Attributes:
        runs_dir: Where run directories are made and looked for; `TFRUNS_RUNS_DIR`, else "runs".
        viewer: What is called with the address or path of a page; None for the web browser.

    None, once set, stands for what holds where nothing is set.

    Examples:
        >>> options.runs_dir
        'runs'
    """

    __slots__ = ("_values",)

    def __init__(self) -> None:
        object.__setattr__(self, "_values", {})

    def __getattr__(self, name: str) -> Any:
        if name not in _DEFAULTS:
            raise _unknown(name)
        scoped = _scoped.get()
        if name in scoped:
            return scoped[name]
        values: dict[str, Any] = object.__getattribute__(self, "_values")
        if name in values:
            return values[name]
        return os.environ.get(_ENVIRONMENT.get(name, ""), "") or _DEFAULTS[name]

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _DEFAULTS:
            raise _unknown(name)
        values: dict[str, Any] = object.__getattribute__(self, "_values")
        if value is None:
            values.pop(name, None)
        else:
            values[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in _DEFAULTS:
            raise _unknown(name)
        object.__getattribute__(self, "_values").pop(name, None)

    def __dir__(self) -> list[str]:
        return sorted(_DEFAULTS)

    def __repr__(self) -> str:
        return f"options({', '.join(f'{name}={getattr(self, name)!r}' for name in _DEFAULTS)})"


def _unknown(name: str) -> AttributeError:
    return AttributeError(f"there is no option {name!r}; options are {', '.join(sorted(_DEFAULTS))}")


options = Options()


@contextmanager
def option_context(
    *, runs_dir: str | os.PathLike[str] | None = None, viewer: Callable[[str], object] | None = None
) -> Generator[None]:
    """Options for a while, in this thread and what it awaits.

    Args:
        runs_dir: Where run directories are made and looked for; None leaves it.
        viewer: What is called with the address or path of a page; None leaves it.

    Examples:
        >>> with option_context(runs_dir="elsewhere"):
        ...     options.runs_dir
        'elsewhere'
    """
    given = {"runs_dir": runs_dir, "viewer": viewer}
    token = _scoped.set(
        {**_scoped.get(), **{name: value for name, value in given.items() if value is not None}}
    )
    try:
        yield
    finally:
        _scoped.reset(token)


def runs_dir_or_option(runs_dir: str | os.PathLike[str] | None) -> str:
    """The argument, or the option where it is None."""
    given: str | os.PathLike[str] = options.runs_dir if runs_dir is None else runs_dir
    return os.fspath(given)
