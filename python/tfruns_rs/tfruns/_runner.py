# ruff: noqa: PTH100, PTH105, PTH109, PTH118, PTH120, PTH123, PTH206
"""Runs a script as `__main__` inside a training run: started as a file, imports nothing of ours.

The interpreter may be one that has no tfruns_rs. What the script can't tell itself is left beside its
metadata: the error it ends with, and the project's modules it imported.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import json
import os
import signal
import sys
import traceback
import types
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


def _main() -> None:
    meta, script, *arguments = sys.argv[1:]
    sys.argv = [script, *arguments]
    path = os.path.abspath(script)
    sys.path[0] = os.path.dirname(path)
    faulthandler.enable()
    # To be ended politely is to exit: writers flush, `finally` runs.
    signal.signal(signal.SIGTERM, leave_politely)
    atexit.register(_leave_modules, meta, os.getpid(), os.getcwd())
    main = types.ModuleType("__main__")
    main.__file__ = script
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    with leaving_errors(meta):
        with open(path, "rb") as file:
            source = file.read()
        exec(compile(source, script, "exec"), main.__dict__)  # noqa: S102 - what a runner does


@contextlib.contextmanager
def leaving_errors(meta: str) -> Generator[None]:
    """An error inside is left beside the run's metadata, shown, and turned into the exit code."""
    try:
        yield
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - as said
        # The frames of this file say nothing about the script.
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
        lines = "".join(traceback.format_exception(type(error), error, error.__traceback__)).splitlines()
        _leave(meta, "error.json", {"message": str(error) or type(error).__name__, "traceback": lines})
        sys.excepthook(type(error), error, error.__traceback__)
        sys.exit(1)


def leave_politely(number: int, _: object) -> None:
    """Turns a signal into an exit, so that writers flush and `finally` runs."""
    sys.exit(128 + number)


def _leave_modules(meta: str, pid: int, project: str) -> None:
    if os.getpid() != pid:
        return
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    apart = ("site-packages", "dist-packages", ".venv", "node_modules")
    beneath = sorted(
        file
        for file in files
        if file
        and file.endswith(".py")
        and file.startswith(project + os.sep)
        and not any(part in apart for part in file.split(os.sep))
        and not file.startswith(sys.prefix + os.sep)
    )
    _leave(meta, ".modules.json", beneath)


def _leave(meta: str, name: str, content: object) -> None:
    try:
        temporary = os.path.join(meta, f".{os.getpid()}-{name}")
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
        os.replace(temporary, os.path.join(meta, name))
    except OSError as error:
        print(f"tfruns: can't write {name}: {error}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    _main()
