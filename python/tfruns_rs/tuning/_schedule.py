"""Which trial next, and what its end means: the loop of one call of `tuning_run`.

The sweep's directory is asked before each trial, so several calls, on several machines, share one sweep.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tfruns_rs.tfruns._supervisor import Stop
from tfruns_rs.tuning._claims import State
from tfruns_rs.tuning._exclusive import create
from tfruns_rs.tuning._trial import Order, Outcome, run_trial, stop_here

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from tfruns_rs.tuning._combinations import Trial
    from tfruns_rs.tuning._sweep import Sweep

_TICK_SECS = 0.25
_LOOK_SECS = 1.0
_STOP_SECS = 30.0


class Source(Protocol):
    """Where trials come from."""

    def ask(self) -> Trial | None:
        """The next trial; None if there is none, or none yet."""
        ...

    def tell(self, trial: Trial, outcome: Outcome) -> None:
        """A trial has ended for good."""
        ...

    def watch(self, running: dict[str, Trial]) -> None:
        """Looks at the trials that run, by name of the run."""
        ...


class Listener(Protocol):
    """Who is told what happens."""

    def started(self, trial: Trial) -> None:
        """A trial was handed to the executor."""
        ...

    def ended(self, trial: Trial, outcome: Outcome, *, is_final: bool) -> None:
        """A trial ended; it may be tried again unless that was final."""
        ...

    def tick(self) -> None:
        """Time has passed."""
        ...


class Policy(NamedTuple):
    """What to do when things go wrong, and how much at a time.

    Attributes:
        slots: Trials at a time; None for as many as there are.
        retries: How often a failed trial is tried again.
        stops_on_error: No trial is begun after one has failed for good.
    """

    slots: int | None
    retries: int
    stops_on_error: bool


class Schedule:
    """One call's work on a sweep."""

    def __init__(
        self,
        sweep: Sweep,
        source: Source,
        executor: Executor,
        *,
        policy: Policy,
        order: Callable[[Trial, int, int], Order],
        listener: Listener,
    ) -> None:
        self._sweep = sweep
        self._claims = sweep.claims
        self._source = source
        self._executor = executor
        self._policy = policy
        self._order = order
        self._listener = listener
        self._first = self._claims.states()
        self._waiting: deque[Trial] = deque()
        self._elsewhere: dict[str, Trial] = {}
        self._flying: dict[Future[Outcome], tuple[Trial, int]] = {}
        self._lost: dict[str, int] = {}
        self._error: BaseException | None = None
        self._states = self._first
        self._looked = time.monotonic()

    def run(self, token: str) -> None:
        """Works until nothing is left.

        Raises:
            BaseException: What the first trial that failed for good raised, where the policy says to stop.
        """
        try:
            while self._fill() or (self._elsewhere and self._error is None):
                self._wait()
        except (KeyboardInterrupt, SystemExit):
            self._stop(token)
            raise
        except BaseException:
            # What runs is worth more than a quick end.
            wait(self._flying)
            raise
        if self._error is not None:
            raise self._error

    def _fill(self) -> bool:
        """Hands out trials while there is room; returns whether any run."""
        while self._error is None and (self._policy.slots is None or len(self._flying) < self._policy.slots):
            trial = self._waiting.popleft() if self._waiting else self._source.ask()
            if trial is None:
                break
            self._begin(trial)
        return bool(self._flying)

    def _begin(self, trial: Trial) -> None:
        state = self._states.get(trial.key, State())
        if state.is_finished:
            self._finished_elsewhere(trial, state)
            return
        if state.is_held and not self._claims.owner_is_gone(trial.key, state.generation):
            self._elsewhere[trial.key] = trial
            return
        if self._failures(trial.key, state) > self._policy.retries:
            self._final(trial, Outcome(trial.key, "failed", self._run_dir(trial, state)))
            return
        slot = self._free_slot()
        self._listener.started(trial)
        future = self._executor.submit(run_trial, self._order(trial, state.generation, slot))
        self._flying[future] = (trial, slot)

    def _free_slot(self) -> int:
        taken = {slot for _, slot in self._flying.values()}
        return next(slot for slot in range(len(taken) + 1) if slot not in taken)

    def _failures(self, key: str, state: State) -> int:
        """How often the combination has failed since this call began, wherever that was."""
        before = self._first.get(key, State()).generation
        return sum(1 for generation in state.failures if generation > before) + self._lost.get(key, 0)

    def _wait(self) -> None:
        if self._flying:
            done = wait(self._flying, timeout=_TICK_SECS, return_when=FIRST_COMPLETED).done
        else:
            done: set[Future[Outcome]] = set()
            time.sleep(_TICK_SECS)
        now = time.monotonic()
        if done or (self._elsewhere and now - self._looked > _LOOK_SECS):
            self._states, self._looked = self._claims.states(), now
        for future in done:
            trial, _ = self._flying.pop(future)
            self._ended(trial, future)
        for trial in list(self._elsewhere.values()):
            state = self._states.get(trial.key, State())
            if not state.is_held or self._claims.owner_is_gone(trial.key, state.generation):
                self._waiting.append(self._elsewhere.pop(trial.key))
        self._source.watch(self._running())
        self._listener.tick()

    def _running(self) -> dict[str, Trial]:
        found: dict[str, Trial] = {}
        for trial, _ in self._flying.values():
            state = self._claims.state(trial.key)
            run = self._claims.run_of(trial.key, state) if state.is_held else None
            if run is not None:
                found[run] = trial
        return found

    def _ended(self, trial: Trial, future: Future[Outcome]) -> None:
        error = future.exception() if not future.cancelled() else CancelledError()
        if error is not None:
            self._broke(trial, error)
            return
        outcome = future.result()
        if outcome.kind == "taken":
            self._elsewhere[trial.key] = trial
        elif outcome.kind == "failed":
            state = self._states.get(trial.key, State())
            if self._failures(trial.key, state) <= self._policy.retries:
                self._listener.ended(trial, outcome, is_final=False)
                self._waiting.append(trial)
            else:
                self._final(trial, outcome)
        elif outcome.kind == "superseded":
            self._listener.ended(trial, outcome, is_final=False)
            self._waiting.append(trial)
        else:
            self._final(trial, outcome)

    def _broke(self, trial: Trial, error: BaseException) -> None:
        """The executor lost a trial, as when a worker was killed: the claim says who has it now."""
        self._lost[trial.key] = self._lost.get(trial.key, 0) + 1
        outcome = Outcome(trial.key, "failed", None, error)
        if self._failures(trial.key, self._states.get(trial.key, State())) > self._policy.retries:
            self._final(trial, outcome)
        else:
            self._listener.ended(trial, outcome, is_final=False)
            self._waiting.append(trial)

    def _finished_elsewhere(self, trial: Trial, state: State) -> None:
        if state.is_done:
            record = self._claims.done(trial.key)
            value, secs = record.get("value"), record.get("secs") or 0.0
            outcome = Outcome(trial.key, "completed", self._run_dir(trial, state), None, value, secs)
        else:
            outcome = Outcome(trial.key, "pruned", self._run_dir(trial, state))
        self._source.tell(trial, outcome)
        self._listener.ended(trial, outcome, is_final=True)

    def _run_dir(self, trial: Trial, state: State) -> str | None:
        run = self._claims.run_of(trial.key, state)
        return run and f"{self._sweep.runs_dir}/{run}"

    def _final(self, trial: Trial, outcome: Outcome) -> None:
        self._source.tell(trial, outcome)
        self._listener.ended(trial, outcome, is_final=True)
        if outcome.kind == "failed" and self._policy.stops_on_error and self._error is None:
            self._error = outcome.error or RuntimeError(f"the run {outcome.run_dir} failed")
        if outcome.kind == "interrupted" and self._error is None:
            self._error = KeyboardInterrupt()

    def _stop(self, token: str) -> None:
        """Ends what runs, here and elsewhere, and waits for it to say so."""
        create(f"{self._sweep.directory}/stops/{token}", b"")
        for future in self._flying:
            future.cancel()
        stop_here(Stop("interrupted", "The run was stopped"))
        wait([future for future in self._flying if not future.cancelled()], timeout=_STOP_SECS)
