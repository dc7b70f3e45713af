"""Where uploads go: a few operations that a shared directory and an object store both have.

All of the protocol stands on one of them: `create` makes a file that is not there yet, whole or not at all,
and says whether it did. Of several processes that create one path exactly one succeeds.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_UNLINKABLE = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}


class Destination(Protocol):
    """Paths are relative, with "/"; directories need not be made.

    Attributes:
        url: The address, without credentials.
        chunk_bytes: Files go up in pieces of this size; None for whole files.
        parallel: How many operations at once are worth it.
    """

    url: str
    chunk_bytes: int | None
    parallel: int

    def create(self, path: str, blocks: Iterable[bytes]) -> bool:
        """Makes a file of these bytes, visible only when it is whole; False if the path is taken."""
        ...

    def read(self, path: str) -> bytes:
        """A small file's bytes.

        Raises:
            FileNotFoundError: There is none.
        """
        ...

    def stream(self, path: str) -> Iterator[bytes]:
        """A file's bytes in blocks.

        Raises:
            FileNotFoundError: There is none.
        """
        ...

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        ...

    def names(self, path: str) -> list[str]:
        """The files of a directory; none if it is not there."""
        ...

    def below(self, path: str) -> Iterator[tuple[str, str]]:
        """The files of a directory's directories: the directory's name and the file's."""
        ...

    def remove(self, path: str) -> None:
        """Removes a file; nothing happens if there is none."""
        ...


class DirectoryDestination:
    """A directory of this machine or of a file server.

    A file appears by a hard link from a temporary one, which the file server decides; so it is never seen
    half, also by clients whose view of the directory is stale. Where links are not supported it is created
    exclusively and then written; a pointer cut short by a crash is no JSON and does not count.
    """

    def __init__(self, root: str) -> None:
        self.chunk_bytes: int | None = None
        self.parallel = 1
        self.root = os.path.abspath(root)  # noqa: PTH100
        self.url = f"file://{self.root}"

    def path(self, path: str) -> str:
        """The place of a path on disk."""
        return os.path.join(self.root, *path.split("/"))  # noqa: PTH118

    def create(self, path: str, blocks: Iterable[bytes]) -> bool:
        target = self.path(path)
        if os.path.lexists(target):
            return False
        directory = os.path.dirname(target)  # noqa: PTH120
        temporary = os.path.join(directory, f".tmp-{os.getpid()}-{os.urandom(6).hex()}")  # noqa: PTH118
        try:
            try:
                file = open(temporary, "xb")  # noqa: PTH123, SIM115
            except FileNotFoundError:
                os.makedirs(directory, exist_ok=True)  # noqa: PTH103
                file = open(temporary, "xb")  # noqa: PTH123, SIM115
            with file:
                file.writelines(blocks)
            return _publish(temporary, target)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)  # noqa: PTH108

    def read(self, path: str) -> bytes:
        with open(self.path(path), "rb") as file:  # noqa: PTH123
            return file.read()

    def stream(self, path: str) -> Iterator[bytes]:
        with open(self.path(path), "rb") as file:  # noqa: PTH123
            while block := file.read(1 << 20):
                yield block

    def exists(self, path: str) -> bool:
        return os.path.lexists(self.path(path))

    def names(self, path: str) -> list[str]:
        try:
            return [name for name in os.listdir(self.path(path)) if not name.startswith(".tmp-")]  # noqa: PTH208
        except (FileNotFoundError, NotADirectoryError):
            return []

    def below(self, path: str) -> Iterator[tuple[str, str]]:
        for directory in self.names(path):
            for name in self.names(f"{path}/{directory}" if path else directory):
                yield directory, name

    def remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self.path(path))  # noqa: PTH108


def _publish(temporary: str, target: str) -> bool:
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _UNLINKABLE:
            raise
    else:
        return True
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        return False
    with os.fdopen(handle, "wb") as write, open(temporary, "rb") as read:  # noqa: PTH123
        while block := read.read(1 << 20):
            write.write(block)
    return True
