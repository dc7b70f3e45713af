"""Uploads of runs and artifacts.

In this order, so that a crash at any point leaves every name leading to one whole state and doing it again
goes on:

1. the bytes of files that the destination does not have, then the manifest; nothing is visible yet
2. the same for the run's artifacts, and their pointers
3. the run's pointer: the one moment at which the upload counts
4. the edges between the run and what it read and made
5. the history in `run.json`
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tfruns_rs.errors import ConflictError, UploadError
from tfruns_rs.tfruns import _record
from tfruns_rs.tracking import _associations, _manifest, _nodes
from tfruns_rs.tracking._artifact import RECORD, Artifact, open_artifact
from tfruns_rs.tracking._login import Login, current_login
from tfruns_rs.tracking._names import NAME, resolve_folder, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tfruns_rs.tracking._destination import Destination
    from tfruns_rs.tracking._run import Run

    Progress = Callable[[int, int], object]

STRATEGIES = ("skip", "error", "new", "replace")
Action = Literal["created", "updated", "unchanged", "renamed", "replaced", "skipped"]
_TRIES = 20


class Report(NamedTuple):
    """What an upload did.

    Attributes:
        local: The directory.
        path: The path it can be downloaded from; empty if it was skipped.
        action: "created", "updated" (the same run, other files), "unchanged", "renamed" (the name was taken,
            it is under the alternative name), "replaced" (another run had the name) or "skipped".
        bytes_sent: Bytes of files that were sent.
        bytes_reused: Bytes of files that were there.
    """

    local: str
    path: str
    action: Action
    bytes_sent: int
    bytes_reused: int


class Subject(NamedTuple):
    """What is uploaded: a directory and its record."""

    kind: str
    directory: str
    record: dict[str, Any]

    @property
    def identity(self) -> str:
        return self.record["alternative_name"]


class Request(NamedTuple):
    """Where to and how."""

    login: Login
    folder: str
    make_folder: bool
    strategy: str
    progress: Progress | None = None

    @property
    def destination(self) -> Destination:
        if self.login.destination is None:
            raise UploadError(f"{self.login.url} takes runs only")
        return self.login.destination


def check_upload(folder: str, make_folder: bool, conflict_strategy: str) -> None:  # noqa: ARG001, FBT001 - as a request has it
    """Checks what can be checked before anything is sent.

    Raises:
        ValueError: An unknown strategy, or a folder that is none.
    """
    if conflict_strategy not in STRATEGIES:
        raise ValueError(f"conflict_strategy is {conflict_strategy!r}; it is one of {', '.join(STRATEGIES)}")
    resolve_folder(folder, "user")


def request_of(folder: str, make_folder: bool, strategy: str, progress: Progress | None = None) -> Request:  # noqa: FBT001
    """The request that the arguments of `upload` make.

    Raises:
        ValueError: As `check_upload`.
        NotLoggedInError: There is no destination.
    """
    check_upload(folder, make_folder, strategy)
    login = current_login()
    return Request(login, resolve_folder(folder, login.user), make_folder, strategy, progress)


def upload_run(run: Run, request: Request) -> Report:
    """Uploads a run, its artifacts and the edges between them."""
    directory = run.local
    if directory is None:
        raise UploadError(f"run {run.name!r} has no directory to upload")
    run._flush()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    if request.login.mlflow is not None:
        from tfruns_rs.tracking._mlflow import upload_to_mlflow

        return upload_to_mlflow(run, request)
    run._change()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # gives a run of R's a record
    subject = Subject("Run", directory, _record.read(directory))
    report = guarded(request, lambda: _upload(subject, request))
    run._change()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # takes over the history
    return report


def upload_artifact(artifact: Artifact, request: Request) -> Report:
    """Uploads an artifact."""
    if artifact.local is None:
        raise UploadError(f"artifact {artifact.name!r} has no directory to upload")
    artifact.freeze()
    subject = Subject("Artifact", artifact.local, _record.read_json(f"{artifact.local}/{RECORD}"))
    report = guarded(request, lambda: _upload(subject, request))
    artifact.freeze()  # takes over the history
    return report


def guarded(request: Request, work: Callable[[], Report]) -> Report:
    """Runs an upload; trouble with the destination or the files becomes one clear error."""
    try:
        return work()
    except OSError as error:
        raise UploadError(
            f"upload to {request.login.url}{request.folder} stopped: {error}; upload again to go on"
        ) from error
    except _manifest.ChangedError as error:
        raise UploadError(f"{error} changes faster than it can be read; upload again later") from None


def _upload(subject: Subject, request: Request) -> Report:
    destination = request.destination
    _nodes.ensure_folder(
        destination, request.folder, f"/{request.login.user}/default", make_folder=request.make_folder
    )
    place = _place(subject, request)
    if place is None:
        return Report(subject.directory, "", "skipped", 0, 0)
    snapshot, sent, reused = _send_all(subject, place, request)
    artifacts = _upload_artifacts(subject, request) if subject.kind == "Run" else {}
    path, generation, action = _commit(subject, snapshot, request)
    if path is None:
        return Report(subject.directory, "", "skipped", sent, reused)
    for edge in _edges(subject, path, artifacts):
        _create_edge(destination, edge)
    _remember(subject, request, snapshot, path, generation)
    return Report(subject.directory, path, action, sent, reused)


def _place(subject: Subject, request: Request) -> _nodes.Node | None:
    """The node that the upload is about to change, or one that is not there yet; None to skip.

    Raises:
        ConflictError: Another has the name, and the strategy is "error".
    """
    wanted = f"{request.folder.rstrip('/')}/{subject.record['name']}"
    own = f"{request.folder.rstrip('/')}/{subject.identity}"
    renamed = _nodes.current(request.destination, own)
    if renamed is not None and renamed.alternative_name == subject.identity:
        return renamed
    node = _nodes.current(request.destination, wanted)
    if node is None or node.alternative_name in {"", subject.identity}:
        return node or _nodes.Node(wanted, -1, {"deleted": True})
    if request.strategy == "skip":
        return None
    if request.strategy == "error":
        raise ConflictError(
            f"{request.login.url}{request.folder} has another {subject.record['name']!r}:"
            f" {node.alternative_name}"
        )
    if request.strategy == "replace":
        return node
    if renamed is not None and renamed.alternative_name:
        raise ConflictError(f"{request.login.url}{own} is taken by {renamed.alternative_name}")
    return renamed or _nodes.Node(own, -1, {"deleted": True})


def _send_all(subject: Subject, place: _nodes.Node, request: Request) -> tuple[_manifest.Snapshot, int, int]:
    """Sends what is missing. A file that changes meanwhile is listed again."""
    destination = request.destination
    present: set[str] = set()
    if place.alternative_name == subject.identity:
        present = _digests_of(destination, place.pointer.get("manifest"))
    sent = 0
    for attempt in range(_TRIES):
        snapshot = _manifest.snapshot(
            subject.directory, subject.kind, subject.identity, destination.chunk_bytes
        )
        if place.pointer.get("manifest") == snapshot.digest:
            return snapshot, sent, sum(chunk.size for chunk in snapshot.chunks.values())
        _tell_left_out(snapshot)
        missing = [chunk for digest, chunk in snapshot.chunks.items() if digest not in present]
        total = sum(chunk.size for chunk in missing)
        done = 0
        try:
            for chunk, was_sent in _send(destination, missing):
                present.add(chunk.digest)
                sent += chunk.size if was_sent else 0
                done += chunk.size
                if request.progress is not None:
                    request.progress(done, total)
        except _manifest.ChangedError:
            if attempt == _TRIES - 1:
                raise
            continue
        destination.create(_nodes.manifest_path(snapshot.digest), [snapshot.manifest])
        reused = sum(chunk.size for chunk in snapshot.chunks.values()) - sent
        return snapshot, sent, max(reused, 0)
    raise AssertionError("unreachable")


def _send(destination: Destination, chunks: list[_manifest.Chunk]) -> Iterable[tuple[_manifest.Chunk, bool]]:
    if destination.parallel == 1 or len(chunks) < 2:  # noqa: PLR2004
        for chunk in chunks:
            yield chunk, _send_one(destination, chunk)
        return
    from concurrent.futures import ThreadPoolExecutor, as_completed

    with ThreadPoolExecutor(destination.parallel, "tfruns-upload") as pool:
        try:
            pending = {pool.submit(_send_one, destination, chunk): chunk for chunk in chunks}
        except RuntimeError:  # the interpreter ends, and new threads are refused
            for chunk in chunks:
                yield chunk, _send_one(destination, chunk)
            return
        try:
            for done in as_completed(pending):
                yield pending[done], done.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _send_one(destination: Destination, chunk: _manifest.Chunk) -> bool:
    path = _nodes.blob_path(chunk.digest)
    return not destination.exists(path) and destination.create(path, _manifest.bytes_of(chunk))


def _digests_of(destination: Destination, manifest: Any) -> set[str]:
    """What a state holds; nothing if it can't be told."""
    try:
        document = _nodes.read_manifest(destination, manifest)
    except (ValueError, FileNotFoundError):
        return set()
    return {digest for file in document["files"] for digest, _ in file["chunks"]}


def _tell_left_out(snapshot: _manifest.Snapshot) -> None:
    if snapshot.left_out:
        import warnings

        warnings.warn(f"not uploaded, they look like keys: {', '.join(snapshot.left_out[:5])}", stacklevel=6)


def _commit(
    subject: Subject, snapshot: _manifest.Snapshot, request: Request
) -> tuple[str | None, int, Action]:
    """Makes the pointer. Whoever loses a race looks again who has the name now."""
    record = subject.record
    pointer: dict[str, Any] = {
        "format": 1,
        "kind": subject.kind,
        "name": record["name"],
        "alternative_name": subject.identity,
        "id": subject.identity,
        "manifest": snapshot.digest,
        "labels": record.get("labels", []),
        "description": record.get("description", ""),
        "updated": timestamp(time.time()),
    }
    for _ in range(_TRIES):
        place = _place(subject, request)
        if place is None:
            return None, 0, "skipped"
        before = place.alternative_name
        if before == subject.identity and place.pointer.get("manifest") == snapshot.digest:
            return place.path, place.generation, "unchanged"
        generation = _nodes.commit(
            request.destination, place.path, None if place.generation < 0 else place, pointer
        )
        if generation is not None:
            action: Action = "created"
            if before == subject.identity:
                action = "updated"
            elif before:
                action = "replaced"
            elif place.path.endswith(f"/{subject.identity}"):
                action = "renamed"
            return place.path, generation, action
    raise UploadError(
        f"others keep changing {request.login.url}{request.folder}/{record['name']}; upload again"
    )


def _upload_artifacts(subject: Subject, request: Request) -> dict[str, str]:
    """Uploads the artifacts of a run; their paths by alternative name.

    With "skip", an artifact whose name is taken goes under its alternative name: the edge needs it.
    """
    found: dict[str, str] = {}
    strategy = "new" if request.strategy == "skip" else request.strategy
    for entry in _entries(subject.record):
        name = entry.get("name", "")
        if entry.get("kind") != "Artifact" or name in found or not NAME.match(name):
            continue
        directory = entry.get("localDir", "")
        if not os.path.isfile(os.path.join(directory, RECORD)):  # noqa: PTH113, PTH118
            continue
        artifact = open_artifact(directory)
        artifact.freeze()
        inner = Subject("Artifact", directory, _record.read_json(os.path.join(directory, RECORD)))  # noqa: PTH118
        home = _home_of(inner, request)
        report = _upload(
            inner, request._replace(strategy=strategy, folder=home or request.folder, progress=None)
        )
        found[name] = report.path
    return found


def _home_of(subject: Subject, request: Request) -> str | None:
    """The folder where the destination has the artifact already."""
    for entry in reversed(subject.record.get("remote", [])):
        if entry.get("host") == request.login.url and entry.get("action") == "upload":
            node = _nodes.current(request.destination, entry["path"])
            if node is not None and node.alternative_name == subject.identity:
                return entry["path"].rpartition("/")[0] or "/"
    return None


def _entries(record: dict[str, Any]) -> list[dict[str, str]]:
    associations = record.get("associations", {})
    return [entry for role in _associations.ROLES for entry in associations.get(role, [])]


def _edges(subject: Subject, path: str, artifacts: dict[str, str]) -> list[dict[str, Any]]:
    """An edge goes from what is read to the run, and from the run to what it made."""
    found: list[dict[str, Any]] = []
    run = {"kind": "Run", "id": subject.identity, "path": path}
    for role in _associations.ROLES:
        for entry in subject.record.get("associations", {}).get(role, []):
            other = {
                "kind": entry.get("kind", ""),
                "id": node_id(entry),
                "path": artifacts.get(entry.get("name", "")) or entry.get("path", ""),
            }
            ends = (other, run) if role == "input" else (run, other)
            found.append({"from": ends[0], "to": ends[1], "role": role})
    return found


def node_id(entry: dict[str, str]) -> str:
    """What identifies an associated thing: its alternative name, else a digest of its path."""
    if "name" in entry:
        return entry["name"]
    import hashlib

    return hashlib.sha256(entry.get("path", "").encode()).hexdigest()[:24]


def _create_edge(destination: Destination, edge: dict[str, Any]) -> None:
    import json

    path = f"{_nodes.ROOT}/graph/{edge['from']['id']}--{edge['to']['id']}.json"
    document = {**edge, "time": timestamp(time.time())}
    destination.create(path, [json.dumps(document, ensure_ascii=False).encode(), b"\n"])


def _remember(
    subject: Subject, request: Request, snapshot: _manifest.Snapshot, path: str, generation: int
) -> None:
    """Adds to the history what happened, once, and remembers it for the next time."""
    entry = {
        "action": "upload",
        "timestamp": timestamp(time.time()),
        "host": request.login.url,
        "path": path,
        "id": subject.identity,
        "manifest": snapshot.digest,
    }
    append_history(subject, entry)
    cache = _manifest.read_cache(subject.directory, subject.kind)
    uploads = cache.setdefault("uploads", {})
    uploads[f"{request.login.url}{request.folder}"] = [snapshot.digest, path, generation]
    _manifest.write_cache(subject.directory, subject.kind, cache)


def append_history(subject: Subject, entry: dict[str, str]) -> None:
    """Adds an entry to a record's history unless it says nothing new."""

    def append(record: dict[str, Any]) -> None:
        history = record.setdefault("remote", [])
        same = [
            old for old in history if (old.get("host"), old.get("path")) == (entry["host"], entry["path"])
        ]
        if not same or any(same[-1].get(key) != entry[key] for key in ("action", "manifest")):
            history.append(entry)

    if subject.kind == "Run":
        _record.update(subject.directory, append)
        return
    path = f"{subject.directory}/{RECORD}"
    with _record.locked(path):
        record = _record.read_json(path)
        append(record)
        _record.write_json(path, record)
