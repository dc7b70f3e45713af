"""What a page shows of a run, as plain data: from files that may be damaged or hostile.

Nothing here is HTML. Text is cut and escaped where it is rendered; a file that can't be read is missing from
the page and never stops it.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from tfruns_rs.views._events import Events, read_events
from tfruns_rs.views._picture import Picture, picture
from tfruns_rs.views._source import read_sources
from tfruns_rs.views._tables import read_tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tfruns_rs.views._budget import Budget

Values = dict[str, Any]

_OPTIMIZATION: Final = ("loss_function", "optimizer", "learning_rate")
_TRAINING: Final = (
    "samples", "validation_samples", "batch_size", "epochs", "epochs_completed", "steps", "steps_completed",
)  # fmt: skip
_OWN_PLACE: Final = frozenset(
    [
        "run_dir",
        "metrics",
        "model",
        "start",
        "end",
        "completed",
        "output",
        "error_message",
        "error_traceback",
        "source_code",
        "context",
        "type",
        "script",
        "status",
        "problem",
        "name",
        "labels",
        "description",
    ]
)  # shown where they belong, not among the properties
_OWN_FOLDERS: Final = frozenset(("tfruns.d", "plots", "logs", "metrics_tables"))
_MAX_JSON_BYTES: Final = 16_000_000
_MAX_PICTURE_BYTES: Final = 8_000_000
_MAX_PLOTS: Final = 100
_MAX_WALK: Final = 20_000


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file among the run's artifacts: its path below the run, and its size in bytes."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class RunData:
    """A run, as the pages show it.

    Attributes:
        name: The directory's name, which is the run's identity.
        title: The name a person gave it, or its own.
        path: The directory, absolute.
        status: One word: completed, failed, running, …
        problem: What is wrong with the directory's files, if anything.
        start: When it started, with its zone.
        end: When it ended.
        about: Type, context, script, description and the like.
        metrics: The last value of every metric.
        evaluation: The values of the evaluation.
        flags: The flags.
        optimization: Loss function, optimizer, learning rate.
        training: Samples, epochs, steps, batch size.
        properties: Every other property.
        history: A metric's values, an entry an epoch (None where it has none), by name.
        epochs: The epochs of the history, where they are not 1 to n.
        error: The error's message and traceback.
        model: The model's text.
        output: The console, whole.
        stderr: The console's second stream, where it was kept apart.
        sources: The text of the source files by name.
        plots: The plots.
        files: The first artifacts, by path.
        files_total: How many artifacts there are.
        environment: Python, platform, hardware and so on, in one level.
        git: Commit, branch and so on.
        packages: Versions by package.
        git_diff: The uncommitted changes.
        events: What `logs/` holds.
        tables: What `metrics_tables/` holds.
    """

    name: str
    title: str
    path: Path
    status: str
    problem: str | None
    start: datetime | None
    end: datetime | None
    about: Values
    metrics: Values
    evaluation: Values
    flags: Values
    optimization: Values
    training: Values
    properties: Values
    history: dict[str, list[float | None]]
    epochs: list[float] | None
    error: tuple[str, str] | None
    model: str
    output: str
    stderr: str
    sources: dict[str, str]
    plots: list[Picture]
    files: list[Artifact]
    files_total: int
    environment: Values = field(default_factory=dict[str, Any])
    git: Values = field(default_factory=dict[str, Any])
    packages: dict[str, str] = field(default_factory=dict[str, str])
    git_diff: str = ""
    events: Events = field(default_factory=Events)
    tables: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def duration(self) -> float | None:
        """Seconds from start to end; None while it runs."""
        return (self.end - self.start).total_seconds() if self.start and self.end else None


def gather(info: Mapping[str, Any], budget: Budget, *, media_bytes: int, with_events: bool = True) -> RunData:
    """Reads what a page needs of a run.

    Args:
        info: The run, as `run_info` returns it.
        budget: How much of it the page can hold.
        media_bytes: How many bytes its pictures may have in all.
        with_events: Whether to read `logs/` and `metrics_tables/` as well.

    Returns:
        The run's data.
    """
    path = Path(os.path.abspath(info["run_dir"]))  # noqa: PTH100 - `resolve` would follow a link in the run's name
    record = {key: value for key, value in info.items() if value is not None}
    own = _json(path / "tfruns.d" / "run.json")
    record |= {key: own[key] for key in ("name", "description", "labels") if own.get(key)}
    history, epochs = history_of(record.get("metrics"))
    environment = _json(path / "tfruns.d" / "environment.json")
    packages = _packages(environment)
    git = _mapping(environment.pop("git", None))
    plots = list(_plots(path / "plots", media_bytes))
    media_bytes -= sum(len(plot.uri) for plot in plots)
    files = sorted(_artifacts(path), key=lambda artifact: artifact.path)
    message = _text(record.get("error_message"))
    traceback = _text(record.get("error_traceback"))
    claimed = {*_OWN_PLACE, *_OPTIMIZATION, *_TRAINING}
    return RunData(
        name=path.name,
        title=_text(record.get("name")) or path.name,
        path=path,
        status=_text(record.get("status")) or "unknown",
        problem=_text(record.get("problem")) or None,
        start=_time(record.get("start")),
        end=_time(record.get("end")),
        about={
            key: record[key]
            for key in ("type", "context", "script", "description", "labels")
            if key in record
        },
        metrics=_prefixed(record, "metric_"),
        evaluation=_prefixed(record, "eval_"),
        flags=_prefixed(record, "flag_"),
        optimization={key: record[key] for key in _OPTIMIZATION if key in record},
        training={key: record[key] for key in _TRAINING if key in record},
        properties={
            key: value
            for key, value in record.items()
            if key not in claimed and not key.startswith(("metric_", "eval_", "flag_"))
        },
        history=history,
        epochs=epochs,
        error=(message, traceback) if message or traceback else None,
        model=_model(_text(record.get("model"))),
        output=_text(record.get("output")),
        stderr=_read_text(path / "tfruns.d" / "stderr"),
        sources=_script_first(read_sources(path / "tfruns.d" / "source.tar.gz"), _text(record.get("script"))),
        plots=plots,
        files=files[: budget.files],
        files_total=len(files),
        environment=dict(_leaves(environment)),
        git=dict(_leaves(git)),
        packages={name: str(version) for name, version in packages.items()},
        git_diff=_read_text(path / "tfruns.d" / "git.diff"),
        events=read_events(path / "logs", budget, media_bytes=media_bytes) if with_events else Events(),
        tables=read_tables(path / "metrics_tables") if with_events else [],
    )


def _prefixed(record: Values, prefix: str) -> Values:
    return {key.removeprefix(prefix): value for key, value in record.items() if key.startswith(prefix)}


def history_of(metrics: Any) -> tuple[dict[str, list[float | None]], list[float] | None]:
    """The columns of a metrics frame or mapping that hold numbers, and its epochs."""
    if metrics is None:
        return {}, None
    names: list[str] = list(getattr(metrics, "columns", metrics))
    columns = {name: numbers for name in names if (numbers := _numbers(list(metrics[name]))) is not None}
    epochs = columns.pop("epoch", None)
    if epochs is None or any(epoch is None for epoch in epochs):
        return columns, None
    return columns, [epoch for epoch in epochs if epoch is not None]


def _numbers(values: list[Any]) -> list[float | None] | None:
    """The values as floats; None if one of them is no number."""
    try:
        return [None if value is None else float(value) for value in values]
    except (TypeError, ValueError):
        return None


def _model(text: str) -> str:
    """The model's text without R's heading: a line "Model" and a rule."""
    lines = text.split("\n")
    if lines and lines[0].strip() == "Model":
        lines = lines[1:]
        if lines and set(lines[0].strip()) == {"_"}:
            lines = lines[1:]
    return "\n".join(lines).strip("\n")


def _script_first(sources: dict[str, str], script: str) -> dict[str, str]:
    return {script: sources[script], **sources} if script in sources else sources


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _time(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) else None


def _json(path: Path) -> Values:
    try:
        value = json.loads(_read_bytes(path, _MAX_JSON_BYTES))
    except (ValueError, RecursionError):
        return {}
    return _mapping(value)


def _packages(environment: Values) -> Values:
    """Takes the packages out of an environment: they are many, and shown apart."""
    for holder in (environment, *map(_mapping, list(environment.values()))):
        for name in ("packages", "pypkgs"):
            if packages := _mapping(holder.get(name)):
                del holder[name]
                return packages
    return {}


def _mapping(value: Any) -> Values:
    return cast("Values", value) if isinstance(value, dict) else {}


def _leaves(value: Values, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested values in one level, their names dotted."""
    for key, inner in value.items():
        name = f"{prefix}{key}"
        if isinstance(inner, dict):
            yield from _leaves(cast("Values", inner), f"{name}.")
        elif isinstance(inner, list) and inner:
            yield name, " ".join(str(item) for item in cast("list[Any]", inner))
        elif inner not in (None, "", []):
            yield name, inner


def _plots(folder: Path, media_bytes: int) -> Iterator[Picture]:
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except OSError:
        return
    for name in names[:_MAX_PLOTS]:
        shown = picture(name, _read_bytes(folder / name, _MAX_PICTURE_BYTES))
        if shown is not None and (media_bytes := media_bytes - len(shown.uri)) >= 0:
            yield shown


def _artifacts(run_dir: Path) -> Iterator[Artifact]:
    """Regular files below the run, links not followed."""
    folders = [(run_dir, "")]
    seen = 0
    while folders:
        folder, prefix = folders.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            seen += 1
            if seen > _MAX_WALK:
                return
            name = prefix + _printable(entry.name)
            try:
                if entry.is_dir(follow_symlinks=False):
                    if prefix or entry.name not in _OWN_FOLDERS:
                        folders.append((Path(entry.path), f"{name}/"))
                elif entry.is_file(follow_symlinks=False):
                    yield Artifact(name, entry.stat(follow_symlinks=False).st_size)
            except OSError:
                continue


def _printable(name: str) -> str:
    """A file name that can be encoded: bytes that are no UTF-8 show as a replacement character."""
    return os.fsencode(name).decode(errors="replace")


def _read_text(path: Path) -> str:
    return _read_bytes(path, _MAX_JSON_BYTES).decode(errors="replace")


def _read_bytes(path: Path, limit: int) -> bytes:
    """The first bytes of a regular file; none of a link, a device or a file that can't be read."""
    try:
        # O_NONBLOCK: opening a named pipe must not wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        try:
            return file.read(limit)
        except OSError:
            return b""
