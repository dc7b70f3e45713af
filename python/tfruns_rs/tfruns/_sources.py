"""The sources of a run: archived before the script runs, and again with the modules it imported."""

from __future__ import annotations

import inspect
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfruns_rs.tfruns import _record
from tfruns_rs.tfruns._run_metadata import META_DIR
from tfruns_rs.tfruns._source import beside, pack

if TYPE_CHECKING:
    from collections.abc import Sequence

_GIT_SECS = 10.0


class Sources:
    """What is archived for one run."""

    def __init__(self, run_dir: str, target: Any, command: Sequence[str], globs: Sequence[str]) -> None:
        self._run_dir = run_dir
        self._project = Path.cwd()
        self._script = _file_of(target, command)
        self._root = self._script.parent if self._script else self._project
        self._named = [
            path.absolute() for pattern in globs for path in sorted(_matches(self._project, pattern))
        ]
        self._files: list[Path] = []

    def before(self) -> None:
        """Archives the script, the sources beside it and what the globs name."""
        near = beside(self._root) if self._script else []
        script = [self._script] if self._script else []
        self._files = [*script, *_without_ignored(self._project, [*near, *self._named])]
        if self._files:
            self._pack()

    def after(self) -> None:
        """Adds the project's modules that the script imported."""
        left = f"{self._run_dir}/{META_DIR}/.modules.json"
        names = _record.load(left)
        with suppress(OSError):
            Path(left).unlink()
        modules = [Path(name) for name in names if isinstance(name, str)] if isinstance(names, list) else []  # pyright: ignore[reportUnknownVariableType]
        new = [path for path in modules if path not in self._files and path.is_relative_to(self._project)]
        new = _without_ignored(self._project, new)
        if new:
            self._files += new
            self._pack()

    def _pack(self) -> None:
        roots = [self._root, *(path.parent for path in self._files if path.is_relative_to(self._project))]
        root = self._root if all(path.is_relative_to(self._root) for path in roots) else self._project
        if left_out := pack(self._run_dir, root, self._files):
            _record.update(self._run_dir, lambda record: record.update(sources_left_out=left_out))


def _file_of(target: Any, command: Sequence[str]) -> Path | None:
    if callable(target):
        with suppress(TypeError, OSError):
            return (
                Path(inspect.getsourcefile(target) or "").absolute()
                if inspect.getsourcefile(target)
                else None
            )
        return None
    if target is not None:
        return Path(target).absolute()
    return next(
        (Path(word).absolute() for word in command[1:] if word.endswith(".py") and Path(word).is_file()), None
    )


def _matches(project: Path, pattern: str) -> list[Path]:
    return [path for path in project.glob(pattern) if path.is_file() and not path.is_symlink()]


def _without_ignored(project: Path, files: list[Path]) -> list[Path]:
    """The files that the project's `.gitignore` does not name."""
    if not files or not any((folder / ".git").exists() for folder in (project, *project.parents)):
        return files
    names = b"".join(bytes(path) + b"\0" for path in files)
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "check-ignore", "-z", "--stdin"],  # noqa: S607
            cwd=project,
            input=names,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_GIT_SECS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return files
    ignored = {Path(name) for name in map(bytes.decode, done.stdout.split(b"\0")) if name}
    return [path for path in files if path not in ignored]
