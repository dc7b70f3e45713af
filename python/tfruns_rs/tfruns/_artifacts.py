"""What a script left behind: files created or changed below a directory, copied into the run."""

from __future__ import annotations

import hashlib
import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from tfruns_rs import _core
from tfruns_rs.tfruns import _json
from tfruns_rs.tfruns._run_metadata import META_DIR

MAX_FILE_BYTES = 1 << 30
MAX_RUN_BYTES = 10 << 30


class Artifacts:
    """The files below `root` before a script runs, to be compared with those after.

    Not taken: other runs, the archive, hidden files and environments. Event directories that appear beside
    the runs move to the run's logs.
    """

    def __init__(self, root: str, run_dir: str, runs_dir: str) -> None:
        self._root = Path(root).resolve()
        self._run_dir = Path(run_dir)
        self._runs_dir = Path(runs_dir).resolve()
        beneath = self._runs_dir.is_relative_to(self._root)
        below = os.path.relpath(self._runs_dir, self._root)
        self._runs_below = None if not beneath else "" if below == os.curdir else below
        self._skipped: list[Path] = []
        resolved = self._run_dir.resolve()
        if resolved.is_relative_to(self._root) and resolved != self._root:
            self._skipped.append(resolved.relative_to(self._root))
        self._beside = self._directories()
        self._before = self._snapshot()

    def take(self) -> None:
        """Copies what is new or changed. What can't be copied is a warning, never an error."""
        for name in sorted(self._directories() - self._beside):
            source = self._runs_dir / name
            if (source / META_DIR).exists() or not any(source.rglob("*tfevents*")):
                continue
            with suppress(OSError):
                _move_beside(source, self._run_dir / "logs" / name)
        changed = self._before.changed(self._snapshot())
        room = MAX_RUN_BYTES
        copied: list[Path] = []
        listed: dict[str, Any] = {}
        for path, size in changed:
            if path.parts[0] == META_DIR:
                continue
            if size > MAX_FILE_BYTES or size > room:
                listed[path.as_posix()] = {"bytes": size, "sha256": _hash(self._root / path)}
                continue
            room -= size
            copied.append(path)
        problems = _core.copy_files(self._root, self._run_dir, copied)
        for path, why in problems:
            if not (self._run_dir / path).exists():
                warnings.warn(f"the artifact {path} was not copied: {why}", stacklevel=2)
        if listed:
            _core.write_atomic(self._run_dir / META_DIR / "artifacts.json", _json.dumps(listed))

    def _snapshot(self) -> _core.Snapshot:
        return _core.Snapshot(self._root, self._skipped, self._runs_below)

    def _directories(self) -> set[str]:
        """What lies beside the runs, and the runs; there may be ten thousand, so none is looked into."""
        with suppress(OSError), os.scandir(self._runs_dir) as entries:
            return {
                entry.name
                for entry in entries
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
            }
        return set()


def _move_beside(source: Path, target: Path) -> None:
    """Moves a directory; where its place is taken, to the next name that is free."""
    for twin in range(1000):
        with suppress(FileExistsError):
            _core.move_tree(source, target.with_name(f"{target.name}-{twin:03}") if twin else target)
            return


def _hash(path: Path) -> str | None:
    with suppress(OSError), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return None
