"""Downloads of runs and artifacts: fetched beside their place, checked, then renamed into it."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import warnings
from typing import TYPE_CHECKING, Any

from tfruns_rs.errors import ConflictError, RunNotFoundError, UploadError
from tfruns_rs.tfruns import _record
from tfruns_rs.tfruns._options import runs_dir_or_option
from tfruns_rs.tracking import _manifest, _nodes
from tfruns_rs.tracking._artifact import RECORD, artifacts_dir_of
from tfruns_rs.tracking._login import current_login
from tfruns_rs.tracking._names import resolve_folder, timestamp
from tfruns_rs.tracking._upload import Subject, append_history

if TYPE_CHECKING:
    from tfruns_rs.tracking._destination import Destination

    PathLike = str | os.PathLike[str]


def download_run(path: str, runs_dir: PathLike | None) -> str:
    """Fetches a run; returns its directory.

    Raises:
        RunNotFoundError: There is no such run.
        ConflictError: Another run, or another state of this one, is in its place.
        UploadError: It did not get through.
    """
    return _download(path, "Run", runs_dir_or_option(runs_dir))


def download_artifact(path: str, artifacts_dir: PathLike | None) -> str:
    """Fetches an artifact; returns its directory. Raises as `download_run`."""
    return _download(path, "Artifact", artifacts_dir_of(artifacts_dir))


def _download(path: str, kind: str, root: str) -> str:
    from tfruns_rs.errors import NotLoggedInError

    try:
        login = current_login()
    except NotLoggedInError:
        raise RunNotFoundError(f"there is no directory {path}, and no destination to look at") from None
    destination = login.destination
    if destination is None:
        raise UploadError(f"{login.url} has no runs to download")
    where = resolve_folder(path, login.user)
    try:
        node = _node(destination, where, kind)
        if node is None:
            raise RunNotFoundError(  # noqa: TRY301 - it needs the node
                f"there is no {path} here, and no such {kind.lower()} at {login.url}{where}"
            )
        digest = str(node.pointer.get("manifest"))
        manifest = _nodes.read_manifest(destination, digest)
        directory = _fetch(destination, manifest, digest, kind, os.path.abspath(root))  # noqa: PTH100
    except RunNotFoundError:
        raise
    except ValueError as error:
        raise UploadError(f"{login.url}{where} is damaged: {error}") from None
    except OSError as error:
        raise UploadError(f"download of {login.url}{where} stopped: {error}") from error
    entry = {
        "action": "download",
        "timestamp": timestamp(time.time()),
        "host": login.url,
        "path": where,
        "id": node.alternative_name,
        "manifest": digest,
    }
    append_history(Subject(kind, directory, {}), entry)
    return directory


def _node(destination: Destination, where: str, kind: str) -> _nodes.Node | None:
    node = _nodes.current(destination, where)
    return node if node is not None and node.alternative_name and node.pointer.get("kind") == kind else None


def _fetch(destination: Destination, manifest: dict[str, Any], digest: str, kind: str, root: str) -> str:
    directory = os.path.join(root, manifest["directory"])  # noqa: PTH118
    if kind == "Run" and _identity(directory) not in {None, manifest["alternative_name"]}:
        directory += f"-{manifest['alternative_name'][-6:]}"  # a run that started in the same second
    if os.path.lexists(directory):
        _keep(directory, manifest, digest, kind, destination)
        return directory
    temporary = os.path.join(root, f".{manifest['directory']}-{os.urandom(4).hex()}.part")  # noqa: PTH118
    os.makedirs(temporary)  # noqa: PTH103
    try:
        for file in manifest["files"]:
            target = os.path.join(temporary, *file["path"].split("/"))  # noqa: PTH118
            os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
            with open(target, "xb") as write:  # noqa: PTH123
                for chunk, size in file["chunks"]:
                    _fetch_chunk(destination, chunk, size, write)
        os.rename(temporary, directory)  # noqa: PTH104
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return directory


def _identity(directory: str) -> str | None:
    return _record.read(directory).get("alternative_name", "") if os.path.lexists(directory) else None


def _fetch_chunk(destination: Destination, digest: str, size: int, write: Any) -> None:
    found = hashlib.sha256()
    left = size
    for block in destination.stream(_nodes.blob_path(digest)):
        left -= len(block)
        if left < 0:
            break
        found.update(block)
        write.write(block)
    if left or found.hexdigest() != digest:
        raise ValueError(f"the bytes {digest} are not what they were")


def _keep(directory: str, manifest: dict[str, Any], digest: str, kind: str, destination: Destination) -> None:
    """Something is in the place already: the same is taken, one that has gone on is kept.

    Raises:
        ConflictError: It is another, or has gone another way.
    """
    record = _record.read(directory) if kind == "Run" else _record.read_json(f"{directory}/{RECORD}")
    if record.get("alternative_name") != manifest["alternative_name"]:
        raise ConflictError(f"{directory} is another {kind.lower()}: {record.get('alternative_name')}")
    here = _manifest.snapshot(directory, kind, manifest["alternative_name"], destination.chunk_bytes)
    if here.digest == digest:
        return
    seen = {entry.get("manifest") for entry in record.get("remote", [])}
    if digest not in seen:
        raise ConflictError(f"{directory} and the {kind.lower()} at the destination have both changed")
    warnings.warn(f"{directory} is ahead of the destination; it is kept as it is", stacklevel=5)
