"""Runs as the pages take them: whatever names a run becomes what `run_info` says of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from tfruns_rs.errors import RunNotFoundError
from tfruns_rs.tfruns._ls_runs import ls_runs
from tfruns_rs.tfruns._run_info import latest_run, run_info

Info = Mapping[str, Any]


def one(run_dir: Any = None) -> Info:
    """What is known of a run: the latest by default.

    Raises:
        RunNotFoundError: There is no such run, or none at all.
    """
    if run_dir is None:
        info = latest_run()
        if info is None:
            raise RunNotFoundError("there are no runs yet")
        return info
    infos = many(run_dir)
    if len(infos) != 1:
        raise RunNotFoundError(f"a report shows one run, not {len(infos)}")
    return infos[0]


def many(runs: Any = None) -> list[Info]:
    """What is known of several runs: the two latest by default.

    Raises:
        RunNotFoundError: There is no such run.
    """
    infos = run_info(ls_runs(latest_n=2) if runs is None else runs)
    return cast("list[Info]", infos) if isinstance(infos, list) else [infos]


def name_of(info: Info) -> str:
    """The name of a run's directory."""
    return Path(os.path.abspath(info["run_dir"])).name  # noqa: PTH100 - a link in the name stays a name
