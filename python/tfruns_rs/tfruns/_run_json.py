"""`run.json`: what we know of a run that R has no file for. Unknown keys are kept."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs import _core
from tfruns_rs.tfruns import _json
from tfruns_rs.tfruns._run_metadata import META_DIR

if TYPE_CHECKING:
    from collections.abc import Generator

FORMAT = 1


def read_run_json(run_dir: str) -> dict[str, Any]:
    """The content; empty where there is none or it can't be read."""
    content = read_json(f"{run_dir}/{META_DIR}/run.json")
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def update_run_json(run_dir: str, changes: dict[str, Any]) -> None:
    """Sets keys, keeps the others. A lock keeps apart those who change at the same time."""
    path = f"{run_dir}/{META_DIR}/run.json"
    with _locked(f"{run_dir}/{META_DIR}/.run.json.lock"):
        content = {"format": FORMAT, **read_run_json(run_dir), **changes}
        _core.write_atomic(path, _json.dumps(_json.plain(content)))


@contextmanager
def _locked(path: str) -> Generator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        # Where the system or the file system has no locks, the replaced file alone keeps readers safe.
        with suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def read_json(path: str) -> Any:
    """A JSON file; None where there is none or it can't be read."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - as cheap as it gets
            return json.load(file)
    except (OSError, ValueError, RecursionError):
        return None
