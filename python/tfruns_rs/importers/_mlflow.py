"""MLflow's file store: `mlruns/<experiment>/<run>/`.

| file | content |
|---|---|
| `meta.yaml` | id, name, status, times in milliseconds |
| `params/<name>` | a text each; names may have slashes, which are directories |
| `metrics/<name>` | a line a value: milliseconds, value, step |
| `tags/<name>` | a text each; those of MLflow itself begin with `mlflow.` |
| `artifacts/` | files |
"""

from __future__ import annotations

import os

from tfruns_rs.importers._foreign import (
    ForeignRun,
    SkippedRunError,
    Status,
    UnreadableRunError,
    files_below,
    mapping,
    read_text,
    read_yaml,
    seconds_of,
    typed,
)

TOOL = "mlflow"
_STATUSES: dict[str, Status] = {
    "3": "completed",
    "FINISHED": "completed",
    "4": "failed",
    "FAILED": "failed",
    "5": "failed",
    "KILLED": "failed",
}


def is_run(name: str, folders: set[str], files: set[str]) -> bool:  # noqa: ARG001 - as of every tool
    """Whether a directory of this name and these entries is a run of this tool."""
    return "meta.yaml" in files and bool({"metrics", "params", "artifacts"} & folders)


def read(directory: str) -> ForeignRun:
    """The run in a directory.

    Raises:
        SkippedRunError: It was deleted.
        UnreadableRunError: Its `meta.yaml` can't be understood.
    """
    meta = mapping(read_yaml(f"{directory}/meta.yaml"))
    identity = str(meta.get("run_id", meta.get("run_uuid", "")))
    if not identity:
        raise UnreadableRunError("meta.yaml has no run_id")
    if meta.get("lifecycle_stage") == "deleted":
        raise SkippedRunError("it was deleted in MLflow")
    tags = {name: read_text(path) for path, name in files_below(f"{directory}/tags")}
    run = ForeignRun(
        TOOL,
        directory,
        identity,
        name=str(meta.get("run_name") or tags.get("mlflow.runName") or ""),
        status=_STATUSES.get(str(meta.get("status")), "unknown"),
        start=seconds_of(meta.get("start_time"), 1000),
        end=seconds_of(meta.get("end_time"), 1000),
        description=tags.get("mlflow.note.content", ""),
        parent=tags.get("mlflow.parentRunId"),
    )
    if run.status == "failed":
        run.error = ("killed" if str(meta.get("status")) in ("5", "KILLED") else "failed, as MLflow says", "")
    run.hparams = {name: typed(read_text(path)) for path, name in files_below(f"{directory}/params")}
    for path, name in files_below(f"{directory}/metrics"):
        _read_metric(run, name, path)
    experiment = mapping(read_yaml(f"{os.path.dirname(directory)}/meta.yaml"))  # noqa: PTH120
    run.properties = {f"tag_{name}": text for name, text in tags.items() if not name.startswith("mlflow.")}
    run.properties |= {"experiment": experiment.get("name"), "script": tags.get("mlflow.source.name")}
    if commit := tags.get("mlflow.source.git.commit"):
        run.environment = {"git": {"commit": commit}}
    run.files = list(files_below(f"{directory}/artifacts", "artifacts"))
    return run


def _read_metric(run: ForeignRun, name: str, path: str) -> None:
    broken = 0
    for line in read_text(path).splitlines():
        parts = line.split()
        try:
            time, value, step = float(parts[0]), float(parts[1]), int(parts[2]) if len(parts) > 2 else 0  # noqa: PLR2004
            broken += not run.add(name.replace(os.sep, "/"), step, time / 1000, value)
        except (IndexError, ValueError):
            broken += 1
    if broken:
        run.problems.append(f"metrics/{name}: {broken} lines can't be read")
