"""What a run read and what it made: the entries of `Run.associations`.

| resource | entry | the same if |
|---|---|---|
| an `Artifact` or `Run` | kind, name (its alternative name), localDir | the names are equal |
| a model or dataset of another system | kind, id, path | the paths are equal |
| a branch, tag or commit of one | kind, id "asset:ref", path "asset path:ref" | the paths are equal |
| a metrics table, a `Url`, a `pathlib.Path` | kind, path | the paths are equal |

Where the resource can say what it holds (an artifact's objects, a table's content), `fingerprint` keeps it as
it was when it was marked.
"""

from __future__ import annotations

import os
from typing import Any, cast

ROLES = ("input", "output")
_ASSETS = {"model", "dataset"}
_REFS = {"branch", "tag", "commit"}


def entry_of(resource: Any) -> dict[str, str]:
    """The entry that stands for a resource.

    Raises:
        TypeError: It is none. A text is none either: `Url(text)` or `pathlib.Path(text)` say what it is.
    """
    if type(resource).__name__ == "Url":
        return {"kind": "Url", "path": str(resource.to_absolute())}
    if isinstance(resource, os.PathLike):
        path = os.fspath(cast("os.PathLike[str]", resource))
        return {"kind": "Path", "path": os.path.abspath(path)}  # noqa: PTH100
    entry = _own(resource) or _foreign(resource)
    if entry is None:
        raise TypeError(
            f"{type(resource).__name__} is no resource: an artifact, a run, a table, a Url, a path,"
            " or an object with kind, id and path"
        )
    fingerprint = getattr(resource, "fingerprint", None)
    if callable(fingerprint):
        fingerprint = fingerprint()
    if isinstance(fingerprint, str) and fingerprint:
        entry["fingerprint"] = fingerprint
    return entry


def _own(resource: Any) -> dict[str, str] | None:
    name, local = getattr(resource, "alternative_name", None), getattr(resource, "local", None)
    if isinstance(name, str) and (local is None or isinstance(local, str)):
        kind = "Run" if hasattr(resource, "hparams") else "Artifact"
        return {"kind": kind, "name": name, "localDir": local or ""}
    url = getattr(resource, "url", None)
    if url is not None and hasattr(resource, "row_count"):
        return {"kind": "Table", "path": str(url)}
    return None


def _foreign(resource: Any) -> dict[str, str] | None:
    kind = getattr(resource, "kind", None)
    if not isinstance(kind, str):
        return None
    if kind.lower() in _REFS:
        asset = getattr(resource, "asset", None)
        if asset is not None:
            name = getattr(resource, "id" if kind.lower() == "commit" else "name", None)
            ids = (getattr(asset, "id", None), getattr(asset, "path", None), name)
            return {"kind": kind, "id": f"{ids[0]}:{name}", "path": f"{ids[1]}:{name}"} if all(ids) else None
    elif kind.lower() not in _ASSETS:
        return None
    identity, path = getattr(resource, "id", None), getattr(resource, "path", None)
    return {"kind": kind, "id": str(identity), "path": str(path)} if identity and path else None


def add(entries: list[dict[str, str]], entry: dict[str, str]) -> bool:
    """Adds an entry unless it is there; whether it was added."""
    if any(key(entry) == key(present) for present in entries):
        return False
    entries.append(entry)
    return True


def key(entry: dict[str, str]) -> tuple[str, str]:
    """What two entries for one resource share."""
    if "name" in entry:
        return entry.get("kind", ""), entry["name"]
    return "", entry.get("path", "")
