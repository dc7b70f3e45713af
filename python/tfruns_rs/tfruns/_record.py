"""`run.json`: what a run is besides what R's tfruns keeps, shared by all processes that speak about the run.

Every change reads the file, changes it and replaces it under a lock, so that ranks that register tables and a
parent that ends the run don't lose each other's words. Keys that nobody here knows are kept.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs import _core
from tfruns_rs.tfruns._run_metadata import META_DIR

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = [
    "FORMAT",
    "META_DIR",
    "load",
    "locked",
    "path_of",
    "read",
    "read_json",
    "sessions",
    "update",
    "write_json",
]

FORMAT = 1


def load(path: str) -> Any:
    """A JSON document; None where there is none or it can't be read."""
    try:
        return _document(path)
    except OSError:
        return None


def read_json(path: str) -> dict[str, Any]:
    """An object; empty where the file is missing or is none."""
    try:
        value = _document(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _document(path: str) -> Any:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - half the system calls of a buffered text
        try:
            return json.loads(file.readall().decode())
        except (ValueError, RecursionError):
            return None


def write_json(path: str, value: Any) -> None:
    """Replaces a file by a document, at once."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    _core.write_atomic(path, text.encode() + b"\n")


@contextmanager
def locked(path: str) -> Generator[None]:
    """Holds a lock beside `path`. Where the system has none, the replaced file alone keeps readers safe."""
    directory, name = os.path.split(path)
    lock = f"{directory}/.{name.removeprefix('.')}.lock"
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            import fcntl
        except ImportError:
            pass
        else:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def path_of(run_dir: str) -> str:
    """Where a run's record is."""
    return os.path.join(run_dir, META_DIR, "run.json")  # noqa: PTH118


def read(run_dir: str) -> dict[str, Any]:
    """A run's record; empty where there is none."""
    return read_json(path_of(run_dir))


def sessions(record: dict[str, Any]) -> list[dict[str, Any]]:
    """A record's sessions, the last of which is the present one; made where there are none."""
    held = record.get("sessions")
    if not isinstance(held, list):
        held = record["sessions"] = []
    return cast("list[dict[str, Any]]", held)


def update(run_dir: str, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Changes a run's record; returns what it is then. Nothing is written if nothing changes."""
    path = path_of(run_dir)
    with locked(path):
        record = read_json(path)
        before = json.dumps(record)
        record.setdefault("format", FORMAT)
        change(record)
        if json.dumps(record) != before:
            write_json(path, record)
    return record
