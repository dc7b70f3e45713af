"""Background uploads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfruns_rs.tracking._run import Run


def start_sync(run: Run, folder: str, make_folder: bool, conflict_strategy: str) -> None:  # noqa: FBT001
    raise NotImplementedError
