"""Runs for MLflow, through its own client.

| here | there |
|---|---|
| folder | experiment |
| name; alternative name | run name; tag `tfruns.alternative_name`, by which the run is found again |
| hyperparameters | parameters, dotted; one that changed later is the tag `tfruns.hparams.<name>` |
| metrics | `<type>/<name>`, characters that MLflow refuses replaced by "_" |
| labels, associations, description | tags `tfruns.labels`, `tfruns.associations`, `mlflow.note.content` |
| files | artifacts below `tfruns/` |

MLflow has no write on a condition: of two uploads of one name at once both may succeed, under one name.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfruns_rs.errors import ConflictError, FolderNotFoundError, MissingExtraError, UploadError
from tfruns_rs.tracking import _manifest
from tfruns_rs.tracking._hparams import leaves
from tfruns_rs.tracking._names import seconds, timestamp

if TYPE_CHECKING:
    from tfruns_rs.tracking._login import Login
    from tfruns_rs.tracking._run import Run
    from tfruns_rs.tracking._upload import Action, Report, Request

_IDENTITY = "tfruns.alternative_name"
_STATUS = {"Running": "RUNNING", "Complete": "FINISHED", "Error": "FAILED"}
_METRICS, _PARAMS, _TEXT = 1000, 100, 5000


def check_mlflow(login: Login, api_key: str | None, timeout: float | None) -> None:
    """Asks the server one question.

    Raises:
        MissingExtraError: MLflow is not installed.
        UploadError: It does not answer.
    """
    if api_key is not None:
        os.environ["MLFLOW_TRACKING_TOKEN"] = api_key
    if timeout is not None:
        os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(max(1, round(timeout)))
    _guarded(login, lambda: _client(login).search_experiments(max_results=1))


def _client(login: Login) -> Any:
    try:
        tracking: Any = import_module("mlflow.tracking")
    except ImportError:
        raise MissingExtraError("MLflow servers need mlflow: pip install 'tfruns-rs[mlflow]'") from None
    return tracking.MlflowClient(tracking_uri=login.mlflow)


def _guarded(login: Login, work: Any) -> Any:
    from tfruns_rs.tracking._login import redacted

    try:
        return work()
    except (ConflictError, FolderNotFoundError, MissingExtraError, UploadError):
        raise
    except Exception as error:  # noqa: BLE001 - MLflow's client raises what its libraries raise
        problem = redacted(f"{type(error).__name__}: {error}", login.secrets)
    raise UploadError(f"{login.url}: {problem}")


def upload_to_mlflow(run: Run, request: Request) -> Report:
    """Uploads a run. Doing it again sends it to the same one."""
    return _guarded(request.login, lambda: _upload(run, request))


def _upload(run: Run, request: Request) -> Report:
    from tfruns_rs.tracking._upload import Report

    client = _client(request.login)
    experiment = _experiment(client, request)
    found = _find(client, experiment, f"tags.`{_IDENTITY}` = '{run.alternative_name}'")
    old: list[Any] = []
    name, action = run.name, "updated"
    if not found:
        taken = _find(client, experiment, f"attributes.run_name = '{run.name}'")
        name, action, old = _settle(run, request, taken)
        if action == "skipped":
            return Report(str(run.local), "", "skipped", 0, 0)
    run_id: str = found[0].info.run_id if found else _create(client, experiment, run, name)
    name = found[0].info.run_name if found else name
    _send_values(client, run_id, run)
    sent = _send_files(client, run_id, run)
    if run.status != "Running":
        end = seconds(run.end_timestamp) or time.time()
        client.set_terminated(run_id, _STATUS[run.status], int(end * 1000))
    client.set_tag(run_id, "tfruns.complete", "true")
    for other in old:
        client.delete_run(other.info.run_id)
    path = f"{request.folder.rstrip('/')}/{name}"
    entry = {"action": "upload", "timestamp": timestamp(time.time()), "host": request.login.url, "path": path}
    _remember(run, {**entry, "id": run_id})
    return Report(str(run.local), path, action, sent, 0)


def _experiment(client: Any, request: Request) -> str:
    found = client.get_experiment_by_name(request.folder)
    if found is not None:
        return found.experiment_id
    if not request.make_folder and request.folder != f"/{request.login.user}/default":
        raise FolderNotFoundError(
            f"{request.login.url} has no experiment {request.folder}; make_folder=True makes it"
        )
    return client.create_experiment(request.folder)


def _find(client: Any, experiment: str, condition: str) -> list[Any]:
    return list(client.search_runs([experiment], condition, max_results=100))


def _settle(run: Run, request: Request, taken: list[Any]) -> tuple[str, Action, list[Any]]:
    """The name to use, what that is called, and the runs to delete at the end."""
    if not taken:
        return run.name, "created", []
    if request.strategy == "skip":
        return run.name, "skipped", []
    if request.strategy == "error":
        holder = taken[0].data.tags.get(_IDENTITY, taken[0].info.run_id)
        raise ConflictError(f"{request.login.url}{request.folder} has another {run.name!r}: {holder}")
    if request.strategy == "replace":
        return run.name, "replaced", taken
    return run.alternative_name, "renamed", []


def _create(client: Any, experiment: str, run: Run, name: str) -> str:
    start = seconds(run.start_timestamp) or time.time()
    created = client.create_run(experiment, int(start * 1000), {_IDENTITY: run.alternative_name}, name)
    return created.info.run_id


def _send_values(client: Any, run_id: str, run: Run) -> None:
    entities: Any = import_module("mlflow.entities")
    present: dict[str, str] = client.get_run(run_id).data.params
    params: list[Any] = []
    tags = {
        "tfruns.labels": json.dumps(run.labels, ensure_ascii=False),
        "tfruns.associations": json.dumps(run.associations, ensure_ascii=False),
        "mlflow.note.content": run.description,
    }
    for name, value in leaves(run.hparams.as_dict()).items():
        key, text = _key(name), str(value)
        if (key in present and present[key] != text) or len(text) > _TEXT:
            tags[f"tfruns.hparams.{key}"] = text
        elif key not in present:
            params.append(entities.Param(key, text))
    for at in range(0, len(params), _PARAMS):
        client.log_batch(run_id, params=params[at : at + _PARAMS])
    client.log_batch(run_id, tags=[entities.RunTag(key, value[:_TEXT]) for key, value in tags.items()])
    metrics = [
        entities.Metric(_key(f"{kind}/{name}"), value, round(at.timestamp() * 1000) if at else 0, step)
        for kind, name, step, at, value in run.metrics_frame()
        .select("type", "name", "step", "timestamp", "value")
        .iter_rows()
    ]
    for at in range(0, len(metrics), _METRICS):
        client.log_batch(run_id, metrics=metrics[at : at + _METRICS])


def _key(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_\-. /:]", "_", name)


def _send_files(client: Any, run_id: str, run: Run) -> int:
    """The files as they are listed for any destination, unless the last upload listed the same."""
    snapshot = _manifest.snapshot(str(run.local), "Run", run.alternative_name, None)
    if client.get_run(run_id).data.tags.get("tfruns.manifest") == snapshot.digest:
        return 0
    sent = 0
    with tempfile.TemporaryDirectory() as temporary:
        for file in json.loads(snapshot.manifest)["files"]:
            directory, _, name = file["path"].rpartition("/")
            path = os.path.join(snapshot.directory, *file["path"].split("/"))  # noqa: PTH118
            chunk = snapshot.chunks[file["chunks"][0][0]]
            if chunk.data is not None:
                path = os.path.join(temporary, name)  # noqa: PTH118
                with open(path, "wb") as write:  # noqa: PTH123
                    write.write(chunk.data)
            client.log_artifact(run_id, path, f"tfruns/{directory}" if directory else "tfruns")
            sent += file["size"]
    client.set_tag(run_id, "tfruns.manifest", snapshot.digest)
    return sent


def _remember(run: Run, entry: dict[str, str]) -> None:
    def remember(record: dict[str, Any]) -> None:
        history = record.setdefault("remote", [])
        known = {(old.get("host"), old.get("path"), old.get("id")) for old in history}
        if (entry["host"], entry["path"], entry["id"]) not in known:
            history.append(entry)

    run._update(remember)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
