"""`Artifact`: files and references that runs read and make, each with its size and checksums.

| in the artifact's directory | |
|---|---|
| `.artifact.json` | name, labels, description, objects, upload history, whether it is frozen |
| `<path>` | the copy of an added file |
"""

from __future__ import annotations

import copy
import os
import time
import warnings
from typing import TYPE_CHECKING, Any

from tfruns_rs.errors import ArtifactError, RunMetadataError, RunNotFoundError
from tfruns_rs.tfruns import _record
from tfruns_rs.tracking._copy import Sums, copy_file, sums_of, walk
from tfruns_rs.tracking._metadata import texts
from tfruns_rs.tracking._names import alternative_name, check_name, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import polars as pl

    PathLike = str | os.PathLike[str]

RECORD = ".artifact.json"
_RESERVED = {"metadata.yaml", "references.yaml"}  # the names that t9k's layout needs for itself
_KEYS = {
    "name": "name",
    "labels": "labels",
    "description": "description",
    "createdTimestamp": "created_timestamp",
    "alternativeName": "alternative_name",
    "remote": "remote",
}


class Artifact:
    """Files and references under one name.

    `create_artifact()` makes one and `load_artifact()` opens one; the constructor makes one in memory, which
    takes references only.

    Args:
        metadata: `name, labels, description, createdTimestamp, alternativeName, remote`, as `to_dict()`
            returns them.
        objects: The objects by path.

    Examples:
        >>> artifact = create_artifact("digits", artifacts_dir=tmp_path)
        >>> artifact.add_reference("s3://data/digits.parquet", "data/digits.parquet")
        >>> artifact.objects
        {'data/digits.parquet': {'path': 'data/digits.parquet', 'uri': 's3://data/digits.parquet'}}
    """

    def __init__(
        self, metadata: Mapping[str, Any], objects: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        missing = [key for key in _KEYS if key not in metadata]
        if missing:
            raise RunMetadataError(f"the metadata lack {', '.join(missing)}")
        self._dir: str | None = None
        self._values: dict[str, Any] = {field: copy.deepcopy(metadata[key]) for key, field in _KEYS.items()}
        self._values["objects"] = {path: dict(entry) for path, entry in (objects or {}).items()}
        self._values["frozen"] = bool(metadata.get("frozen", False))

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._values["name"]

    @property
    def alternative_name(self) -> str:
        """What identifies it wherever it is uploaded to."""
        return self._values["alternative_name"]

    @property
    def labels(self) -> list[str]:
        """Labels."""
        return list(self._values["labels"])

    @property
    def description(self) -> str:
        """A description."""
        return self._values["description"]

    @property
    def created_timestamp(self) -> str:
        """When it was made: ISO 8601 with the local offset."""
        return self._values["created_timestamp"]

    @property
    def local(self) -> str | None:
        """Its directory, absolute; None for one in memory."""
        return self._dir

    @property
    def remote(self) -> list[dict[str, str]]:
        """Uploads and downloads, oldest first."""
        return copy.deepcopy(self._values["remote"])

    @property
    def is_frozen(self) -> bool:
        """Whether it takes no more objects."""
        return self._values["frozen"]

    @property
    def objects(self) -> dict[str, dict[str, Any]]:
        """The objects by path: `path, size_bytes, checksum` (MD5), `sha256`; of a reference `path, uri`."""
        return copy.deepcopy(self._values["objects"])

    def add_file(self, file_path: PathLike, obj_path: str | None = None) -> None:
        """Copies a file into the artifact. The same content again changes nothing, other content replaces it.

        Args:
            file_path: The file.
            obj_path: Its path in the artifact; with a trailing "/" the directory it goes into. By default its
                own name.

        Raises:
            ArtifactError: There is no such file, or the artifact is frozen.
            ValueError: The path leaves the artifact, is reserved, or is a reference's.
        """
        source = os.fspath(file_path)
        if not os.path.isfile(source):  # noqa: PTH113
            raise ArtifactError(f"there is no file {source}")
        self._add([(_target(os.path.basename(source), obj_path), source)])  # noqa: PTH119

    def add_dir(self, dir_path: PathLike, obj_path: str | None = None) -> int:
        """Copies the files of a directory, and of those in it.

        Links to files inside the directory are followed. Devices, sockets and links out of it are left out
        with a warning.

        Args:
            dir_path: The directory.
            obj_path: Its path in the artifact; with a trailing "/" the directory it goes into. By default its
                own name.

        Returns:
            The number of files.

        Raises:
            ArtifactError: There is no such directory, or the artifact is frozen.
            ValueError: A path leaves the artifact, is reserved, or is a reference's.
        """
        root = os.fspath(dir_path)
        if not os.path.isdir(root):  # noqa: PTH112
            raise ArtifactError(f"there is no directory {root}")
        base = _target(os.path.basename(os.path.abspath(root)), obj_path)  # noqa: PTH100, PTH119
        skipped: list[str] = []
        found = [(_checked(f"{base}/{file.name}"), file.path) for file in walk(root, skipped)]
        self._add(found)
        if skipped:
            more = f" and {len(skipped) - 3} more" if len(skipped) > 3 else ""  # noqa: PLR2004
            warnings.warn(f"left out, no files of {root}: {', '.join(skipped[:3])}{more}", stacklevel=2)
        return len(found)

    def add_reference(self, uri: str, obj_path: str | None = None) -> None:
        """Records where an object is, without fetching it.

        Args:
            uri: The object's address.
            obj_path: Its path in the artifact; by default the address's last part.

        Raises:
            ValueError: The path leaves the artifact, is reserved, or is a file's.
            ArtifactError: The artifact is frozen.
        """
        path = _target(uri.rstrip("/").rsplit("/", 1)[-1], obj_path)

        def add(record: dict[str, Any]) -> None:
            present = record["objects"].get(path)
            if present is not None and "uri" not in present:
                raise ValueError(f"{path!r} is a file of the artifact; it can't be a reference as well")
            if present is None or present["uri"] != uri:
                self._check_thawed(record)
                _check_places(record["objects"], [path])
                record["objects"][path] = {"path": path, "uri": uri}

        self._update(add)

    def _add(self, files: list[tuple[str, str]]) -> None:
        """Copies all files, then records them: a failure leaves the record as it was."""
        directory = self._directory()
        self._check_files(self._values, files)
        added: dict[str, Sums] = {}
        for path, source in files:
            present = self._values["objects"].get(path)
            if present is not None and present.get("sha256") == sums_of(source).sha256:
                continue
            self._check_thawed(self._values)
            added[path] = copy_file(source, os.path.join(directory, *path.split("/")))  # noqa: PTH118

        def add(record: dict[str, Any]) -> None:
            for path, sums in added.items():
                record["objects"][path] = {
                    "path": path,
                    "size_bytes": sums.size_bytes,
                    "checksum": sums.md5,
                    "sha256": sums.sha256,
                }

        self._update(add)

    @staticmethod
    def _check_files(record: dict[str, Any], files: list[tuple[str, str]]) -> None:
        for path, _ in files:
            if "uri" in record["objects"].get(path, ()):
                raise ValueError(f"{path!r} is a reference of the artifact; it can't be a file as well")
        _check_places(record["objects"], [path for path, _ in files])

    def _check_thawed(self, record: dict[str, Any]) -> None:
        if record["frozen"]:
            raise ArtifactError(f"artifact {self.name!r} is frozen; create_artifact() makes another version")

    def freeze(self) -> None:
        """Ends its growth: objects can't be added or replaced any more.

        Marking it as an output and uploading do so too.
        """

        def freeze(record: dict[str, Any]) -> None:
            record["frozen"] = True

        self._update(freeze)

    def verify(self) -> pl.DataFrame:
        """Reads every file and compares it with its checksum.

        Returns:
            What is wrong: `path, problem` (String), a row a file; no rows if the artifact is whole.
        """
        import polars as pl

        found: list[tuple[str, str]] = []
        for path, entry in self._values["objects"].items():
            if "uri" in entry:
                continue
            try:
                sums = sums_of(os.path.join(self._directory(), *path.split("/")))  # noqa: PTH118
            except OSError as error:
                found.append((path, error.strerror or str(error)))
                continue
            if (sums.size_bytes, sums.md5) != (entry["size_bytes"], entry["checksum"]):
                found.append((path, "the content has changed"))
        return pl.DataFrame(found, schema={"path": pl.String, "problem": pl.String}, orient="row")

    def frame(self) -> pl.DataFrame:
        """The objects as a frame: `path` (String), `size_bytes` (Int64), `checksum, sha256, uri` (String)."""
        import polars as pl

        schema = {name: pl.Int64 if name == "size_bytes" else pl.String for name in _FRAME}
        rows = [{name: entry.get(name) for name in _FRAME} for entry in self._values["objects"].values()]
        return pl.DataFrame(rows, schema=schema)

    def fingerprint(self) -> str:
        """A checksum of all objects: equal for artifacts that hold the same."""
        import hashlib

        said = hashlib.sha256()
        for path, entry in sorted(self._values["objects"].items()):
            said.update(f"{path}\0{entry.get('sha256', entry.get('uri', ''))}\n".encode())
        return said.hexdigest()

    def upload(
        self,
        folder: str = "default",
        make_folder: bool = False,  # noqa: FBT001, FBT002 - the original's signature
        conflict_strategy: str = "new",
    ) -> None:
        """Uploads the artifact to the destination of `login()`; see `Run.upload`. It is frozen by it."""
        from tfruns_rs.tracking._upload import request_of, upload_artifact

        upload_artifact(self, request_of(folder, make_folder, conflict_strategy))

    def to_dict(self) -> dict[str, Any]:
        """The metadata as a document."""
        return {
            "kind": "Artifact",
            **{key: copy.deepcopy(self._values[field]) for key, field in _KEYS.items()},
        }

    def __repr__(self) -> str:
        where = f", local={self._dir!r}" if self._dir else ""
        return f"Artifact(name={self.name!r}, {len(self._values['objects'])} objects{where})"

    def _directory(self) -> str:
        if self._dir is None:
            raise ArtifactError(
                f"artifact {self.name!r} has no directory: create_artifact() makes one with it"
            )
        return self._dir

    def _update(self, change: Callable[[dict[str, Any]], object]) -> None:
        if self._dir is None:
            change(self._values)
            return
        path = os.path.join(self._dir, RECORD)  # noqa: PTH118
        with _record.locked(path):
            record = {**self._values, **_record.read_json(path)}
            before = copy.deepcopy(record)
            change(record)
            if record != before or not os.path.exists(path):  # noqa: PTH110
                _record.write_json(path, {"format": _record.FORMAT, "kind": "Artifact", **record})
        self._values = record


_FRAME = ("path", "size_bytes", "checksum", "sha256", "uri")


def _target(name: str, obj_path: str | None) -> str:
    """Where an object of this name goes."""
    path = name if obj_path is None else obj_path.removeprefix("/")
    return _checked(path + name if not path or path.endswith("/") else path)


def _checked(path: str) -> str:
    """The path, if it is one of an object.

    Raises:
        ValueError: It is not: it leaves the artifact, or is reserved.
    """
    parts = path.split("/")
    if (
        not all(parts)
        or any(part in {".", ".."} for part in parts)
        or "\\" in path
        or "\0" in path
        or (len(parts[0]) == 2 and parts[0][1] == ":")  # noqa: PLR2004 - a drive
    ):
        raise ValueError(f"{path!r} is no path inside an artifact")
    if path in _RESERVED or parts[0].startswith(RECORD):
        raise ValueError(f"{path!r} is reserved in an artifact")
    return path


def _check_places(objects: Mapping[str, Any], paths: Iterable[str]) -> None:
    """A path can't be an object and the directory of another."""
    taken = set(objects)
    directories = {path.rsplit("/", depth)[0] for path in taken for depth in range(1, path.count("/") + 1)}
    for path in paths:
        above = [path.rsplit("/", depth)[0] for depth in range(1, path.count("/") + 1)]
        if path in directories or any(directory in taken for directory in above):
            raise ValueError(f"{path!r}: an object of the artifact is in its way")


def create_artifact(
    name: str,
    labels: Iterable[str] | None = None,
    description: str = "",
    *,
    artifacts_dir: PathLike | None = None,
) -> Artifact:
    """Makes an empty artifact.

    Args:
        name: 1 to 40 letters, digits, "-" and "_".
        labels: Labels.
        description: A description.
        artifacts_dir: Where to; by default `TFRUNS_ARTIFACTS_DIR`, else "artifacts".

    Raises:
        ValueError: A name that is none.

    Examples:
        >>> import tfruns_rs as tfr
        >>> weights = tmp_path / "model.bin"
        >>> written = weights.write_bytes(b"weights")
        >>> artifact = tfr.create_artifact("model", ["vision"], artifacts_dir=tmp_path / "artifacts")
        >>> artifact.add_file(weights)
        >>> artifact.objects["model.bin"]["size_bytes"]
        7
    """
    now = time.time()
    artifact = Artifact(
        {
            "name": check_name(name),
            "labels": texts("labels", labels or []),
            "description": str(description),
            "createdTimestamp": timestamp(now),
            "alternativeName": alternative_name(name, now),
            "remote": [],
        }
    )
    directory = os.path.abspath(os.path.join(artifacts_dir_of(artifacts_dir), artifact.alternative_name))  # noqa: PTH100, PTH118
    os.makedirs(os.path.dirname(directory), exist_ok=True)  # noqa: PTH103, PTH120
    os.mkdir(directory)  # noqa: PTH102
    artifact._dir = directory  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    artifact._update(_unchanged)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return artifact


def _unchanged(_record: dict[str, Any]) -> None:
    """Writes the record as it is."""


def artifacts_dir_of(artifacts_dir: PathLike | None) -> str:
    """The argument, or where artifacts are by default."""
    return os.fspath(artifacts_dir or os.environ.get("TFRUNS_ARTIFACTS_DIR") or "artifacts")


def load_artifact(path: PathLike, *, artifacts_dir: PathLike | None = None) -> Artifact:
    """Opens an artifact.

    Args:
        path: Its directory, or its name below the directory of artifacts. Else a path at the destination of
            `login()`, from where it is downloaded.
        artifacts_dir: Where a download goes; by default as for `create_artifact`.

    Raises:
        RunNotFoundError: There is no such artifact.

    Examples:
        >>> import tfruns_rs as tfr
        >>> made = tfr.create_artifact("model", artifacts_dir=tmp_path)
        >>> tfr.load_artifact(made.local).name
        'model'
    """
    text = os.fspath(path)
    for candidate in (text, os.path.join(artifacts_dir_of(artifacts_dir), text)):  # noqa: PTH118
        if os.path.isdir(candidate):  # noqa: PTH112
            return open_artifact(os.path.abspath(candidate))  # noqa: PTH100
    from tfruns_rs.tracking._download import download_artifact

    return open_artifact(download_artifact(text, artifacts_dir))


def open_artifact(directory: str) -> Artifact:
    """The artifact of a directory.

    Raises:
        RunNotFoundError: It is no artifact's.
    """
    record = _record.read_json(os.path.join(directory, RECORD))  # noqa: PTH118
    if "alternative_name" not in record:
        raise RunNotFoundError(f"{directory} holds no artifact: it has no {RECORD}")
    metadata = {key: record.get(field) for key, field in _KEYS.items()}
    artifact = Artifact({**metadata, "frozen": record.get("frozen", False)}, record.get("objects"))
    artifact._dir = directory  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return artifact
