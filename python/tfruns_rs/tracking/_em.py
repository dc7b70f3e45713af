"""Directories of t9k's `em`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfruns_rs.tracking._run import Run


def read_em_run(directory: str) -> Run:
    raise NotImplementedError
