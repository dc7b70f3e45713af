"""Where the trials of a call run, and how many at a time."""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, NamedTuple

from tfruns_rs.tuning._executors import InlineExecutor


class Plan(NamedTuple):
    """Where trials run.

    Attributes:
        executor: What runs them.
        slots: How many at a time; None for as many as the executor takes.
        in_process: As `training_run` takes it.
        is_single: One at a time, before the caller's eyes.
        is_ours: The executor is shut down at the end.
    """

    executor: Executor
    slots: int | None
    in_process: bool
    is_single: bool
    is_ours: bool = True


def plan(
    *,
    is_function: bool,
    workers: int | None,
    devices: Any,
    executor: Executor | None,
    wants_here: bool | None,
    needs_apart: bool,
) -> Plan:
    """Decides from the arguments of `tuning_run`.

    Args:
        is_function: A function is run.
        workers: As given.
        devices: As given.
        executor: As given.
        wants_here: Runs are to be in the process that is told to run them; None if nobody said.
        needs_apart: Runs have to be in processes of their own.

    Raises:
        ValueError: Arguments that exclude each other.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be 1 or more, not {workers}")
    if wants_here and needs_apart:
        raise ValueError("timeout, python and pruner need runs in processes of their own, not in_process")
    if executor is not None:
        return Plan(executor, workers, in_process=bool(wants_here), is_single=False, is_ours=False)
    count = workers or (1 if devices is None or callable(devices) else len(devices))
    if wants_here and count > 1:
        raise ValueError("runs in this process go one at a time; leave out in_process and envir, or workers")
    if wants_here or (wants_here is None and is_function and count == 1 and not needs_apart):
        return Plan(InlineExecutor(), 1, in_process=True, is_single=True)
    threads = ThreadPoolExecutor(count, thread_name_prefix="tfruns-worker")
    return Plan(threads, count, in_process=False, is_single=count == 1)
