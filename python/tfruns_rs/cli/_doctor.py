"""`tfruns doctor`: the installation, and what is odd in a runs directory."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import click

from tfruns_rs.cli import _params

_LITTLE_ROOM = 1 << 30


class _Finding(NamedTuple):
    part: str
    name: str
    state: str
    text: str


@click.command()
@_params.outputs
@_params.runs_dir
def doctor(as_json: bool, as_csv: bool) -> int:
    """Check the installation and the runs directory. The exit code is 1 where something is wrong.

    A report to put into a bug report: it holds no flags, no consoles, no secrets.

    \b
    Examples:
      tfruns doctor
      tfruns doctor --json
    """
    import polars as pl

    from tfruns_rs.cli import _out

    found = [*_installation(), *_extras(), *_runs()]
    frame = pl.DataFrame(found, schema=dict.fromkeys(_Finding._fields, pl.String), orient="row")
    colours = {"ok": "green", "problem": "red", "missing": "magenta", "note": "magenta"}
    _out.show_frame(frame, as_json=as_json, as_csv=as_csv, styles={"state": colours.get}, squeeze=True)
    return int("problem" in {finding.state for finding in found})


def _installation() -> list[_Finding]:
    from tfruns_rs import __version__

    version = platform.python_version()
    found = [
        _Finding("package", "tfruns-rs", "ok", __version__),
        _Finding("package", "python", "ok", f"{platform.python_implementation()} {version}"),
        _Finding("package", "platform", "ok", platform.platform()),
    ]
    for name in ("polars", "numpy", "click", "rich", "pyyaml"):
        installed = _version(name)
        found.append(
            _Finding("package", name, "ok" if installed else "problem", installed or "not installed")
        )
    return found


def _extras() -> list[_Finding]:
    """The extras as the installed metadata name them."""
    try:
        requirements = metadata.requires("tfruns-rs") or []
    except metadata.PackageNotFoundError:
        return [_Finding("extra", "", "note", "not installed by pip: extras are unknown")]
    extras: dict[str, list[str]] = {}
    for requirement in requirements:
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        if extra and name and extra[1] not in {"bench", "demo", "dev", "docs", "frameworks"}:
            extras.setdefault(extra[1], []).append(name[0])
    found: list[_Finding] = []
    for extra, packages in extras.items():
        missing = [package for package in packages if not _version(package)]
        state = "missing" if missing else "ok"
        text = f"pip install 'tfruns-rs[{extra}]' ({', '.join(missing)})" if missing else ", ".join(packages)
        found.append(_Finding("extra", extra, state, text))
    tensorboard = importlib.util.find_spec("tensorboard") is not None or shutil.which("tensorboard")
    text = "for `tfruns tensorboard`" if tensorboard else "pip install tensorboard"
    found.append(_Finding("extra", "tensorboard", "ok" if tensorboard else "missing", text))
    return found


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _runs() -> list[_Finding]:
    from tfruns_rs.cli._out import plain, size

    directory = _params.runs_dir_path()
    if not os.path.isdir(directory):  # noqa: PTH112
        return [_Finding("runs", "directory", "note", f"{plain(directory)} is not there yet")]
    found = [_Finding("runs", "directory", "ok", plain(os.path.abspath(directory)))]  # noqa: PTH100
    found += [_writing(directory)]
    free = shutil.disk_usage(directory).free
    found.append(_Finding("runs", "room", "ok" if free > _LITTLE_ROOM else "problem", f"{size(free)} free"))
    return [*found, *_listed(directory)]


def _writing(directory: str) -> _Finding:
    """Whether files can be made and locked there."""
    try:
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".tfruns-doctor-") as file:
            try:
                import fcntl

                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except ImportError:
                return _Finding("runs", "writing", "note", f"no locks on {sys.platform}: one process a file")
            except OSError as error:
                return _Finding("runs", "writing", "note", f"no locks ({error.strerror}): one process a file")
    except OSError as error:
        return _Finding("runs", "writing", "problem", f"can't write there: {error.strerror}")
    return _Finding("runs", "writing", "ok", "files can be made and locked")


def _listed(directory: str) -> list[_Finding]:
    from tfruns_rs import ls_runs
    from tfruns_rs.cli._out import plain

    runs = ls_runs(runs_dir=directory)
    counts: dict[str, int] = {}
    for status in runs["status"].to_list():
        counts[status] = counts.get(status, 0) + 1
    listed = ", ".join(f"{count} {status}" for status, count in counts.items()) or "none"
    found = [_Finding("runs", "runs", "ok", f"{runs.height}: {listed}" if counts else "none")]
    stale = "no sign of life for too long, on another machine or boot"
    for run, status, problem in runs.select("run_dir", "status", "problem").iter_rows():
        name = plain(Path(run).name)
        if problem is not None:
            found.append(_Finding("run", name, "problem", plain(problem)))
        elif status == "stale":
            found.append(_Finding("run", name, "note", stale))
    archive = os.path.join(directory, "archive")  # noqa: PTH118
    leftovers = [name for name in _names(archive) if name.startswith(".") and name.endswith(".removed")]
    if leftovers:
        found.append(
            _Finding(
                "runs",
                "archive",
                "note",
                f"{len(leftovers)} removals were cut off; delete {plain(archive)}/.*.removed",
            )
        )
    return found


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)  # noqa: PTH208
    except OSError:
        return []
