"""The files of a run or artifact as they are now, without reading again what did not change.

Hidden files stay behind (temporary files, locks, `.env`), so do `alive.json` and files that look like keys.
`run.json` and `.artifact.json` go without their upload history, which every upload adds to. Digests are
remembered in a hidden file beside the record, by size, time and inode; a file changed less than two seconds
before it was read is read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from tfruns_rs import _core
from tfruns_rs.tfruns import _record
from tfruns_rs.tracking._artifact import RECORD

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEY = re.compile(r"id_(?:rsa|dsa|ecdsa|ed25519).*|.*\.(?:pem|key|p12|pfx|ppk|kdbx)", re.DOTALL)
_BLOCK = 1 << 20
_NAME = attrgetter("name")
_SETTLED_NS = 2_000_000_000


class Chunk(NamedTuple):
    """A piece of a file.

    Attributes:
        digest: Its SHA-256.
        size: Its length in bytes.
        path: The file it is from; None for `data`.
        offset: Where it begins there.
        data: The bytes themselves.
    """

    digest: str
    size: int
    path: str | None
    offset: int
    data: bytes | None = None


class Snapshot(NamedTuple):
    """A state of a directory.

    Attributes:
        directory: The directory.
        manifest: The document that lists it.
        digest: The document's SHA-256, which is its name.
        chunks: All pieces by digest.
        left_out: Files that look like keys.
    """

    directory: str
    manifest: bytes
    digest: str
    chunks: dict[str, Chunk]
    left_out: list[str]


class ChangedError(Exception):
    """A file is not what it was when it was listed."""


def unchanged_size(directory: str, kind: str, cache: dict[str, Any], digest: str) -> int | None:
    """The size of a directory that is as in the state `digest` by its files' stamps; None if it is not."""
    state = cache.get("state", {})
    if state.get("manifest") != digest:
        return None
    known: dict[str, Any] = cache.get("files", {})
    record, count, size = _record_name(kind), 0, 0
    for name, path, status in _files(directory, kind, []):
        if name == record:
            data = without_history(path)
            if hashlib.sha256(data).hexdigest() != state.get("record"):
                return None
            size += len(data)
            continue
        entry = known.get(name)
        if entry is None or entry[0] != [status.st_size, status.st_mtime_ns, status.st_ino]:
            return None
        count += 1
        size += status.st_size
    return size if count == len(known) else None


def snapshot(
    directory: str,
    kind: str,
    alternative_name: str,
    chunk_bytes: int | None,
    cache: dict[str, Any] | None = None,
) -> Snapshot:
    """Lists a directory, reading what is not known."""
    cache = _record.read_json(_cache_path(directory, kind))
    known: dict[str, Any] = cache.get("files", {}) if cache.get("chunk_bytes") == chunk_bytes else {}
    now = time.time_ns()
    left_out: list[str] = []
    record = None
    files: list[dict[str, Any]] = []
    fresh: dict[str, Any] = {}
    chunks: dict[str, Chunk] = {}
    for name, path, status in _files(directory, kind, left_out):
        if name == _record_name(kind):
            data = without_history(path)
            record = hashlib.sha256(data).hexdigest()
            found = [(record, len(data))]
            chunks[found[0][0]] = Chunk(found[0][0], len(data), None, 0, data)
        else:
            stamp = [status.st_size, status.st_mtime_ns, status.st_ino]
            entry = known.get(name)
            if entry is None or entry[0] != stamp:
                found = digests(path, status.st_size, chunk_bytes)
            else:
                found = [(pair[0], pair[1]) for pair in entry[1]]
            if status.st_mtime_ns + _SETTLED_NS < now:
                fresh[name] = [stamp, [list(pair) for pair in found]]
            offset = 0
            for digest, size in found:
                chunks.setdefault(digest, Chunk(digest, size, path, offset))
                offset += size
        size = sum(size for _, size in found)
        files.append({"path": name, "size": size, "chunks": [list(pair) for pair in found]})
    document = {
        "format": 1,
        "kind": kind,
        "alternative_name": alternative_name,
        "directory": os.path.basename(directory),  # noqa: PTH119
        "files": files,
    }
    manifest = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    name = hashlib.sha256(manifest).hexdigest()
    state = {"manifest": name, "record": record}
    if (fresh, state, chunk_bytes) != (cache.get("files"), cache.get("state"), cache.get("chunk_bytes")):
        cache.update(chunk_bytes=chunk_bytes, files=fresh, state=state)
        write_cache(directory, kind, cache)
    return Snapshot(directory, manifest, name, chunks, left_out)


def _files(directory: str, kind: str, left_out: list[str]) -> Iterator[tuple[str, str, os.stat_result]]:
    """The regular files to upload, sorted: name, path and status."""
    if kind == "Artifact":
        yield from _objects(directory)
        return
    pending = [("", directory)]
    while pending:
        prefix, where = pending.pop()
        with os.scandir(where) as entries:
            listed = sorted(entries, key=_NAME)
        directories: list[tuple[str, str]] = []
        for entry in listed:
            name = prefix + entry.name
            if entry.name.startswith(".") or name == f"{_record.META_DIR}/alive.json":
                continue
            if entry.is_dir(follow_symlinks=False):
                directories.append((f"{name}/", entry.path))
            elif entry.is_file(follow_symlinks=False):
                if _KEY.fullmatch(entry.name):
                    left_out.append(name)
                else:
                    yield name, entry.path, entry.stat(follow_symlinks=False)
        pending += reversed(directories)


def _objects(directory: str) -> Iterator[tuple[str, str, os.stat_result]]:
    """The files of an artifact are those that its record names."""
    objects: dict[str, Any] = _record.read_json(f"{directory}/{RECORD}").get("objects", {})
    for name in [RECORD, *sorted(path for path, entry in objects.items() if "uri" not in entry)]:
        path = os.path.join(directory, *name.split("/"))  # noqa: PTH118
        yield name, path, os.stat(path)  # noqa: PTH116


def digests(path: str, size: int, chunk_bytes: int | None) -> list[tuple[str, int]]:
    """The digests of a file's first `size` bytes, a pair of digest and length a chunk.

    Raises:
        ChangedError: The file has become shorter.
    """
    found: list[tuple[str, int]] = []
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            left = size
            while left or not found:
                length = left if chunk_bytes is None else min(left, chunk_bytes)
                digest = hashlib.sha256()
                for block in _blocks(file, length):
                    digest.update(block)
                found.append((digest.hexdigest(), length))
                left -= length
    except FileNotFoundError:
        raise ChangedError(path) from None
    return found


def _blocks(file: Any, length: int) -> Iterator[bytes]:
    while length:
        block = file.read(min(length, _BLOCK))
        if not block:
            raise ChangedError(file.name)
        length -= len(block)
        yield block


def bytes_of(chunk: Chunk) -> Iterator[bytes]:
    """A chunk's bytes, which are what its digest says, or else the last step raises.

    Raises:
        ChangedError: The file has changed.
    """
    if chunk.data is not None or chunk.path is None:
        yield chunk.data or b""
        return
    digest = hashlib.sha256()
    try:
        with open(chunk.path, "rb", buffering=0) as file:  # noqa: PTH123
            file.seek(chunk.offset)
            for block in _blocks(file, chunk.size):
                digest.update(block)
                yield block
    except FileNotFoundError:
        raise ChangedError(chunk.path) from None
    if digest.hexdigest() != chunk.digest:
        raise ChangedError(chunk.path)


def without_history(path: str) -> bytes:
    """A record's document without its upload history."""
    record = _record.read_json(path)
    record["remote"] = []
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def _record_name(kind: str) -> str:
    return f"{_record.META_DIR}/run.json" if kind == "Run" else RECORD


def _cache_path(directory: str, kind: str) -> str:
    return f"{directory}/{_record.META_DIR}/.uploads.json" if kind == "Run" else f"{directory}/.uploads.json"


def read_cache(directory: str, kind: str) -> dict[str, Any]:
    """What is remembered of a directory."""
    return _record.read_json(_cache_path(directory, kind))


def write_cache(directory: str, kind: str, cache: dict[str, Any]) -> None:
    """Remembers; that it can't be is no reason to fail."""
    try:
        _core.write_atomic(_cache_path(directory, kind), json.dumps(cache, separators=(",", ":")).encode())
    except OSError:
        return
