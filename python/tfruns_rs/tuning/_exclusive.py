"""A file that exactly one of many makers makes, with its content, also on NFS.

The content is written to a name of its own and linked to the one that counts: readers never meet half of it,
and of several links one succeeds. An NFS server may have made the link although its answer was lost, and then
calls the repeated request a failure; the count of links tells.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress

_LINKED = 2


def create(path: str, content: bytes, *, durable: bool = False) -> bool:
    """Makes the file unless it is there; returns whether this call made it.

    Args:
        path: The file, in a directory that exists.
        content: All of it.
        durable: The content is on the disk before the name is.

    Raises:
        OSError: It can't be made, and is not there either.
    """
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".{name}.{secrets.token_hex(8)}")  # noqa: PTH118 - texts stay as given
    try:
        with open(temporary, "xb") as file:  # noqa: PTH123 - as cheap as it gets
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        return _linked(temporary, path) or (
            not os.path.lexists(path) and _without_links(path, content, durable=durable)
        )
    finally:
        with suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108


def _linked(temporary: str, path: str) -> bool:
    try:
        os.link(temporary, path)
    except OSError:
        return os.stat(temporary).st_nlink == _LINKED  # noqa: PTH116
    return True


def _without_links(path: str, content: bytes, *, durable: bool) -> bool:
    """For file systems without hard links. A reader may meet the file before its content."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    except FileExistsError:
        return False
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    return True
