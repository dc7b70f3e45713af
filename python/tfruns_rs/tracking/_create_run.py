"""Starting runs, opening them again, and the one that is active."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, cast

from tfruns_rs import _core
from tfruns_rs.errors import ConflictError, RunNotFoundError
from tfruns_rs.tfruns import _active, _record
from tfruns_rs.tfruns._options import runs_dir_or_option
from tfruns_rs.tfruns._run_metadata import write_properties
from tfruns_rs.tracking._environment import write_environment
from tfruns_rs.tracking._hparams_file import read_hparams, write_hparams
from tfruns_rs.tracking._metadata import COMPLETE, ERROR, KEYS, RUNNING, texts
from tfruns_rs.tracking._names import alternative_name, check_name, timestamp
from tfruns_rs.tracking._run import Run
from tfruns_rs.tracking._session import Session

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    PathLike = str | os.PathLike[str]
    ConflictStrategy = Literal["skip", "error", "new", "replace"]

_open: list[Run] = []
_CONFIG = (
    "name",
    "hparams",
    "labels",
    "description",
    "auto_upload",
    "folder",
    "make_folder",
    "conflict_strategy",
)


def create_run(  # noqa: PLR0917 - the original's signature
    config_path: PathLike | None = None,
    name: str = "default",
    hparams: Mapping[str, Any] | None = None,
    labels: Iterable[str] | None = None,
    description: str = "",
    auto_upload: bool = False,  # noqa: FBT001, FBT002 - the original's signature
    folder: str = "default",
    make_folder: bool = False,  # noqa: FBT001, FBT002
    conflict_strategy: ConflictStrategy = "new",
    *,
    runs_dir: PathLike | None = None,
    system_metrics: bool | float = False,
) -> Run:
    """Starts a run: makes its directory and makes it the active one.

    Until `finish()` it takes metrics, `log_event()` writes into it, and `flags()` and `write_run_metadata()`
    speak of it. A process that ends without `finish()` leaves it with the status "Error".

    Args:
        config_path: A YAML file with any of the arguments from `name` to `conflict_strategy`. What it says
            wins.
        name: 1 to 40 letters, digits, "-" and "_".
        hparams: Hyperparameters.
        labels: Labels.
        description: A description.
        auto_upload: Whether to upload in the background while it runs, and at the end; `run.sync_status`
            tells how that goes.
        folder: Where `auto_upload` uploads to; see `Run.upload`.
        make_folder: See `Run.upload`.
        conflict_strategy: See `Run.upload`.
        runs_dir: Where to make it; by default the option `runs_dir`.
        system_metrics: Whether to sample processor, memory, disk, network and graphics cards, every 10
            seconds or as many as given, as metrics of type "system".

    Raises:
        ValueError: A name that is none, or an unknown key in the file.
    """
    given: dict[str, Any] = {
        "name": name,
        "hparams": hparams,
        "labels": labels,
        "description": description,
        "auto_upload": auto_upload,
        "folder": folder,
        "make_folder": make_folder,
        "conflict_strategy": conflict_strategy,
    }
    if config_path is not None:
        given.update(_read_config(config_path))
    check_name(given["name"])
    if system_metrics:
        from tfruns_rs.tracking import _system_metrics  # a missing package is told before a run is made

        _system_metrics.require()
    upload = {key: given[key] for key in ("folder", "make_folder", "conflict_strategy")}
    if given["auto_upload"]:
        from tfruns_rs.tracking._login import current_login
        from tfruns_rs.tracking._upload import check_upload

        check_upload(**upload)
        current_login()
    now = time.time()
    run = Run(
        {
            "name": given["name"],
            "labels": texts("labels", given["labels"] or []),
            "description": str(given["description"]),
            "startTimestamp": timestamp(now),
            "endTimestamp": None,
            "status": RUNNING,
            "alternativeName": alternative_name(given["name"], now),
            "associations": {},
            "remote": [],
        },
        given["hparams"],
    )
    directory = os.path.abspath(_core.unique_run_dir(runs_dir_or_option(runs_dir), 0))  # noqa: PTH100
    _begin(directory, run, now)
    run._bind(directory, Session(directory, is_owner=True))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    _open.append(run)
    _start_helpers(run, upload if given["auto_upload"] else None, system_metrics)
    return run


def _begin(directory: str, run: Run, now: float) -> None:
    """The directory's first files. `run.json` is complete before the properties say that the run is one."""
    meta = f"{directory}/{_record.META_DIR}"
    os.makedirs(f"{meta}/properties", exist_ok=True)  # noqa: PTH103
    told = run.to_dict()
    fields = {field: told[key] for key, field in KEYS.items()}
    fields["sessions"] = [{"start": now}]
    parent = _active.current()
    if parent is not None:
        fields["parent"] = os.path.basename(parent.run_dir)  # noqa: PTH119
    _record.update(directory, lambda record: record.update(fields))
    if len(run.hparams):
        write_hparams(directory, run.hparams.as_dict())
    write_environment(directory)
    properties = {"type": "training", "context": "local", "name": run.name, "start": now, "completed": False}
    if parent is not None:
        properties["parent"] = fields["parent"]
    write_properties(directory, properties)


def _read_config(path: PathLike) -> dict[str, Any]:
    import yaml

    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        config = yaml.safe_load(file)
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise ValueError(f"{os.fspath(path)} holds no mapping")  # noqa: TRY004 - the file is wrong, not the argument
    config = cast("dict[str, Any]", config)
    unknown = [str(key) for key in config if key not in _CONFIG]
    if unknown:
        raise ValueError(f"{os.fspath(path)}: unknown {', '.join(unknown)}; known are {', '.join(_CONFIG)}")
    return config


def load_run(
    path: PathLike,
    auto_upload: bool = False,  # noqa: FBT001, FBT002 - the original's signature
    folder: str = "default",
    make_folder: bool = False,  # noqa: FBT001, FBT002
    conflict_strategy: ConflictStrategy = "new",
    *,
    resume: bool = False,
    runs_dir: PathLike | None = None,
) -> Run:
    """Opens a run.

    Opened for reading it can be looked at, labelled and uploaded; nothing about its training changes. With
    `resume` it runs again: its status is "Running", it takes metrics and hyperparameters, and its record has
    one more session with the time, host, platform and git of now; the first ones stay.

    Args:
        path: A run's directory, or one below the option `runs_dir`: ours, one of R's tfruns, or one of t9k's
            `em` (for reading). Else a path at the destination of `login()`, from where it is downloaded.
        auto_upload: Whether to upload in the background; see `create_run`.
        folder: Where to; see `Run.upload`.
        make_folder: See `Run.upload`.
        conflict_strategy: See `Run.upload`.
        resume: Whether to go on with it.
        runs_dir: Where a download goes; by default the option `runs_dir`.

    Raises:
        RunNotFoundError: There is no such run.
        ConflictError: It runs already, in another process or this one.
    """
    directory = _find(path, runs_dir)
    if directory is None:
        from tfruns_rs.tracking._download import download_run

        directory = download_run(os.fspath(path), runs_dir)
    run = open_run(directory)
    if resume:
        _resume(run, directory)
    if auto_upload:
        upload = {"folder": folder, "make_folder": make_folder, "conflict_strategy": conflict_strategy}
        _start_helpers(run, upload, system_metrics=False)
    return run


def _find(path: PathLike, runs_dir: PathLike | None) -> str | None:
    text = os.fspath(path)
    for candidate in (text, os.path.join(runs_dir_or_option(runs_dir), text)):  # noqa: PTH118
        if os.path.isdir(candidate):  # noqa: PTH112
            return os.path.abspath(candidate)  # noqa: PTH100
    return None


def open_run(directory: str) -> Run:
    """The run of a directory, for reading.

    Raises:
        RunNotFoundError: It is no run's.
    """
    if os.path.isdir(f"{directory}/{_record.META_DIR}"):  # noqa: PTH112
        run = Run(_metadata(directory), read_hparams(directory))
        return run._bind(directory, None)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    if os.path.isfile(f"{directory}/metadata.yaml"):  # noqa: PTH113
        from tfruns_rs.tracking._em import read_em_run

        return read_em_run(directory)
    raise RunNotFoundError(f"{directory} holds no run: it has no {_record.META_DIR}")


def _metadata(directory: str) -> dict[str, Any]:
    """The metadata as `run.json` tells them, else as R's properties do."""
    record = _record.read(directory)
    start = _property_time(directory, "start")
    end = _property_time(directory, "end")
    name = record.get("name") or _name_of(directory)
    status = record.get("status")
    if status not in {RUNNING, COMPLETE, ERROR}:
        completed = _property(directory, "completed") == "TRUE"
        status = COMPLETE if completed else ERROR if end is not None else RUNNING
    found = {
        "name": name,
        "labels": record.get("labels"),
        "description": record.get("description", ""),
        "start_timestamp": record.get("start_timestamp") or (None if start is None else timestamp(start)),
        "end_timestamp": record.get("end_timestamp") or (None if end is None else timestamp(end)),
        "status": status,
        "alternative_name": record.get("alternative_name") or _identity(directory, name, start),
        "associations": record.get("associations"),
        "remote": record.get("remote"),
    }
    extra = {key: value for key, value in record.items() if key not in found}
    return {**extra, **{key: found[field] for key, field in KEYS.items()}}


def _name_of(directory: str) -> str:
    """A run of R's has no name; that of its script does."""
    script = _property(directory, "script") or ""
    stem = "".join(
        character if character.isascii() and character.isalnum() else "-"
        for character in script.split(".")[0]
    )
    return stem.strip("-")[:40].strip("-") or "run"


def _identity(directory: str, name: str, start: float | None) -> str:
    """An alternative name for a run that was given none: the same wherever the directory is copied to."""
    import hashlib

    said = "\0".join([os.path.basename(directory), repr(start), _property(directory, "script") or ""])  # noqa: PTH119
    stamp = time.strftime("%y%m%d_%H%M%S", time.gmtime(start or 0.0))
    return f"{name}_{stamp}_{hashlib.sha256(said.encode()).hexdigest()[:6]}"


def _property(directory: str, name: str) -> str | None:
    try:
        path = f"{directory}/{_record.META_DIR}/properties/{name}"
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read(4096).strip()
    except OSError:
        return None


def _property_time(directory: str, name: str) -> float | None:
    try:
        return float(_property(directory, name) or "")
    except ValueError:
        return None


def _resume(run: Run, directory: str) -> None:
    if run.effective_status in {"running", "stale"}:
        raise ConflictError(f"run {run.name!r} is running already: {directory}")
    meta = f"{directory}/{_record.META_DIR}"
    now = time.time()
    error = _record.read_json(f"{meta}/error.json")
    first = f"{meta}/environment.json"
    environment = _record.read_json(first)
    here = write_environment(directory)
    _record.write_json(first, environment)  # the first one stays the run's
    session = {"start": now, **{key: here.get(key) for key in ("host", "python", "git")}}

    def resumed(record: dict[str, Any]) -> None:
        sessions = record.setdefault("sessions", [{}])
        if error:
            sessions[-1]["error"] = error
        sessions.append(session)

    run._update(resumed)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    run._change(status=RUNNING, end_timestamp=None)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    for name in ("error.json", "properties/end", "properties/exit_code", "properties/signal"):
        with suppress(FileNotFoundError):
            os.unlink(f"{meta}/{name}")  # noqa: PTH108
    write_properties(directory, {"completed": False})
    run._bind(directory, Session(directory, is_owner=True))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    _open.append(run)


def _start_helpers(run: Run, upload: dict[str, Any] | None, system_metrics: bool | float) -> None:  # noqa: FBT001
    session = run._session  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    if system_metrics and session is not None:
        from tfruns_rs.tracking._system_metrics import Sampler

        session.helpers.append(Sampler(session, 10.0 if system_metrics is True else float(system_metrics)))
    if upload is not None:
        from tfruns_rs.tracking._sync import start_sync

        run._sync = start_sync(run, **upload)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


def init(
    project_name: str | None = None,
    run_name: str | None = None,
    description: str = "",
    parameters: Mapping[str, Any] | None = None,
    if_exists: Literal["reuse", "overwrite", "rename", "raise"] = "rename",
    *,
    run_url: PathLike | None = None,
    runs_dir: PathLike | None = None,
) -> Run:
    """Starts a run of a project, or goes on with one, and makes it the active one.

    Args:
        project_name: The project; kept as `project_name` in `run.extra`.
        run_name: The run's name; by default "run".
        description: A description.
        parameters: Hyperparameters.
        if_exists: What to do if the project has a run of that name: "reuse" goes on with it, "overwrite"
            moves it to the archive, "rename" appends `_0001` or the next free number, "raise" raises.
        run_url: The directory of a run to go on with; excludes the names.
        runs_dir: Where the runs are; by default the option `runs_dir`.

    Raises:
        ConflictError: The run exists, and `if_exists` is "raise"; or it runs already.
        ValueError: An unknown `if_exists`, or a URL together with names.
    """
    if if_exists not in {"reuse", "overwrite", "rename", "raise"}:
        raise ValueError(f"if_exists is {if_exists!r}; it is one of reuse, overwrite, rename, raise")
    if run_url is not None:
        if project_name is not None or run_name is not None:
            raise ValueError("run_url excludes project_name and run_name")
        return load_run(os.fspath(run_url).removeprefix("file://"), resume=True)
    name = check_name(run_name or "run")
    root = runs_dir_or_option(runs_dir)
    taken = _named_runs(root, project_name)
    if name in taken:
        if if_exists == "raise":
            raise ConflictError(f"there is a run {name!r} already: {taken[name]}")
        if if_exists == "reuse":
            return load_run(taken[name], resume=True)
        if if_exists == "overwrite":
            _archive(taken[name])
        elif run_name is not None:
            name = next(f"{name}_{n:04}" for n in range(1, 10_000) if f"{name}_{n:04}" not in taken)
    run = create_run(name=name, hparams=parameters, description=description, runs_dir=runs_dir)
    if project_name is not None:
        run._change(project_name=project_name)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        run.extra["project_name"] = project_name
    return run


def _named_runs(root: str, project_name: str | None) -> dict[str, str]:
    """The directories of a project's runs by name; the latest of a name."""
    found: dict[str, str] = {}
    try:
        directories = sorted(entry.path for entry in os.scandir(root) if entry.is_dir())
    except FileNotFoundError:
        return found
    for directory in directories:
        record = _record.read(directory)
        if record.get("name") and record.get("project_name") == project_name:
            found[record["name"]] = directory
    return found


def _archive(directory: str) -> None:
    from tfruns_rs import tfruns

    clean_runs: Any = getattr(tfruns, "clean_runs")  # noqa: B009 - may be missing
    clean_runs([directory], runs_dir=os.path.dirname(directory), confirm=False)  # noqa: PTH120


def active_run() -> Run | None:
    """The active run: the innermost of this process, else the one that `training_run` handed to it."""
    active = _active.current()
    if active is None:
        return None
    _open[:] = [run for run in _open if run.status == RUNNING]
    for run in reversed(_open):
        if run.local == active.run_dir:
            return run
    run = open_run(active.run_dir)
    run._bind(active.run_dir, Session(active.run_dir, is_owner=False))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    _open.append(run)
    return run
