"""Guild AI: `<home>/runs/<id>/`, with what Guild knows in `.guild/`.

| file | content |
|---|---|
| `.guild/attrs/<name>` | YAML each: flags, label, tags, started and stopped (microseconds), exit_status |
| `.guild/opref` | the operation: its model and name, in quotes where empty |
| `.guild/output` | the console |
| `.guild/STAGED`, `.guild/PENDING` | the run has not begun |
| event files anywhere | its scalars; those that Guild wrote itself are in `.guild/` |
| others | what the script left |
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from tfruns_rs.importers._foreign import (
    ForeignRun,
    SkippedRunError,
    UnreadableRunError,
    files_below,
    mapping,
    number_of,
    read_text,
    read_yaml,
    seconds_of,
    sequence,
)

TOOL = "guild"
_NOT_BEGUN = ("STAGED", "PENDING")


def is_run(name: str, folders: set[str], files: set[str]) -> bool:  # noqa: ARG001 - as of every tool
    """Whether a directory of this name and these entries may be a run of this tool."""
    return ".guild" in folders


def read(directory: str) -> ForeignRun:
    """The run in a directory.

    Raises:
        SkippedRunError: It was only staged.
        UnreadableRunError: It has no attributes.
    """
    guild = f"{directory}/.guild"
    attributes: dict[str, Any] = {}
    problems: list[str] = []
    for path, name in files_below(f"{guild}/attrs"):
        try:
            attributes[name] = read_yaml(path)
        except UnreadableRunError as error:
            problems.append(f"attrs/{error}")
    if not attributes:
        raise UnreadableRunError("; ".join(problems) or ".guild/attrs is missing or empty")
    if any(os.path.lexists(f"{guild}/{name}") for name in _NOT_BEGUN):
        raise SkippedRunError("it was staged, and never started")
    operation = _operation(read_text(f"{guild}/opref"))
    identity = str(attributes.get("id") or os.path.basename(os.path.abspath(directory)))  # noqa: PTH100, PTH119
    run = ForeignRun(TOOL, directory, identity, str(attributes.get("label") or operation), problems=problems)
    run.start = seconds_of(attributes.get("started"), 1e6)
    run.end = seconds_of(attributes.get("stopped"), 1e6)
    code = number_of(attributes.get("exit_status"))
    if code is not None:
        run.status = "completed" if code == 0 else "failed"
        run.error = None if code == 0 else (f"exit status {code:.0f}", "")
        run.properties["exit_code"] = int(code)
    run.hparams = mapping(attributes.get("flags"))
    run.labels = [str(tag) for tag in sequence(attributes.get("tags"))]
    comments = [mapping(comment) for comment in sequence(attributes.get("comments"))]
    run.description = "\n\n".join(str(comment.get("body", "")) for comment in comments)
    run.properties |= {"operation": operation, "random_seed": attributes.get("random_seed")}
    run.environment = {"packages": attributes.get("pip_freeze")}
    run.output = read_text(f"{guild}/output")
    for path, place in files_below(directory):
        folder, name = os.path.split(place)
        if "tfevents" in name:
            parts = [part for part in Path(folder).parts if part != ".guild"]
            run.event_files.append((path, "/".join(parts) or "."))
        elif not place.startswith(".guild" + os.sep):
            run.files.append((path, f"artifacts/{place}"))
    return run


def _operation(opref: str) -> str:
    """The last word of an operation's reference, with its model's name if it has one."""
    try:
        words = shlex.split(opref)
    except ValueError:
        words = opref.split()
    return ":".join(word for word in words[-2:] if word)
