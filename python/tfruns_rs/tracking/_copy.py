"""Copies of files whose checksums are those of the copy, never of a source that may change meanwhile."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 1 << 20
_FICLONE = 0x40049409  # linux/fs.h: share the blocks of another file


class Sums(NamedTuple):
    """What a file holds: its size in bytes and its checksums in hexadecimal."""

    size_bytes: int
    md5: str
    sha256: str


def sums_of(path: str) -> Sums:
    """Reads a file once."""
    size, md5, sha256 = 0, hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        buffer = bytearray(BLOCK)
        while count := file.readinto(buffer):
            block = memoryview(buffer)[:count]
            md5.update(block)
            sha256.update(block)
            size += count
    return Sums(size, md5.hexdigest(), sha256.hexdigest())


def copy_file(source: str, target: str) -> Sums:
    """Copies a file beside its target and renames it; blocks are shared where the file system can.

    Raises:
        OSError: One can't be read or written. The target is as it was.
    """
    os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
    temporary = os.path.join(os.path.dirname(target), f".{os.getpid()}-{os.urandom(4).hex()}.tmp")  # noqa: PTH118, PTH120
    try:
        with open(source, "rb", buffering=0) as read, open(temporary, "xb", buffering=0) as write:  # noqa: PTH123
            if not _clone(read.fileno(), write.fileno()):
                _stream(read.fileno(), write.fileno())
            os.fchmod(write.fileno(), stat.S_IMODE(os.fstat(read.fileno()).st_mode) & 0o777 | 0o600)
        sums = sums_of(temporary)
        os.replace(temporary, target)  # noqa: PTH105
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)  # noqa: PTH108
        raise
    return sums


def _clone(read: int, write: int) -> bool:
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.ioctl(write, _FICLONE, read)
    except OSError:
        return False
    return True


def _stream(read: int, write: int) -> None:
    buffer = bytearray(BLOCK)
    with os.fdopen(os.dup(read), "rb", buffering=0) as source:
        while count := source.readinto(buffer):
            block = memoryview(buffer)[:count]
            while block:
                block = block[os.write(write, block) :]


class Found(NamedTuple):
    """A file of a tree: its path below the root with "/", and on disk."""

    name: str
    path: str


def walk(root: str, skipped: list[str]) -> Iterator[Found]:
    """The regular files of a tree, sorted. Links are followed to files inside the tree.

    Args:
        root: The directory.
        skipped: Takes the paths of what is left out: devices, sockets, links to directories, out of the tree
            or to nothing.
    """
    real = os.path.realpath(root)
    yield from _walk(root, "", real, skipped)


def _walk(directory: str, prefix: str, real: str, skipped: list[str]) -> Iterator[Found]:
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        name = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, f"{name}/", real, skipped)
        elif entry.is_file(follow_symlinks=False) or (entry.is_symlink() and _inside(entry, real)):
            yield Found(name, entry.path)
        else:
            skipped.append(name)


def _inside(entry: os.DirEntry[str], real: str) -> bool:
    return entry.is_file() and os.path.realpath(entry.path).startswith(real + os.sep)
