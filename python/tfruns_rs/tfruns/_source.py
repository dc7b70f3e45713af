"""A run's sources: which files are archived, and as what.

The script, the Python and R files beside it, the project's modules it imports, and what globs name. Secrets
stay where they are: `.env*` and key files are never archived, nor what the project's `.gitignore` leaves out.
"""

from __future__ import annotations

import os
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs import _core

if TYPE_CHECKING:
    from collections.abc import Iterable

    PathLike = str | os.PathLike[str]

MAX_BYTES = 64 << 20
_SUFFIXES = {".py", ".pyi", ".r", ".rmd", ".qmd"}
_BESIDE = {"flags.yml", "flags.yaml"}
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


def archive_source(run_dir: str, data: Any) -> list[str]:
    """Archives a directory's sources, or several files, as the run's `source.tar.gz`.

    Returns:
        What was left out, and why.
    """
    if isinstance(data, (str, os.PathLike)):
        root = Path(os.fspath(data)).absolute()
        files = [root] if root.is_file() else beside(root)
        root = root.parent if root.is_file() else root
    else:
        files = [Path(os.fspath(path)).absolute() for path in cast("Iterable[PathLike]", data)]
        root = Path(os.path.commonpath([path.parent for path in files])) if files else Path.cwd()
    return pack(run_dir, root, files)


def pack(run_dir: str, root: Path, files: Iterable[Path]) -> list[str]:
    """Archives `files` under their names below `root`; those elsewhere under their own name."""
    named: dict[str, Path] = {}
    left_out: list[str] = []
    for path in files:
        if any(fnmatch(path.name, pattern) for pattern in _NEVER):
            left_out.append(f"{path}: looks like a secret")
            continue
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        named.setdefault(name, path)
    archive = f"{run_dir}/tfruns.d/source.tar.gz"
    packed = _core.pack_source(archive, [(name, str(path)) for name, path in named.items()], MAX_BYTES)
    return left_out + [f"{path}: {why}" for path, why in packed]


def beside(directory: Path) -> list[Path]:
    """The source files right in `directory`."""
    return sorted(
        Path(entry.path)
        for entry in os.scandir(directory)
        if (Path(entry.name).suffix.lower() in _SUFFIXES or entry.name in _BESIDE)
        and entry.is_file(follow_symlinks=False)
    )
