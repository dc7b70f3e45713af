"""Names at a destination, and the one file that decides what each leads to.

| path | content |
|---|---|
| `<folder>/.folder.json` | the folder is there |
| `<folder>/<name>.node/<8 digits>.json` | a *pointer*: kind, names, manifest; the highest number counts |
| `.tfruns/manifests/<sha256>.json` | the files of one state of a run or artifact |
| `.tfruns/blobs/<2 digits>/<sha256>` | bytes of files |
| `.tfruns/graph/<from>--<to>.json` | an edge between a run and what it read or made |

A pointer is replaced by *creating* the next generation after reading the current one, and creating is
exclusive. So there are no locks and no deletions: at any moment a name leads to one whole state, the old one
or the new one.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from tfruns_rs.errors import FolderNotFoundError

if TYPE_CHECKING:
    from tfruns_rs.tracking._destination import Destination

ROOT = ".tfruns"
FOLDER = ".folder.json"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_POINTER = re.compile(r"(\d{8})\.json")
_MANIFEST_BYTES = 1 << 30


class Node(NamedTuple):
    """What a name leads to.

    Attributes:
        path: The name's path, starting with "/".
        generation: The number of its pointer.
        pointer: What the pointer says.
    """

    path: str
    generation: int
    pointer: dict[str, Any]

    @property
    def alternative_name(self) -> str:
        """Whose it is; empty after a deletion."""
        return "" if self.pointer.get("deleted") else str(self.pointer.get("alternative_name", ""))


def current(destination: Destination, path: str) -> Node | None:
    """The node at a path; None if there never was one.

    A pointer that is no JSON was cut short by a crash; the one before it counts, but its number is taken.
    """
    directory = f"{path[1:]}.node"
    numbers = sorted(
        number for name in destination.names(directory) if (number := generation_of(name)) is not None
    )
    for number in reversed(numbers):
        try:
            pointer = json.loads(destination.read(f"{directory}/{number:08}.json"))
        except (ValueError, FileNotFoundError):
            continue
        if isinstance(pointer, dict):
            return Node(path, numbers[-1], pointer)
    return Node(path, numbers[-1], {"deleted": True}) if numbers else None


def generation_of(name: str) -> int | None:
    """The generation that a pointer's file name tells."""
    match = _POINTER.fullmatch(name)
    return int(match[1]) if match else None


def commit(destination: Destination, path: str, before: Node | None, pointer: dict[str, Any]) -> int | None:
    """Makes the next pointer; its generation, or None if another process was faster."""
    generation = 0 if before is None else before.generation + 1
    text = json.dumps({**pointer, "generation": generation}, indent=2, ensure_ascii=False)
    created = destination.create(f"{path[1:]}.node/{generation:08}.json", [text.encode(), b"\n"])
    return generation if created else None


def ensure_folder(destination: Destination, folder: str, own_default: str, *, make_folder: bool) -> None:
    """Sees to it that a folder is there.

    Raises:
        FolderNotFoundError: It is not, and may not be made.
    """
    if folder == "/" or destination.exists(f"{folder[1:]}/{FOLDER}"):
        return
    if not make_folder and folder != own_default:
        raise FolderNotFoundError(f"{destination.url} has no folder {folder}; make_folder=True makes it")
    parts = folder[1:].split("/")
    for depth in range(1, len(parts) + 1):
        destination.create(f"{'/'.join(parts[:depth])}/{FOLDER}", [b'{"kind": "Folder"}\n'])


def blob_path(digest: str) -> str:
    """Where bytes are."""
    return f"{ROOT}/blobs/{digest[:2]}/{digest}"


def manifest_path(digest: str) -> str:
    """Where a manifest is."""
    return f"{ROOT}/manifests/{digest}.json"


def read_manifest(destination: Destination, digest: Any) -> dict[str, Any]:
    """A manifest, if it is what its name promises.

    Raises:
        ValueError: It is not.
        FileNotFoundError: There is none.
    """
    import hashlib

    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise ValueError(f"{digest!r} is no manifest")
    data = bytearray()
    for block in destination.stream(manifest_path(digest)):
        data += block
        if len(data) > _MANIFEST_BYTES:
            raise ValueError(f"manifest {digest} is too large")
    if hashlib.sha256(data).hexdigest() != digest:
        raise ValueError(f"manifest {digest} is damaged")
    manifest = json.loads(data)
    check_manifest(manifest)
    return manifest


def check_manifest(manifest: Any) -> None:
    """Sees to it that a manifest can be acted on: paths stay inside, sizes add up, digests are digests.

    Raises:
        ValueError: It can't.
    """
    try:
        seen: set[str] = set()
        for file in manifest["files"]:
            parts = file["path"].split("/")
            total = 0
            for digest, size in file["chunks"]:
                if not _SHA256.fullmatch(digest) or not isinstance(size, int) or size < 0:
                    raise ValueError("a manifest names no bytes")
                total += size
            if (
                not all(parts)
                or any(part in {".", ".."} or "\\" in part or "\0" in part or ":" in part for part in parts)
                or file["path"] in seen
                or file["size"] != total
            ):
                raise ValueError(f"a manifest holds {file['path']!r}")
            seen.add(file["path"])
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", manifest["directory"]):
            raise ValueError(f"a manifest is for {manifest['directory']!r}")
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a manifest is not in order: {error!r}") from None
