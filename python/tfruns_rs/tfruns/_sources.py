"""The sources of a run: archived before its script runs, and again with the modules that it imported.

The script, the Python and R files beside it, the project's modules it imports, and what globs name. Secrets
stay where they are: `.env*` and key files are never archived, nor what the project's `.gitignore` leaves out.
"""

from __future__ import annotations

import inspect
import os
import subprocess
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs import _core
from tfruns_rs.tfruns import _record
from tfruns_rs.tfruns._run_metadata import META_DIR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    PathLike = str | os.PathLike[str]

_GIT_SECS = 10.0
_MAX_BYTES = 64 << 20
_SUFFIXES = {".py", ".pyi", ".r", ".rmd", ".qmd"}
_ALWAYS_BESIDE = {"flags.yml", "flags.yaml"}
_NEVER = (
    ".env*",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "id_rsa*",
    "id_ed25519*",
    "id_ecdsa*",
    ".netrc",
    ".pypirc",
)


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
        near = _beside(self._root) if self._script else []
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
        if left_out := _pack(self._run_dir, root, self._files):
            _record.update(self._run_dir, lambda record: record.update(sources_left_out=left_out))


def archive_source(run_dir: str, data: Any) -> list[str]:
    """Archives a directory's sources, or several files, as the run's `source.tar.gz`.

    Returns:
        What was left out, and why.
    """
    if isinstance(data, (str, os.PathLike)):
        root = Path(os.fspath(data)).absolute()
        files = [root] if root.is_file() else _beside(root)
        root = root.parent if root.is_file() else root
    else:
        files = [Path(os.fspath(path)).absolute() for path in cast("Iterable[PathLike]", data)]
        root = Path(os.path.commonpath([path.parent for path in files])) if files else Path.cwd()
    return _pack(run_dir, root, files)


def _pack(run_dir: str, root: Path, files: Iterable[Path]) -> list[str]:
    """Archives `files` under their names below `root`; those elsewhere under their own name."""
    named: dict[str, Path] = {}
    left_out: list[str] = []
    for path in files:
        if any(fnmatch(path.name, pattern) for pattern in _NEVER):
            left_out.append(f"{path}: looks like a secret")
            continue
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        named.setdefault(name, path)
    archive = f"{run_dir}/{META_DIR}/source.tar.gz"
    packed = _core.pack_source(archive, [(name, str(path)) for name, path in named.items()], _MAX_BYTES)
    return left_out + [f"{path}: {why}" for path, why in packed]


def _beside(directory: Path) -> list[Path]:
    """The source files right in `directory`."""
    return sorted(
        Path(entry.path)
        for entry in os.scandir(directory)
        if (Path(entry.name).suffix.lower() in _SUFFIXES or entry.name in _ALWAYS_BESIDE)
        and entry.is_file(follow_symlinks=False)
    )


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
