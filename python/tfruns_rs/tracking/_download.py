"""Downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    PathLike = str | os.PathLike[str]


def download_run(path: str, runs_dir: PathLike | None) -> str:
    raise NotImplementedError


def download_artifact(path: str, artifacts_dir: PathLike | None) -> str:
    raise NotImplementedError
