"""One trial, in whichever process and on whichever machine an executor runs it.

It claims the combination, runs it as a training run, and says in the sweep's directory how that ended. While
it runs, a thread looks there for what others have to say: stop, prune, or that the combination is done.
"""

from __future__ import annotations

import os
import pickle
import threading
import time
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from tfruns_rs.errors import TrainingRunError
from tfruns_rs.tfruns._child import end_orphan
from tfruns_rs.tfruns._record import load
from tfruns_rs.tfruns._run_metadata import META_DIR
from tfruns_rs.tfruns._supervisor import Stop, Supervisor, supervised
from tfruns_rs.tfruns._training_run import training_run
from tfruns_rs.tuning._metric import metric_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from tfruns_rs.tuning._claims import Claim, Ending
    from tfruns_rs.tuning._combinations import Trial
    from tfruns_rs.tuning._sweep import Sweep

SWEEP_ENV = "TFRUNS_SWEEP"
PROPERTY = "sweep"
_POLL_SECS = 0.5

_sweep_here: ContextVar[str | None] = ContextVar("tfruns_sweep", default=None)
_running: dict[str, Supervisor] = {}
"""The supervisors of this process's trials, by run directory."""


class Order(NamedTuple):
    """What an executor is handed.

    Attributes:
        sweep: The sweep.
        trial: The combination.
        after: The generation that is known to have ended.
        token: The call's; its stop file stops the trial.
        arguments: Of `training_run`.
        metric: Of which the value is wanted.
        is_quiet: The run keeps its messages to itself.
        is_apart: The outcome goes to another process.
    """

    sweep: Sweep
    trial: Trial
    after: int
    token: str
    arguments: dict[str, Any]
    metric: str | None
    is_quiet: bool
    is_apart: bool


class Outcome(NamedTuple):
    """How a trial ended.

    Attributes:
        key: The combination.
        kind: "completed", "failed", "interrupted", "pruned", "superseded", or "taken" for not begun because
            another has the claim.
        run_dir: The run, where there was one.
        error: What the run raised.
        value: The metric's, if asked for and there.
        secs: How long it took.
    """

    key: str
    kind: str
    run_dir: str | None = None
    error: BaseException | None = None
    value: float | None = None
    secs: float = 0.0


def sweep_here() -> str | None:
    """The id of the sweep that this code runs in as a trial."""
    return _sweep_here.get() or os.environ.get(SWEEP_ENV) or None


def run_trial(order: Order) -> Outcome:
    """Runs a trial, unless another process has it."""
    sweep, trial = order.sweep, order.trial
    claims = sweep.claims
    state = claims.state(trial.key)
    if state.is_finished or state.generation != order.after or _is_stopped(order):
        return Outcome(trial.key, "taken")
    if state.is_held:
        _end_orphan_of(sweep, claims.run_of(trial.key, state))
    claim = claims.take(trial.key, order.after, sweep.runs_dir)
    if claim is None:
        return Outcome(trial.key, "taken")
    began = time.monotonic()
    values: list[float | None] = []

    def commit() -> str | None:
        values.append(metric_of(claim.run_dir, order.metric))
        facts = {"value": values[-1], "secs": time.monotonic() - began}
        counted = claims.commit(claim, facts)
        return None if counted == claim.run else f"Superseded by the run {counted} of the same combination"

    supervisor = Supervisor(commit, is_quiet=order.is_quiet)
    ending: tuple[Ending, str] = ("interrupted", "The run was stopped")
    try:
        with _watched(order, claim, supervisor), supervised(supervisor):
            _run(order, claim)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - an outcome like others
        ending = _ending(supervisor, error)
        return _outcome(order, claim, ending[0], error, began)
    else:
        return _outcome(order, claim, "completed", None, began)._replace(value=values[-1])
    finally:
        if claims.done(trial.key).get("run") != claim.run:
            with suppress(OSError):
                claims.end(claim, *ending)
        claims.release(claim)


def _run(order: Order, claim: Claim) -> None:
    arguments = dict(order.arguments)
    if isinstance(arguments["file"], bytes):
        arguments["file"] = pickle.loads(arguments["file"])  # noqa: S301 - from the caller, by the executor
    given: Any = arguments.pop("properties") or {}
    properties: dict[str, Any] = {**given, PROPERTY: order.sweep.id}
    env: dict[str, str] = {**arguments.pop("env"), SWEEP_ENV: order.sweep.id}
    token = _sweep_here.set(order.sweep.id)
    try:
        training_run(
            **arguments,
            flags=order.trial.flags,
            properties=properties,
            env=env,
            run_dir=claim.run_dir,
            runs_dir=order.sweep.runs_dir,
            view=False,
        )
    finally:
        _sweep_here.reset(token)


def _ending(supervisor: Supervisor, error: BaseException) -> tuple[Ending, str]:
    message = str(error) or type(error).__name__
    if supervisor.stopped is not None:
        return supervisor.stopped.kind, message
    if message.startswith("Superseded by ") and isinstance(error, TrainingRunError):
        return "superseded", message
    if isinstance(error, TrainingRunError) and error.returncode is not None and error.returncode == -2:  # noqa: PLR2004
        return "interrupted", message
    return "failed", message


def _outcome(order: Order, claim: Claim, kind: str, error: BaseException | None, began: float) -> Outcome:
    if error is not None and order.is_apart:
        error = _portable(error)
    return Outcome(order.trial.key, kind, claim.run_dir, error, None, time.monotonic() - began)


def _portable(error: BaseException) -> BaseException:
    """The error, or its text where it can't be pickled."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - what was just made
    except Exception:  # noqa: BLE001 - whatever its class does
        return TrainingRunError(f"{type(error).__name__}: {error}")
    return error


@contextmanager
def _watched(order: Order, claim: Claim, supervisor: Supervisor) -> Generator[None]:
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_POLL_SECS):
            stop = _said(order, claim)
            if stop is not None:
                supervisor.stop(stop)
                return

    watcher = threading.Thread(target=watch, name="tfruns-trial", daemon=True)
    _running[claim.run_dir] = supervisor
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        del _running[claim.run_dir]


def _said(order: Order, claim: Claim) -> Stop | None:
    """What others have to say about a running trial."""
    sweep = order.sweep
    if _is_stopped(order):
        return Stop("interrupted", "The run was stopped")
    pruned = load(f"{sweep.directory}/prunes/{claim.run}")
    if isinstance(pruned, str):
        return Stop("pruned", pruned)
    done = sweep.claims.done(claim.key).get("run")
    if done is not None and done != claim.run:
        return Stop("superseded", f"Superseded by the run {done} of the same combination")
    return None


def _is_stopped(order: Order) -> bool:
    return os.path.exists(f"{order.sweep.directory}/stops/{order.token}")  # noqa: PTH110


def stop_here(reason: Stop) -> None:
    """Ends the trials that run in this process, without waiting for them to look."""
    threads = [threading.Thread(target=supervisor.stop, args=(reason,)) for supervisor in _running.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _end_orphan_of(sweep: Sweep, run: str | None) -> None:
    """Ends the process of a run whose owner died, if it is of this very system and still there."""
    alive = load(f"{sweep.runs_dir}/{run}/{META_DIR}/alive.json") if run else None
    if not isinstance(alive, dict):
        return
    facts: dict[str, Any] = alive  # pyright: ignore[reportUnknownVariableType]
    with suppress(OSError, TypeError, ValueError):
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123
            boot = file.read().strip()
        here = boot, os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - a text
        if (facts.get("boot_id"), facts.get("pid_namespace")) == here and facts.get("pid") != os.getpid():
            end_orphan(int(facts["pid"]), str(facts.get("pid_start", "")))
