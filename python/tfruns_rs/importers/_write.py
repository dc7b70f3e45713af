"""A run directory of a run that another tool recorded."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from typing import TYPE_CHECKING, Any

from tfruns_rs import _core
from tfruns_rs.importers._known import REPLACED, UNFINISHED
from tfruns_rs.tfruns import _record
from tfruns_rs.tfruns._run_metadata import META_DIR, check_name, write_properties, write_run_metadata

if TYPE_CHECKING:
    import polars as pl

    from tfruns_rs.importers._foreign import ForeignRun


def write_run(run: ForeignRun, runs_dir: str, mark: dict[str, Any], known: str | None, *, files: bool) -> str:
    """Makes a run directory, or renews `known`; returns its path. It is made beside its place and renamed."""
    made = tempfile.mkdtemp(prefix=UNFINISHED, dir=runs_dir)
    try:
        _open_to_all(made)
        _fill(run, made, mark, files=files)
        if known is None:
            return _place(made, runs_dir, run.start)
        _keep(known, made)
        folder, name = os.path.split(known)
        old = os.path.join(folder, REPLACED + name)  # noqa: PTH118
        os.rename(known, old)  # noqa: PTH104
        os.rename(made, known)  # noqa: PTH104
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return known


def points_frame(run: ForeignRun) -> pl.DataFrame:
    """A run's scalars, in the form of `collect_events`."""
    import polars as pl

    schema = {"tag": pl.String, "step": pl.Int64, "wall_time": pl.Float64, "value": pl.Float64}
    frame = pl.DataFrame(run.points, schema=schema, orient="row")
    return frame.select(pl.lit(".").alias("run"), *schema)


def _fill(run: ForeignRun, directory: str, mark: dict[str, Any], *, files: bool) -> None:
    from tfruns_rs.tfevents._write import write_events
    from tfruns_rs.tfruns._projection import project_metrics
    from tfruns_rs.tracking._hparams_file import write_hparams

    os.mkdir(f"{directory}/{META_DIR}")  # noqa: PTH102
    for path, name in run.event_files:
        _copy(path, f"{directory}/logs/{name}/{os.path.basename(path)}")  # noqa: PTH119
    if run.points:
        write_events(points_frame(run), f"{directory}/logs")
    if run.hparams:
        write_hparams(directory, run.hparams)
        if not run.event_files:
            _log_flags(run, f"{directory}/logs")
    if run.evaluation:
        write_run_metadata("evaluation", run.evaluation, directory)
    if run.error:
        message, traceback = run.error
        write_run_metadata("error", {"message": message, "traceback": traceback}, directory)
    ended = run.status != "unknown"
    properties = {
        "type": "training",
        "context": run.tool,
        **{name: value for name, value in run.properties.items() if value not in (None, "") and _fits(name)},
        "start": run.start,
        "end": run.end if ended else None,
        "completed": run.status == "completed",
        "signal": "SIGINT" if run.status == "interrupted" else None,
        "output": run.output or None,
    }
    write_properties(directory, {name: value for name, value in properties.items() if value is not None})
    if environment := {name: value for name, value in run.environment.items() if value}:
        _write_json(f"{directory}/{META_DIR}/environment.json", environment)
    if files:
        for path, place in run.files:
            _copy(path, os.path.join(directory, place))  # noqa: PTH118
    facts = {"name": run.name, "labels": run.labels, "description": run.description, "imported": mark}
    _record.update(directory, lambda record: record.update(facts))
    project_metrics(directory)


def _fits(name: str) -> bool:
    try:
        check_name(name, "property")
    except ValueError:
        return False
    return True


def _log_flags(run: ForeignRun, logdir: str) -> None:
    """The flags for TensorBoard's HParams tab, and how the run ended; event files of the tool have theirs."""
    from tfruns_rs.tfevents._hparams import summary_hparams, summary_hparams_end
    from tfruns_rs.tracking._hparams import leaves

    flags = {name: v for name, v in leaves(run.hparams).items() if isinstance(v, bool | int | float | str)}
    summary = summary_hparams(flags, trial_id=run.name or run.id, time_created_secs=run.start or 0.0)
    values = [summary]
    if run.status != "unknown":
        status = "success" if run.status == "completed" else "failure"
        values.append(summary_hparams_end(status, time_ended_secs=run.end or run.start or 0.0))
    with _core.EventWriter(logdir) as writer:
        writer.add_values([(".", value.tag or "", value.fields) for value in values], 0, run.start or 0.0)


def _write_json(path: str, content: dict[str, Any]) -> None:
    from tfruns_rs.tfruns import _json

    _core.write_atomic(path, _json.dumps(_json.plain(content)))


def _copy(path: str, target: str) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
    shutil.copyfile(path, target, follow_symlinks=False)
    shutil.copystat(path, target, follow_symlinks=False)


def _open_to_all(directory: str) -> None:
    """Gives a temporary directory the mode of any other."""
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(directory, 0o777 & ~umask)  # noqa: PTH101


def _keep(known: str, made: str) -> None:
    """Takes over from the old directory what the user said of the run since, and what only ours knows."""
    before, now = _record.read(known), _record.read(made)
    labels = list(dict.fromkeys([*now.get("labels", []), *before.get("labels", [])]))
    kept = {name: value for name, value in before.items() if name not in now}
    _record.update(made, lambda record: record.update(kept, labels=labels))


def _place(made: str, runs_dir: str, start: float | None) -> str:
    """Renames a directory to its stamp, or the first free one after it."""
    try:
        stamp = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime(time.time() if start is None else start))
    except (OverflowError, ValueError, OSError):
        stamp = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime())
    number = 0
    while True:
        place = os.path.join(runs_dir, stamp if number == 0 else f"{stamp}-{number:03}")  # noqa: PTH118
        try:
            os.mkdir(place)  # noqa: PTH102 - exclusive: whoever makes it owns it
        except FileExistsError:
            number += 1
            continue
        if os.name == "nt":
            os.rmdir(place)  # noqa: PTH106
        os.rename(made, place)  # noqa: PTH104
        return place
