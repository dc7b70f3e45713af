"""Runs as the pages take them: whatever names a run becomes what `run_info` says of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Info = Mapping[str, Any]


def one(run_dir: Any = None) -> Info:
    """What is known of a run: the latest by default."""
    if isinstance(run_dir, Mapping):
        return run_dir  # pyright: ignore[reportUnknownVariableType] - a run's keys are text
    raise NotImplementedError


def many(runs: Any = None) -> list[Info]:
    """What is known of several runs: the two latest by default."""
    return [one(run) for run in runs]


def name_of(info: Info) -> str:
    """The name of a run's directory."""
    return Path(os.path.abspath(info["run_dir"])).name  # noqa: PTH100 - a link in the name stays a name


def option_viewer() -> Any:
    """The option `viewer`."""
    return None
