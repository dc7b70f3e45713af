"""Names of runs and artifacts, types of metrics, folders of a destination, and times."""

from __future__ import annotations

import os
import re
import time
from datetime import datetime

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38}[A-Za-z0-9])?")
_SUFFIX = "abcdefghijklmnopqrstuvwxyz0123456789"
_TYPES = {
    "training": "train",
    "validate": "val",
    "validation": "val",
    "testing": "test",
    "eval": "test",
    "evaluate": "test",
    "evaluation": "test",
}


def check_name(name: str) -> str:
    """The name, if it is one.

    Raises:
        ValueError: It is not 1 to 40 letters, digits, "-" and "_", the first and last a letter or digit.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(
            f"{name!r} is no name: 1 to 40 letters, digits, '-' and '_', the first and last a letter or digit"
        )
    return name


def alternative_name(name: str, now: float | None = None) -> str:
    """`<name>_<yymmdd>_<HHMMSS>_<6 characters>`, local time: what identifies a run or artifact everywhere."""
    stamp = time.strftime("%y%m%d_%H%M%S", time.localtime(now))
    return f"{name}_{stamp}_{''.join(_SUFFIX[byte % len(_SUFFIX)] for byte in os.urandom(6))}"


def canonical_type(kind: str) -> str:
    """The type that an alias stands for: "training" is "train", "validate" and "validation" are "val"."""
    return _TYPES.get(kind, kind)


def timestamp(seconds: float) -> str:
    """A time since the epoch as ISO 8601 with microseconds and the local offset from UTC."""
    whole, micros = divmod(round(seconds * 1e6), 1_000_000)
    local = datetime.fromtimestamp(whole).astimezone()
    return local.replace(microsecond=micros).isoformat(timespec="microseconds")


def seconds(stamp: str | None) -> float | None:
    """The inverse of `timestamp`; None where there is none."""
    return None if not stamp else datetime.fromisoformat(stamp).timestamp()


def current_user() -> str:
    """Whose folder a relative path starts from: `TFRUNS_USER`, else the user of the operating system."""
    name = os.environ.get("TFRUNS_USER")
    if not name:
        import getpass

        try:
            name = getpass.getuser()
        except (KeyError, OSError):
            name = "unknown"
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "unknown"


def resolve_folder(folder: str, user: str) -> str:
    """The absolute path of a folder: `a/b` is `/<user>/a/b`, a trailing `/` does not count.

    Raises:
        ValueError: A part of it is empty, `.` or `..`, starts with "." or holds characters that a path can't
            have.
    """
    if not folder:
        raise ValueError("'' is no folder")
    path = folder if folder.startswith("/") else f"/{user}/{folder}"
    path = path.rstrip("/")
    for part in path.split("/")[1:]:
        if (
            not part
            or part.startswith(".")
            or part.endswith(".node")
            or re.search(r'[\\:*?"<>|\x00-\x1f\x7f]', part)
        ):
            raise ValueError(f"{folder!r} is no folder: {part!r} can't be a part of a path")
    return path or "/"


def check_type(kind: str) -> str:
    """A type of metrics, which is the name of a directory of event files.

    Raises:
        TypeError: It is no text.
        ValueError: It can't be a path below the run's `logs`.
    """
    if not isinstance(kind, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"a type of metrics is a str, not {type(kind).__name__}")
    parts = kind.split("/")
    if not all(parts) or any(part in {".", ".."} for part in parts) or "\0" in kind or "\\" in kind:
        raise ValueError(f"{kind!r} can't be a type of metrics: it names a directory")
    return kind
