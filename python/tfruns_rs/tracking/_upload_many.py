"""`upload(path)`: one run or artifact, or all below a directory, ten thousand in seconds if nothing changed.

A run that was uploaded is looked at only by its files' sizes and times, and whether its pointer is still the
newest is told by one listing of the folder.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tfruns_rs.errors import RunNotFoundError
from tfruns_rs.tfruns import _record
from tfruns_rs.tracking import _manifest, _nodes
from tfruns_rs.tracking._artifact import RECORD, open_artifact
from tfruns_rs.tracking._create_run import open_run
from tfruns_rs.tracking._upload import Report, request_of, upload_artifact, upload_run

if TYPE_CHECKING:
    import polars as pl

    from tfruns_rs.tracking._upload import Progress, Request

    PathLike = str | os.PathLike[str]


def upload(
    path: PathLike,
    folder: str = "default",
    make_folder: bool = False,  # noqa: FBT001, FBT002 - the original's signature
    conflict_strategy: str = "new",
    *,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Uploads a run or an artifact, or all of them that lie directly in a directory.

    Args:
        path: The directory of one, or of many.
        folder: See `Run.upload`.
        make_folder: See `Run.upload`.
        conflict_strategy: See `Run.upload`.
        progress: Called with the number of runs and artifacts done, and their number.

    Returns:
        A row each: `local, path, action` (String), `bytes_sent, bytes_reused` (Int64). The actions are
        "created", "updated", "unchanged", "renamed", "replaced" and "skipped".

    Raises:
        RunNotFoundError: There is none.
        ValueError: An unknown strategy, or a folder that is none.
        NotLoggedInError: There is no destination.
        UploadError: One did not get through; those before it did.

    Examples:
        >>> import tfruns_rs as tfr
        >>> for name in ("first", "second"):
        ...     tfr.create_run(name=name, runs_dir=tmp_path / "runs").finish()
        >>> tfr.login(tmp_path / "shared", user="ada")
        >>> tfr.upload(tmp_path / "runs")["action"].to_list()
        ['created', 'created']
        >>> tfr.logout()
    """
    import polars as pl

    request = request_of(folder, make_folder, conflict_strategy)
    root = os.path.abspath(path)  # noqa: PTH100
    kind = _kind_of(root)
    directories = [(root, kind)] if kind else _below(root)
    if not directories:
        raise RunNotFoundError(f"{root} holds no run and no artifact")
    generations = _generations(request) if len(directories) > 1 else {}
    reports: list[Report] = []
    for number, (directory, kind) in enumerate(directories, 1):
        unchanged = _unchanged(directory, kind, request, generations)
        reports.append(unchanged or _upload_one(directory, kind, request))
        if progress is not None:
            progress(number, len(directories))
    schema = {
        "local": pl.String,
        "path": pl.String,
        "action": pl.String,
        "bytes_sent": pl.Int64,
        "bytes_reused": pl.Int64,
    }
    return pl.DataFrame(reports, schema=schema, orient="row")


def _kind_of(directory: str) -> str | None:
    if os.path.isdir(f"{directory}/{_record.META_DIR}"):  # noqa: PTH112
        return "Run"
    return "Artifact" if os.path.isfile(f"{directory}/{RECORD}") else None  # noqa: PTH113


def _below(root: str) -> list[tuple[str, str]]:
    try:
        with os.scandir(root) as entries:
            found = sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [(directory, kind) for directory in found if (kind := _kind_of(directory))]


def _generations(request: Request) -> dict[str, int]:
    """The newest pointer of each name in the folder."""
    found: dict[str, int] = {}
    if request.login.destination is None:
        return found
    prefix = request.folder.rstrip("/")
    for directory, name in request.login.destination.below(prefix[1:]):
        generation = _nodes.generation_of(name)
        if generation is not None and directory.endswith(".node"):
            path = f"{prefix}/{directory.removesuffix('.node')}"
            found[path] = max(generation, found.get(path, -1))
    return found


def _unchanged(directory: str, kind: str, request: Request, generations: dict[str, int]) -> Report | None:
    """The report of a run whose last upload is the newest and holds what is here; else None."""
    cache: dict[str, Any] = _manifest.read_cache(directory, kind)
    last = cache.get("uploads", {}).get(f"{request.login.url}{request.folder}")
    if last is None or generations.get(last[1]) != last[2] or request.login.destination is None:
        return None
    if cache.get("chunk_bytes") != request.login.destination.chunk_bytes:
        return None
    size = _manifest.unchanged_size(directory, kind, cache, last[0])
    return None if size is None else Report(directory, last[1], "unchanged", 0, size)


def _upload_one(directory: str, kind: str, request: Request) -> Report:
    if kind == "Run":
        return upload_run(open_run(directory), request)
    return upload_artifact(open_artifact(directory), request)
