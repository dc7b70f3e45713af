"""Search by Optuna's samplers and pruners, through ask and tell; the sweep's directory stays the truth.

Optuna is told what ended, in the order this process learns of it, and asked for what comes next. What it
answers is noted in the directory before it runs; so a study dies with its process and nothing is lost, and
several processes can work on one sweep, each with a study of its own.
"""

from __future__ import annotations

import math
import secrets
import time
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs import _core
from tfruns_rs.errors import FlagsError, MissingExtraError
from tfruns_rs.tuning._combinations import values_of
from tfruns_rs.tuning._search import Asked, Request
from tfruns_rs.tuning._series import series_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfruns_rs.tuning._combinations import Trial
    from tfruns_rs.tuning._sweep import Sweep
    from tfruns_rs.tuning._trial import Outcome

_WATCH_SECS = 1.0


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise MissingExtraError(
            "search by Optuna needs it: pip install 'tfruns-rs[tune]'; search=\"random\" needs nothing"
        ) from None
    return optuna


class Sampled(Asked):
    """Combinations that a sampler of Optuna proposes."""

    def __init__(self, sweep: Sweep, request: Request) -> None:
        super().__init__(sweep, request)
        self._optuna = _optuna()
        if not isinstance(request.search, self._optuna.samplers.BaseSampler):
            raise TypeError(
                f'search is "grid", "random" or a sampler of Optuna, not {type(request.search).__name__}'
            )
        self._prunes = request.pruner is not None
        self._study = self._new_study(request)
        # A sampler that has no more to propose says so to a loop of Optuna's own, which there is none of.
        self._study.stop = self._exhausted
        space = cast("Mapping[str, Any]", request.flags)
        self._space = {str(name): self._distribution(str(name), what) for name, what in space.items()}
        self._token = secrets.token_hex(8)
        self._made: dict[int, Any] = {}
        self._live: dict[str, Any] = {}
        self._params: dict[str, dict[str, Any]] = {}
        self._reported: dict[str, int] = {}
        self._pruned: set[str] = set()
        self._looked = 0.0

    def _new_study(self, request: Request) -> Any:
        logging = self._optuna.logging
        level = logging.get_verbosity()
        logging.set_verbosity(logging.WARNING)
        try:
            pruner = request.pruner or self._optuna.pruners.NopPruner()
            return self._optuna.create_study(
                sampler=request.search, pruner=pruner, direction=request.direction
            )
        finally:
            logging.set_verbosity(level)

    def _exhausted(self) -> None:
        self.total = len(self._known)

    def _distribution(self, name: str, what: Any) -> Any:
        distributions = self._optuna.distributions
        if isinstance(what, distributions.BaseDistribution):
            return what
        if isinstance(what, range):
            return distributions.IntDistribution(what.start, what[-1], step=what.step)
        if callable(what) or hasattr(what, "rvs"):
            raise FlagsError(
                f"flag '{name}' is a function or a SciPy distribution, which Optuna can't search; give "
                "values or one of optuna.distributions"
            )
        return distributions.CategoricalDistribution(values_of(name, what))

    def make(self, number: int) -> dict[str, Any]:
        """Asks the sampler."""
        asked = self._study.ask(self._space)
        self._made[number] = asked
        flags = {name: value for name, value in asked.params.items() if value is not None}
        return {"flags": flags, "params": asked.params, "by": self._token}

    def noted(self, trial: Trial, document: Mapping[str, Any]) -> None:
        """Connects a noted combination with what the sampler knows of it."""
        self._params[trial.key] = dict(document["params"])
        asked = self._made.pop(trial.number, None)
        if asked is None:
            return
        if document.get("by") == self._token:
            self._live[trial.key] = asked
        else:
            # Another process was faster with this number.
            self._study.tell(asked, state=self._optuna.trial.TrialState.FAIL)

    def tell(self, trial: Trial, outcome: Outcome) -> None:
        """Tells the sampler.

        Raises:
            ValueError: A completed run has no such metric.
        """
        states = self._optuna.trial.TrialState
        state = {"completed": states.COMPLETE, "pruned": states.PRUNED}.get(outcome.kind, states.FAIL)
        value = outcome.value
        if state == states.COMPLETE and value is None:
            raise ValueError(self._missing(outcome.run_dir))
        if value is not None and not math.isfinite(value):
            state = states.FAIL
        values = [value] if state == states.COMPLETE else None
        live = self._live.pop(trial.key, None)
        if live is not None:
            self._study.tell(live, values, state=state)
            return
        about: Any = {"params": self._params[trial.key], "distributions": self._space}
        self._study.add_trial(self._optuna.trial.create_trial(state=state, values=values, **about))

    def _missing(self, run_dir: str | None) -> str:
        import polars as pl

        stream = _core.read_run(run_dir) if run_dir else None
        columns = pl.DataFrame(stream).columns if stream is not None else []
        known = [name.partition("_")[2] for name in columns if name.startswith(("metric_", "eval_"))]
        return f"the run {run_dir} has no metric {self.metric!r}; it has {', '.join(known) or 'none'}"

    def watch(self, running: Mapping[str, Trial]) -> None:
        """Reports what the running trials log, and has those ended that the pruner gives up."""
        now = time.monotonic()
        if not self._prunes or now - self._looked < _WATCH_SECS:
            return
        self._looked = now
        for run, trial in running.items():
            if run not in self._pruned and (step := self._judged(run, trial)) is not None:
                self._pruned.add(run)
                self.sweep.prune(run, f"Pruned at step {step} by {type(self._study.pruner).__name__}")

    def _judged(self, run: str, trial: Trial) -> int | None:
        """The step at which the pruner gives a run up."""
        live = self._live.get(trial.key)
        if live is None:
            # Noted by another process, run by this one.
            self._study.enqueue_trial(self._params[trial.key])
            live = self._live[trial.key] = self._study.ask(self._space)
        last = self._reported.get(run, -1)
        series = series_of(f"{self.sweep.runs_dir}/{run}", str(self.metric))
        for step in sorted(step for step in series if step > last):
            self._reported[run] = step
            if math.isfinite(series[step]):
                live.report(series[step], step)
                if live.should_prune():
                    return step
        return None
