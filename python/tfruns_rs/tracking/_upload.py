"""Uploads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfruns_rs.tracking._artifact import Artifact


def check_upload(folder: str, make_folder: bool, conflict_strategy: str) -> None:  # noqa: FBT001
    raise NotImplementedError


def upload_artifact(artifact: Artifact, folder: str, make_folder: bool, conflict_strategy: str) -> None:  # noqa: FBT001
    raise NotImplementedError
