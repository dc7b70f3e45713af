"""System metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfruns_rs.tracking._run import Run


def start_sampling(run: Run, interval_secs: float) -> None:
    raise NotImplementedError
