"""`run.json`: what we know of a run that R has no file for. Unknown keys are kept."""

from __future__ import annotations

import json
from typing import Any, cast

from tfruns_rs import _core
from tfruns_rs.tfruns import _json
from tfruns_rs.tfruns._run_metadata import META_DIR

FORMAT = 1


def read_run_json(run_dir: str) -> dict[str, Any]:
    """The content; empty where there is none or it can't be read."""
    content = read_json(f"{run_dir}/{META_DIR}/run.json")
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def update_run_json(run_dir: str, changes: dict[str, Any]) -> None:
    """Sets keys, keeps the others."""
    content = {"format": FORMAT, **read_run_json(run_dir), **changes}
    _core.write_atomic(f"{run_dir}/{META_DIR}/run.json", _json.dumps(_json.plain(content)))


def read_json(path: str) -> Any:
    """A JSON file; None where there is none or it can't be read."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - as cheap as it gets
            return json.load(file)
    except (OSError, ValueError, RecursionError):
        return None
