"""What a sweep tells the person who waits for it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

from tfruns_rs.tfruns._capture import show
from tfruns_rs.tuning._combinations import described

if TYPE_CHECKING:
    from tfruns_rs.tuning._combinations import Trial
    from tfruns_rs.tuning._schedule import Policy
    from tfruns_rs.tuning._search import Source
    from tfruns_rs.tuning._sweep import Sweep
    from tfruns_rs.tuning._trial import Outcome


class Teller:
    """Says what begins and what fails."""

    def __init__(self, sweep: Sweep, source: Source, policy: Policy, *, shows: bool | None) -> None:
        self._sweep = sweep
        self._source = source
        self._policy = policy
        self._shows = shows

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            show(sys.stderr, f"The sweep goes on with resume={self._sweep.id!r}\n")

    def started(self, trial: Trial) -> None:
        """A trial begins."""
        show(
            sys.stderr,
            f"Training run {trial.number}/{self._source.total} (flags = {described(trial.flags)})\n",
        )

    def ended(self, trial: Trial, outcome: Outcome, *, is_final: bool) -> None:
        """A trial ended."""
        if outcome.kind in {"failed", "pruned"}:
            again = "" if is_final else "; it is tried again"
            show(
                sys.stderr,
                f"Training run {trial.number} {outcome.kind}: {outcome.error or 'earlier'}{again}\n",
            )

    def tick(self) -> None:
        """Time has passed."""
