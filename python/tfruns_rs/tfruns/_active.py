"""Which run is active: the innermost of this process, else the one that a parent process handed over.

`training_run` hands a run to its script by the environment, so that any process below it (data loaders,
ranks, shells) knows where it belongs. Directories are absolute: a script that changes directory changes
nothing.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from tfruns_rs.tfevents._lifecycle import flush
from tfruns_rs.tfevents._logdir import set_run_logdir

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RUN_DIR = "TFRUNS_RUN_DIR"
RUN_CONTEXT = "TFRUNS_RUN_CONTEXT"

_RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")


class ActiveRun(NamedTuple):
    """A run that takes metadata.

    Attributes:
        run_dir: Its directory, absolute.
        config: The configuration that `flags()` uses where the script names none.
        flags: Values that win over all others, as text or plain values.
        flags_file: The YAML file that replaces `flags.yml`.
        ranks: The rank variables of the process that started the run: not ranks of this run.
    """

    run_dir: str
    config: str | None = None
    flags: Mapping[str, Any] | None = None
    flags_file: str | None = None
    ranks: Mapping[str, str] | None = None


_stack: list[ActiveRun] = []
_logdirs: list[str | None] = []
_handed_over: tuple[tuple[str, str], ActiveRun] | None = None
on_start: list[Callable[[ActiveRun], None]] = []
"""Called with every run that this process starts."""


def push(run: ActiveRun) -> None:
    """Makes `run` the active one."""
    _stack.append(run)
    _logdirs.append(set_run_logdir(f"{run.run_dir}/logs"))
    begin(run)


def begin(run: ActiveRun) -> None:
    """A run of this process begins, whether its script runs here or in a process of its own."""
    for started in on_start:
        started(run)


def pop(run: ActiveRun) -> None:
    """Ends `run`, and those that were started inside it and forgotten."""
    if run not in _stack:
        return
    flush()
    while _stack:
        ended = _stack.pop()
        set_run_logdir(_logdirs.pop())
        if ended is run:
            return


def current() -> ActiveRun | None:
    """The active run."""
    if _stack:
        return _stack[-1]
    run_dir = os.environ.get(RUN_DIR)
    if not run_dir:
        return None
    return _from_environment(run_dir, os.environ.get(RUN_CONTEXT, ""))


def _from_environment(run_dir: str, context: str) -> ActiveRun:
    global _handed_over  # noqa: PLW0603 - parsed once for each environment
    key = (run_dir, context)
    if _handed_over is None or _handed_over[0] != key:
        told = cast("dict[str, Any]", json.loads(context)) if context else {}
        run = ActiveRun(
            os.path.abspath(run_dir),  # noqa: PTH100 - pathlib costs import time
            told.get("config"),
            told.get("flags"),
            told.get("flags_file"),
            told.get("ranks"),
        )
        _handed_over = (key, run)
    return _handed_over[1]


def to_environment(run: ActiveRun) -> dict[str, str]:
    """The variables that hand `run` to a child."""
    told = {"config": run.config, "flags": run.flags, "flags_file": run.flags_file, "ranks": run.ranks}
    return {
        RUN_DIR: run.run_dir,
        RUN_CONTEXT: json.dumps({key: value for key, value in told.items() if value is not None}),
    }


def rank() -> int:
    """The rank among the processes of a distributed run; 0 where there is only one.

    A run that a rank starts by `training_run` is all that rank's own.
    """
    run = current()
    outer: Mapping[str, str] = (run and run.ranks) or {}
    return next((int(value) for name, value in ranks().items() if outer.get(name) != value), 0)


def ranks() -> dict[str, str]:
    """The variables that launchers tell ranks by, those that count first."""
    found = ((name, os.environ.get(name, "")) for name in _RANKS)
    return {name: value for name, value in found if value.isdigit()}
