"""Metadata of a run: flags, source, properties, metrics, evaluation, error, and whatever a function writes.

The files are R's (`flags.json`, `properties/<name>`, …) and keep what R's `ls_runs()` needs: no nulls among
flags and evaluation, arrays of equal length in `metrics.json`, no visible name in `properties/` that is no
property. Each is written beside its place and renamed, so no reader meets half of one.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs import _core
from tfruns_rs.tfruns import _active, _json

if TYPE_CHECKING:
    from pathlib import Path

    PathLike = str | os.PathLike[str]

META_DIR = "tfruns.d"
PROJECTED = ".projected.json"
"""Names the columns of `metrics.json` that come from events."""
_RESERVED = {
    "alive.json",
    "artifacts.json",
    "environment.json",
    "error.json",
    "evaluation.json",
    "flags.json",
    "git.diff",
    "hparams.json",
    "metrics.json",
    "properties",
    "run.json",
    "source.tar.gz",
    "stderr",
    "view.html",
}
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))}
_LONGEST_NAME = 200
"""In bytes. Most systems take 255; a temporary name is longer than its file's."""
_SECRET = ("password", "passwd", "secret", "token", "api_key", "apikey", "private_key", "credential")
_pending: list[tuple[str, Any]] = []


def write_run_metadata(type: str, data: Any, run_dir: PathLike | None = None) -> None:  # noqa: A002 - R's name
    """Records metadata of a run.

    Args:
        type: What it is:

            - "flags", "evaluation": a mapping of names to single values
            - "properties": a mapping; stored as text; later calls add to earlier ones
            - "metrics": a frame or a mapping of columns, one row an epoch, None for epochs to come; name the
              validation twin of "loss" "val_loss"
            - "source" (or "sources"): a directory, or several files, to archive
            - "error": a mapping with "message" and "traceback"
            - any other name: `data` is a function that writes files itself
        data: The metadata. A function is called with the directory `tfruns.d` of the run.
        run_dir: The run; None for the active one. If none is active, the call is kept, and made when a run
            starts in this process.

    Raises:
        ValueError: A name that a file can't have, or that is taken.
        TypeError: Data that does not fit the type.

    Examples:
        >>> import tfruns_rs as tfr
        >>> run = tfr.unique_run_dir(tmp_path)
        >>> tfr.write_run_metadata("metrics", {"loss": [0.5, 0.25, None]}, run)
        >>> tfr.write_run_metadata("properties", {"team": "a"}, run)
        >>> info = tfr.run_info(run)
        >>> info.team, info.metrics["loss"].to_list()
        ('a', [0.5, 0.25, None])
    """
    _check(type, data)
    if run_dir is None:
        run = _active.current()
        if run is None:
            _pending.append((type, data))
            return
        if _active.rank() > 0:
            return
        run_dir = run.run_dir
    _write(os.fspath(run_dir), type, data)


def write_run_data(type: str, data: Callable[[Path], object]) -> None:  # noqa: A002 - R's name
    """Deprecated: `write_run_metadata(type, data)` with a function."""
    warnings.warn(
        "write_run_data() is deprecated, call write_run_metadata()", DeprecationWarning, stacklevel=2
    )
    write_run_metadata(type, data)


def _write_pending(run: _active.ActiveRun) -> None:
    calls = list(_pending)
    _pending.clear()
    if _active.rank() == 0:
        for kind, data in calls:
            _write(run.run_dir, kind, data)


_active.on_start.append(_write_pending)


def _check(kind: str, data: Any) -> None:
    if kind in {"flags", "evaluation", "properties", "error"}:
        if not isinstance(data, Mapping):
            raise TypeError(f"{kind} must be a mapping, not {type(data).__name__}")
        if kind == "properties":
            for name in cast("Mapping[Any, Any]", data):
                check_name(str(name), "property")
    elif kind == "metrics":
        columns_of(data)
    elif kind not in {"source", "sources"}:
        check_name(kind, "metadata type")
        if kind in _RESERVED:
            raise ValueError(f"the metadata type {kind!r} is the name of a file of the run")
        if not callable(data):
            raise TypeError(f"the data of the metadata type {kind!r} must be a function")


def check_name(name: str, what: str) -> None:
    """Refuses what can't be the name of one file on every system.

    Raises:
        ValueError: It can't.
    """
    stem = name.partition(".")[0].upper()
    if (
        not name
        or name.startswith(".")
        or name.endswith((" ", "."))
        or stem in _DEVICES
        or len(name.encode()) > _LONGEST_NAME
        or not name.isprintable()
        or any(character in '/\\:*?"<>|' for character in name)
    ):
        raise ValueError(f"{name!r} can't be the name of a {what}")


def _write(run_dir: str, kind: str, data: Any) -> None:
    meta = os.path.join(run_dir, META_DIR)  # noqa: PTH118 - texts stay as given
    os.makedirs(meta, exist_ok=True)  # noqa: PTH103 - texts stay as given
    if kind in {"flags", "evaluation"}:
        _write_json(meta, kind, masked(present(data)) if kind == "flags" else present(data))
    elif kind == "error":
        _write_json(meta, kind, _error(data))
    elif kind == "properties":
        write_properties(run_dir, data)
    elif kind == "metrics":
        _write_json(meta, kind, aligned(columns_of(data)))
        with suppress(FileNotFoundError):
            os.unlink(f"{meta}/{PROJECTED}")  # noqa: PTH108 - texts stay as given
    elif kind in {"source", "sources"}:
        from tfruns_rs.tfruns._sources import archive_source

        archive_source(run_dir, data)
    else:
        from pathlib import Path

        data(Path(meta))


def _write_json(meta: str, kind: str, data: Mapping[str, Any]) -> None:
    _core.write_atomic(f"{meta}/{kind}.json", _json.dumps(data))


def write_properties(run_dir: str, properties: Mapping[str, Any]) -> None:
    """Writes each property as a text file of its own."""
    directory = os.path.join(run_dir, META_DIR, "properties")  # noqa: PTH118 - texts stay as given
    os.makedirs(directory, exist_ok=True)  # noqa: PTH103 - texts stay as given
    for name, value in properties.items():
        text = _json.text(value)
        _core.write_atomic(f"{directory}/{name}", (text and text + "\n").encode("utf-8", "surrogateescape"))


def present(data: Mapping[Any, Any]) -> dict[str, Any]:
    """The values that R can read: without None, [] and {}."""
    plain = ((str(name), _json.plain(value)) for name, value in data.items())
    return {name: value for name, value in plain if value is not None and value not in ([], {})}


def masked(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags, those that look like secrets without their value."""
    return {name: "***" if looks_secret(name) and value else value for name, value in flags.items()}


def looks_secret(name: str) -> bool:
    """Whether a flag or variable of this name may hold a secret. A count of tokens does not."""
    lowered = name.lower()
    return any(word in lowered for word in _SECRET) and not lowered.endswith("tokens")


def _error(data: Mapping[str, Any]) -> dict[str, Any]:
    traceback: Any = data.get("traceback") or []
    lines = traceback.splitlines() if isinstance(traceback, str) else [str(line) for line in traceback]
    return {"message": str(data.get("message", "")), "traceback": lines}


def columns_of(data: Any) -> dict[str, list[Any]]:
    """A frame's or a mapping's columns as lists of plain values.

    Raises:
        TypeError: It is neither.
    """
    if hasattr(data, "get_columns"):
        return {
            column.name: [_json.plain(value) for value in column.to_list()] for column in data.get_columns()
        }
    if isinstance(data, Mapping):
        items = cast("Mapping[Any, Any]", data).items()
    elif hasattr(data, "to_pydict"):
        items = data.to_pydict().items()
    elif hasattr(data, "columns") and hasattr(data, "items"):
        items = data.items()
    else:
        raise TypeError(f"metrics must be a frame or a mapping of columns, not {type(data).__name__}")
    return {str(name): _column(values) for name, values in items}


def _column(values: Any) -> list[Any]:
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        values = [values]
    return [_json.plain(value) for value in values]


def aligned(columns: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Columns of one length, padded with None, as R's readers need them."""
    rows = list(zip_longest(*columns.values()))
    return {name: [row[index] for row in rows] for index, name in enumerate(columns)}
