"""`tuning_run`: runs of one script over combinations of flags."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tfruns_rs.errors import TfrunsError
from tfruns_rs.tfruns._capture import show
from tfruns_rs.tfruns._child import sigterm_raises
from tfruns_rs.tfruns._confirm import confirmed
from tfruns_rs.tfruns._function import pickled
from tfruns_rs.tfruns._options import runs_dir_or_option
from tfruns_rs.tfruns._training_run import WORKING_DIRECTORY, name_of, script_of
from tfruns_rs.tuning._combinations import check_sample
from tfruns_rs.tuning._devices import Devices, check_devices, device_env
from tfruns_rs.tuning._plan import plan
from tfruns_rs.tuning._schedule import Policy, Schedule
from tfruns_rs.tuning._search import Request, open_sweep
from tfruns_rs.tuning._settle import runs_of, settle
from tfruns_rs.tuning._tell import Teller
from tfruns_rs.tuning._trial import PROPERTY, Order, sweep_here

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor

    import polars as pl

    from tfruns_rs.tfruns._pass_flags import PassFlags
    from tfruns_rs.tuning._combinations import Trial

    PathLike = str | os.PathLike[str]


def tuning_run(
    file: PathLike | Callable[..., object] | None = None,
    *,
    flags: Mapping[str, Any] | pl.DataFrame | None = None,
    sample: float | None = None,
    seed: int | None = None,
    search: Any = "grid",
    metric: str | None = None,
    direction: Literal["minimize", "maximize"] = "minimize",
    pruner: Any = None,
    max_runs: int | None = None,
    workers: int | None = None,
    devices: Devices | None = None,
    executor: Executor | None = None,
    on_error: Literal["stop", "continue"] = "stop",
    retries: int = 0,
    timeout: float | None = None,
    resume: bool | str = False,
    confirm: bool | None = None,
    progress: bool | None = None,
    command: Sequence[PathLike] | None = None,
    context: str = "local",
    config: str | None = None,
    properties: Mapping[str, Any] | None = None,
    runs_dir: PathLike | None = None,
    artifacts_dir: PathLike | None = WORKING_DIRECTORY,
    echo: bool | None = None,
    envir: dict[str, Any] | None = None,
    encoding: str = "utf-8",
    in_process: bool | None = None,
    autolog: bool = False,
    args: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    python: PathLike | None = None,
    pass_flags: PassFlags = None,
    sources: Sequence[str] = (),
) -> pl.DataFrame | None:
    """Runs a training script once for each combination of flags.

    What is to run and what has run is kept in `<runs_dir>/.sweeps/<id>`, so a sweep outlives whoever works on
    it, and several calls, also on other machines that see the directory, can work on one. However often they
    are killed and go on, each combination ends with exactly one completed run.

    Args:
        file: The script or function, as `training_run` takes it. A function runs in this process if there is
            one worker, else in processes of its own.
        flags: Values by flag: all combinations, the first flag varying fastest. Or a frame, each row a
            combination; rows may repeat, a null leaves the flag to its default. With `search` the space it
            draws from. With a sweep's id in `resume` it may be left out.
        sample: The share of the combinations to run, above 0 and up to 1: `ceil(sample * n)` of them, drawn
            without replacement, in random order.
        seed: Of `sample` and of `search="random"`; None for another draw each time.
        search: "grid" for the combinations as they are, "random" to draw each flag by itself, or a sampler of
            Optuna.
        metric: What the search optimises and the progress shows: a metric's name (its last value counts) or
            that of an evaluation.
        direction: Whether less or more of it is better.
        pruner: A pruner of Optuna: ends runs that look bad by the metrics they log.
        max_runs: How many combinations a search tries in all.
        workers: How many run at a time; by default as many as there are devices, else one; with an `executor`
            as many as that takes.
        devices: One for each worker, such as `["cuda:0", "cuda:1"]`: sets `CUDA_VISIBLE_DEVICES`. Or a
            function of the worker's number, from 0, that returns a device or a mapping of variables.
        executor: Any `concurrent.futures.Executor` that runs the trials elsewhere, such as Dask's
            `client.get_executor()`. It has to see the files and `runs_dir` under the same paths.
        on_error: "stop" to begin no further run once one has failed, and to raise its error when those that
            run are finished; "continue" to go on.
        retries: How often a failed combination is tried again.
        timeout: Seconds that one run may take.
        resume: True to go on with the sweep that asked for the same, or to begin it; or a sweep's id, or the
            beginning of one. Finished combinations are skipped, failed and interrupted ones run again, and so
            do those of processes that are dead.
        confirm: Ask before it begins; None where there is a terminal.
        progress: Show a live display; None where there is a terminal.
        command: A command to run instead of a file.
        context: What the runs are part of.
        config: The configuration of `flags.yml`.
        properties: Anything else to know of the runs. `sweep`, the sweep's id, is added.
        runs_dir: Where the runs go; None for the option `runs_dir`.
        artifacts_dir: Where files that the script changes are looked for. Files outside `run_dir()` that runs
            write at the same time can't be told apart.
        echo: Show the consoles; by default where one runs at a time, in this process.
        envir: Globals of the script, for each run a copy; it then runs in this process.
        encoding: Of the consoles.
        in_process: Run in this process, one at a time, or in that of the executor; by default functions do
            where there is one worker and neither `timeout` nor `pruner`.
        autolog: Have frameworks log into the runs, as in `training_run`.
        args: The script's arguments.
        env: Environment variables.
        python: The interpreter; None for this one.
        pass_flags: As in `training_run`.
        sources: More files to archive, as globs.

    Returns:
        A row for each combination: the run that completed, else the last one that tried; columns as in
        `ls_runs()`, the newest first. None if the answer to `confirm` was no.

    Raises:
        FlagsError: `flags` is neither a mapping nor a frame.
        FileNotFoundError: There is no such script or sweep.
        TrainingRunError: A run failed, and `on_error` is "stop".
        ValueError: Arguments that exclude each other, or an ambiguous `resume`.
        TfrunsError: Called inside a sweep.
    """
    refuse_nesting()
    check_sample(sample)
    check_devices(devices)
    _check_choice("on_error", on_error, ("stop", "continue"))
    _check_choice("direction", direction, ("minimize", "maximize"))
    if PROPERTY in (properties or {}):
        raise ValueError(f"the property {PROPERTY!r} is the sweep's id; name yours otherwise")
    target = None if command is not None else file if callable(file) else script_of(file)
    where = plan(
        is_function=callable(target),
        workers=workers,
        devices=devices,
        executor=executor,
        wants_here=True if envir is not None else in_process,
        needs_apart=timeout is not None or python is not None or pruner is not None,
    )
    if where.slots is None and search not in {"grid", "random"}:
        raise ValueError("a search by Optuna needs workers, how many runs it proposes at a time")
    below = runs_dir_or_option(runs_dir)
    name = Path(command[0]).name if command else name_of(target)
    request = Request(name, flags, sample, seed, search, metric, direction, pruner, max_runs)
    opened = open_sweep(below, request, resume)
    for line in opened.messages:
        show(sys.stderr, f"{line}\n")
    if not confirmed("Proceed with tuning run?", confirm=confirm, are_named=True):
        return None
    sweep, source = opened.begin()
    settle(sweep, sweep.claims.states())
    arguments: dict[str, Any] = {
        "file": pickled(target) if executor is not None and callable(target) else target,
        "command": command,
        "context": context,
        "config": config,
        "properties": properties,
        "artifacts_dir": os.getcwd() if artifacts_dir is WORKING_DIRECTORY else artifacts_dir,  # noqa: PTH109
        "echo": where.is_single if echo is None else echo,
        "encoding": encoding,
        "in_process": where.in_process,
        "autolog": autolog,
        "args": args,
        "timeout": timeout,
        "python": python,
        "pass_flags": pass_flags,
        "sources": sources,
    }
    token = secrets.token_hex(8)

    def order(trial: Trial, after: int, slot: int) -> Order:
        given = {**arguments, "env": {**(env or {}), **device_env(devices, slot)}}
        if envir is not None:
            given["envir"] = dict(envir)
        return Order(
            sweep,
            trial,
            after,
            token,
            given,
            source.metric,
            is_quiet=not where.is_single,
            is_apart=not where.is_ours,
        )

    policy = Policy(where.slots, retries, stops_on_error=on_error == "stop")
    with Teller(sweep, source, policy, shows=progress) as teller, sigterm_raises():
        try:
            Schedule(sweep, source, where.executor, policy=policy, order=order, listener=teller).run(token)
        finally:
            if where.is_ours:
                where.executor.shutdown()
    return runs_of(sweep, source.trials(), below)


def refuse_nesting() -> None:
    """Refuses a sweep inside a run of a sweep.

    Raises:
        TfrunsError: This is one.
    """
    outer = sweep_here()
    if outer is not None:
        raise TfrunsError(
            f"tuning_run was called by a run of the sweep {outer}; sweeps do not nest. Give the outer sweep "
            "all flags, or call training_run here"
        )


def _check_choice(name: str, given: str, choices: tuple[str, str]) -> None:
    if given not in choices:
        raise ValueError(f'{name} is "{choices[0]}" or "{choices[1]}", not {given!r}')
