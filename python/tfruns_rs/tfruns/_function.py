"""A function as a training run: called with its flags, here or in a process of its own."""

from __future__ import annotations

import inspect
import os
import pickle
import sys
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs.tfruns import _json
from tfruns_rs.tfruns._flags import log_flags
from tfruns_rs.tfruns._run_metadata import present, write_run_metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


def call(function: Callable[..., object], values: Mapping[str, Any], run_dir: str) -> None:
    """Calls a function with those of the values that it takes; records them and what it returns."""
    parameters = inspect.signature(function).parameters
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    given = {name: value for name, value in values.items() if takes_all or name in parameters}
    if given:
        write_run_metadata("flags", given, run_dir)
        log_flags(run_dir, given)
    evaluation = _evaluation(function(**given))
    if evaluation:
        write_run_metadata("evaluation", evaluation, run_dir)


def _evaluation(returned: object) -> dict[str, Any]:
    """The numbers of what a function returned."""
    if isinstance(returned, Mapping):
        found = present(cast("Mapping[Any, Any]", returned))
        return {name: value for name, value in found.items() if isinstance(value, (int, float))}
    value = _json.plain(returned)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return {"value": value} if is_number else {}


@contextmanager
def packed(function: Callable[..., object], values: Mapping[str, Any]) -> Generator[str]:
    """A file that takes a function and its flags to another process, for as long as that runs.

    Raises:
        TypeError: The function can't be pickled.
    """
    content = pickled({"path": sys.path, "function": pickled(function), "values": dict(values)})
    handle, path = tempfile.mkstemp(prefix="tfruns-", suffix=".pickle")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        yield path
    finally:
        os.unlink(path)  # noqa: PTH108 - a text


def pickled(value: object) -> bytes:
    """The value's pickle; with cloudpickle also of what a notebook or a closure defines.

    Raises:
        TypeError: It can't be pickled.
    """
    try:
        import cloudpickle  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        dumps: Callable[[object], bytes] = pickle.dumps
    else:
        dumps = cast("Callable[[object], bytes]", cloudpickle.dumps)  # pyright: ignore[reportUnknownMemberType]
    module = getattr(value, "__module__", None)
    try:
        if dumps is pickle.dumps and module == "__main__":
            raise TypeError("it is defined in __main__, which another process does not have")  # noqa: TRY301
        return dumps(value)
    except Exception as error:
        name = getattr(value, "__qualname__", type(value).__name__)
        raise TypeError(
            f"{name} can't be taken to another process: {error}; define it in a module, or install "
            "cloudpickle (pip install 'tfruns-rs[tune]')"
        ) from error
