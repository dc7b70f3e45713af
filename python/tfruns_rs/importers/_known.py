"""What was imported before, and who may import now.

A run directory that an import made says in `run.json`, under `imported`, where it comes from and how its
source looked then. One import at a time writes into a runs directory; what a killed one left is put in order
first.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfruns_rs.importers._foreign import files_below, mapping
from tfruns_rs.tfruns import _record
from tfruns_rs.tfruns._run_metadata import write_properties

if TYPE_CHECKING:
    from collections.abc import Generator

UNFINISHED = ".importing-"
REPLACED = ".replaced-"
_FORMAT = 1
"""Of what an import makes; a higher one makes the next import renew what older ones made."""


@dataclass(frozen=True)
class Mark:
    """A run directory that an import made.

    Attributes:
        run_dir: The directory.
        id: What the tool calls the run.
        name: Its name.
        fingerprint: How its source looked.
        has_files: Whether its files were copied.
        problem: What could not be taken.
        parent: The tool's id of the run that it belongs to.
    """

    run_dir: str
    id: str
    name: str
    fingerprint: str
    has_files: bool
    problem: str | None
    parent: str | None = None

    def is_current(self, fingerprint: str, *, files: bool) -> bool:
        """Whether an import would make the same again."""
        return self.fingerprint == fingerprint and (self.has_files or not files)


class Known:
    """The run directories of a runs directory that imports made, archived ones included."""

    def __init__(self, runs_dir: str) -> None:
        self._by_id: dict[tuple[str, str], Mark] = {}
        self._by_source: dict[tuple[str, str], Mark] = {}
        self._children: list[tuple[str, Mark]] = []
        for folder in (f"{runs_dir}/archive", runs_dir):
            try:
                entries = sorted(entry.path for entry in os.scandir(folder) if not entry.name.startswith("."))
            except OSError:
                continue
            for path in entries:
                record = _record.read(path)
                if imported := mapping(record.get("imported")):
                    self.add(path, str(record.get("name") or ""), imported, None)

    def add(self, run_dir: str, name: str, imported: dict[str, Any], parent: str | None) -> None:
        """Takes note of a run directory."""
        problem = imported.get("problem")
        mark = Mark(
            run_dir,
            str(imported.get("id")),
            name,
            str(imported.get("fingerprint")),
            bool(imported.get("files")),
            problem if isinstance(problem, str) else None,
            parent,
        )
        tool = str(imported.get("tool"))
        self._by_id[tool, mark.id] = self._by_source[tool, str(imported.get("source"))] = mark
        if parent is not None:
            self._children.append((tool, mark))

    def by_id(self, tool: str, identity: str) -> Mark | None:
        """The directory of a run of a tool."""
        return self._by_id.get((tool, identity))

    def by_source(self, tool: str, place: str) -> Mark | None:
        """The directory that was made of a source."""
        return self._by_source.get((tool, os.path.abspath(place)))  # noqa: PTH100

    def tell_parents(self) -> None:
        """Names each new run's parent in it, where that was imported as well."""
        for tool, mark in self._children:
            parent = self.by_id(tool, mark.parent or "")
            if parent is not None:
                write_properties(mark.run_dir, {"parent": os.path.basename(parent.run_dir)})  # noqa: PTH119


def fingerprint(source: str) -> str:
    """What changes when a source does: names, sizes and times of its files.

    Taken before the source is read, so that what is added meanwhile is new to the next import.
    """
    folder = source if os.path.isdir(source) else os.path.dirname(source)  # noqa: PTH112, PTH120
    name = os.path.basename(os.path.abspath(folder))  # noqa: PTH100, PTH119
    is_own = folder == source or name.startswith(("run-", "offline-run-"))
    listed = files_below(folder) if is_own else iter([(source, os.path.basename(source))])  # noqa: PTH119
    digest = hashlib.sha256(f"{_FORMAT}".encode())
    for path, place in listed:
        stat = os.stat(path)  # noqa: PTH116
        digest.update(f"\0{place}\0{stat.st_size}\0{stat.st_mtime_ns}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


@contextmanager
def exclusively(runs_dir: str) -> Generator[None]:
    """Keeps other imports into a runs directory waiting, and clears up behind one that was killed."""
    os.makedirs(runs_dir, exist_ok=True)  # noqa: PTH103
    with _record.locked(os.path.join(runs_dir, "import")):  # noqa: PTH118
        for entry in list(os.scandir(runs_dir)):
            if entry.name.startswith(REPLACED):
                place = os.path.join(runs_dir, entry.name.removeprefix(REPLACED))  # noqa: PTH118
                if not os.path.lexists(place):
                    os.rename(entry.path, place)  # noqa: PTH104
                    continue
            if entry.name.startswith((UNFINISHED, REPLACED)) and entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
        yield
