"""A recorded run, run again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs.errors import FlagsError, RunNotFoundError
from tfruns_rs.tfruns._record import load
from tfruns_rs.tfruns._run_info import run_info
from tfruns_rs.tfruns._run_metadata import META_DIR
from tfruns_rs.tfruns._training_run import training_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from tfruns_rs.tfruns._run_dir import Runs

_MASK = "***"
_SCRIPT_PARTS = 3


def rerun(run: Runs, *, flags: Mapping[str, Any] | None = None, **options: Any) -> pl.DataFrame:
    """Runs what a run ran once more: its script or command, with its arguments and flags, as a new run.

    The script is the one that is there now; the new run's property `rerun_of` names the run.

    Args:
        run: The run.
        flags: Flags to change; the others are the run's.
        **options: As for `training_run`.

    Returns:
        The new run as a row, as `training_run` does.

    Raises:
        RunNotFoundError: There is no such run.
        FlagsError: A flag or argument was masked as a secret and has no new value.
        ValueError: The run does not tell what it ran, as R's runs and functions don't.
        TrainingRunError: The script failed; the run is recorded.
    """
    info = run_info(run)
    if isinstance(info, list):
        raise ValueError(f"one run can be run again at a time, not {len(info)}")  # noqa: TRY004 - several
    name = os.path.basename(info["run_dir"])  # noqa: PTH119 - text
    command, directory = _command(info["run_dir"], name)
    values = _flags(info["run_dir"]) | dict(flags or {})
    secret = [flag for flag, value in values.items() if value == _MASK]
    if secret:
        raise FlagsError(f"the run {name} kept no value of {', '.join(secret)}, a secret: give it anew")
    if any(_MASK in word for word in command):
        raise FlagsError(f"the command line of the run {name} held a secret, which was not kept")
    script = info.get("script") or ""
    given: dict[str, Any] = dict(options)
    given["properties"] = {"rerun_of": name, **dict(given.get("properties") or {})}
    if values:
        given["flags"] = values
    if len(command) >= _SCRIPT_PARTS and command[1] == "-u" and Path(command[2]).name == script:
        found = command[2] if Path(command[2]).is_file() else os.path.join(directory, command[2])  # noqa: PTH118
        return training_run(found, args=command[_SCRIPT_PARTS:], **given)
    if Path(command[0]).name != script:
        raise ValueError(f"the run {name} ran inside another program ({script}): call that again")
    return training_run(command=command, **given)


def _command(run_dir: str, name: str) -> tuple[list[str], str]:
    content: Any = load(f"{run_dir}/{META_DIR}/environment.json")
    environment = cast("dict[str, Any]", content) if isinstance(content, dict) else {}
    command: Any = environment.get("command")
    if not isinstance(command, list) or not command:
        if not os.path.isdir(run_dir):  # noqa: PTH112
            raise RunNotFoundError(f"there is no run {name}")
        raise ValueError(f"the run {name} does not tell the command it ran")
    return [str(word) for word in cast("list[Any]", command)], str(environment.get("directory") or "")


def _flags(run_dir: str) -> dict[str, Any]:
    content: Any = load(f"{run_dir}/{META_DIR}/flags.json")
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}
