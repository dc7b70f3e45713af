"""Sacred's `FileStorageObserver`: a numbered directory a run.

| file | content |
|---|---|
| `run.json` | status, times (UTC), experiment, host, result, traceback, names of artifacts |
| `config.json` | the configuration, nested |
| `metrics.json` | a metric each: steps, timestamps, values |
| `cout.txt` | the console |
| others | artifacts |
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any, cast

from tfruns_rs.importers._foreign import (
    ForeignRun,
    SkippedRunError,
    Status,
    UnreadableRunError,
    files_below,
    mapping,
    read_json,
    read_text,
    sequence,
)

TOOL = "sacred"
_STATUSES: dict[str, Status] = {
    "COMPLETED": "completed",
    "FAILED": "failed",
    "DIED": "failed",
    "TIMEOUT": "failed",
    "INTERRUPTED": "interrupted",
}
_OWN = {"run.json", "config.json", "metrics.json", "cout.txt", "info.json"}


def is_run(name: str, folders: set[str], files: set[str]) -> bool:  # noqa: ARG001 - as of every tool
    """Whether a directory of this name and these entries is a run of this tool."""
    return "run.json" in files and bool({"config.json", "cout.txt"} & files)


def read(directory: str) -> ForeignRun:
    """The run in a directory.

    Raises:
        SkippedRunError: It was only queued.
        UnreadableRunError: A file is no JSON, or `run.json` is none of Sacred's.
    """
    record = mapping(read_json(f"{directory}/run.json"))
    experiment = mapping(record.get("experiment"))
    status = record.get("status")
    if not isinstance(status, str):
        raise UnreadableRunError("run.json has no status")
    if status == "QUEUED":
        raise SkippedRunError("it was queued, and never started")
    identity = os.path.abspath(directory)  # noqa: PTH100 - numbers are unique below one directory only
    name = f"{experiment.get('name') or 'run'}/{os.path.basename(identity)}"  # noqa: PTH119
    run = ForeignRun(TOOL, directory, identity, name, _STATUSES.get(status, "unknown"))
    run.start, run.end = _time(record.get("start_time")), _time(record.get("stop_time"))
    run.hparams = {
        key: _plain(value)
        for key, value in mapping(read_json(f"{directory}/config.json")).items()
        if not key.startswith("__")
    }
    for tag, metric in mapping(read_json(f"{directory}/metrics.json")).items():
        _read_metric(run, tag, mapping(metric))
    result = _plain(record.get("result"))
    run.evaluation = result if isinstance(result, dict) else {} if result is None else {"result": result}
    run.properties = {
        "script": experiment.get("mainfile"),
        "experiment": experiment.get("name"),
        "command": record.get("command"),
    }
    run.properties |= {f"info_{k}": v for k, v in mapping(read_json(f"{directory}/info.json")).items()}
    trace = "".join(str(line) for line in sequence(record.get("fail_trace")))
    if run.status == "failed":
        run.error = (trace.strip().rpartition("\n")[2] or status.lower(), trace)
    run.environment = {
        "packages": experiment.get("dependencies"),
        "python": mapping(record.get("host")).get("python_version"),
    }
    run.output = read_text(f"{directory}/cout.txt")
    run.files = [(path, f"artifacts/{place}") for path, place in files_below(directory) if place not in _OWN]
    return run


def _read_metric(run: ForeignRun, tag: str, metric: dict[str, Any]) -> None:
    steps, times, values = (sequence(metric.get(key)) for key in ("steps", "timestamps", "values"))
    left_out = max(len(steps), len(values)) - min(len(steps), len(values))
    for i, (step, value) in enumerate(zip(steps, values, strict=False)):
        time = _time(times[i]) if i < len(times) else None
        left_out += not (isinstance(step, int) and run.add(tag, step, time, _plain(value)))
    if left_out:
        run.problems.append(f"metrics.json: {left_out} values of {tag!r} are no numbers")


def _time(text: Any) -> float | None:
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _plain(value: Any) -> Any:
    """What jsonpickle wrapped: tuples and numbers of numpy."""
    if isinstance(value, dict):
        found = cast("dict[str, Any]", value)
        for key in ("py/tuple", "py/set"):
            if key in found:
                return _plain(found[key])
        if "py/object" in found and "value" in found:
            return _plain(found["value"])
        return {key: _plain(item) for key, item in found.items()}
    return [_plain(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value
