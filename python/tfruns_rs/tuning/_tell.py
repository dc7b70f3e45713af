"""What a sweep tells the person who waits for it: a live display on a terminal, lines elsewhere."""

from __future__ import annotations

import statistics
import sys
import time
from typing import TYPE_CHECKING, Any, Self

from tfruns_rs.tfruns._capture import show
from tfruns_rs.tuning._combinations import described

if TYPE_CHECKING:
    from rich.progress import Progress

    from tfruns_rs.tuning._combinations import Trial
    from tfruns_rs.tuning._schedule import Policy
    from tfruns_rs.tuning._search import Source
    from tfruns_rs.tuning._sweep import Sweep
    from tfruns_rs.tuning._trial import Outcome

_DAY_SECS = 86_400
_SHOWN_ENDS = {"failed", "pruned"}


class Teller:
    """Follows one call's work.

    Attributes:
        counts: Trials by how they ended for good.
    """

    def __init__(self, sweep: Sweep, source: Source, policy: Policy, *, shows: bool | None) -> None:
        self._sweep = sweep
        self._source = source
        self._policy = policy
        self._shows = sys.stderr is not None and sys.stderr.isatty() if shows is None else shows
        self._running: dict[str, Trial] = {}
        self._secs: list[float] = []
        self._best: float | None = None
        self._progress: Progress | None = None
        self._task: Any = None
        self.counts = {"completed": 0, "failed": 0, "pruned": 0}

    def __enter__(self) -> Self:
        if self._shows:
            self._progress = _display()
            self._task = self._progress.add_task("", total=self._source.total, facts="", left="")
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._progress is not None:
            self._update()
            self._progress.stop()
        failed = self.counts["failed"]
        if kind is not None or failed:
            what = f"{failed} of {self._source.total} combinations failed. " if failed else ""
            show(sys.stderr, f"{what}The sweep goes on with resume={self._sweep.id!r}\n")

    def started(self, trial: Trial) -> None:
        """A trial begins."""
        self._running[trial.key] = trial
        flags = described(trial.flags)
        show(sys.stderr, f"Training run {trial.number}/{self._source.total} (flags = {flags})\n")
        self._update()

    def ended(self, trial: Trial, outcome: Outcome, *, is_final: bool) -> None:
        """A trial ended."""
        was_here = self._running.pop(trial.key, None) is not None
        if outcome.kind in _SHOWN_ENDS and was_here:
            again = "" if is_final else "; it is tried again"
            show(sys.stderr, f"Training run {trial.number} {outcome.kind}: {outcome.error}{again}\n")
        if is_final and outcome.kind in self.counts:
            self.counts[outcome.kind] += 1
        if outcome.kind == "completed" and outcome.secs > 0:
            self._secs.append(outcome.secs)
        value = outcome.value
        if value is not None and value == value:  # noqa: PLR0124 - NaN is no best
            better = min if self._source.direction == "minimize" else max
            self._best = value if self._best is None else better(self._best, value)
        self._update()

    def tick(self) -> None:
        """Time has passed."""
        if self._progress is not None:
            self._update()

    def facts(self) -> str:
        """How it stands, in a line: `2 running · 1 failed · best val_loss 0.25`."""
        parts = [f"{len(self._running)} running"]
        parts += [f"{self.counts[kind]} {kind}" for kind in ("failed", "pruned") if self.counts[kind]]
        if self._best is not None:
            parts.append(f"best {self._source.metric} {self._best:.6g}")
        return " · ".join(parts)

    def secs_left(self) -> float | None:
        """By the median of the runs so far; None before the first has ended."""
        if not self._secs:
            return None
        left = self._source.total - sum(self.counts.values())
        at_a_time = self._policy.slots or max(len(self._running), 1)
        return statistics.median(self._secs) * left / at_a_time

    def _update(self) -> None:
        if self._progress is None:
            return
        left = self.secs_left()
        shown = "" if left is None else f"{_duration(left)} left"
        done = sum(self.counts.values())
        self._progress.update(self._task, completed=done, facts=self.facts(), left=shown)


def _display() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", markup=False),
        console=Console(file=sys.stderr),
        refresh_per_second=4,
    )


def _duration(secs: float) -> str:
    days, rest = divmod(int(secs), _DAY_SECS)
    return (f"{days} d " if days else "") + time.strftime("%H:%M:%S", time.gmtime(rest))
