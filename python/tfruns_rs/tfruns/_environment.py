"""Where a run ran: Python, packages, machine, git, command line. What may be secret is left out or masked.

What can't change while a process lives is found out once, packages and the repository as long as their stamps
stay. Only git can say what of a work tree is changed, so it is asked for every run.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

from tfruns_rs import _core
from tfruns_rs.tfruns import _json
from tfruns_rs.tfruns._run_metadata import META_DIR, looks_secret

_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "PYTHONHASHSEED",
    "CONDA_DEFAULT_ENV",
    "VIRTUAL_ENV",
    "WORLD_SIZE",
    "MASTER_ADDR",
)
_PREFIXES = ("SLURM_JOB", "SLURM_NNODES", "SLURM_NTASKS", "NCCL_", "XLA_")
_GIT = (
    "git",
    "--no-optional-locks",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "diff.external=",
    "-c",
    "core.quotePath=false",
)
_GIT_SECS = 10.0
_DIFF_BYTES = 10 << 20
_SECRET_FILES = (":(exclude,glob)**/.env*", ":(exclude,glob)**/*.pem", ":(exclude,glob)**/*.key")
_SECRET_ARGUMENT = re.compile(r"(--?[\w-]+)=(.*)", re.DOTALL)


def record_environment(
    run_dir: str, command: list[str], directory: str, more: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Writes `environment.json`, and the uncommitted changes as `git.diff`; returns what it wrote.

    Args:
        run_dir: The run.
        command: The command line.
        directory: Where the script runs.
        more: Fields to add; those of "hardware" join the ones found here.
    """
    more = dict(more or {})
    content = {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": sys.executable,
        "command": mask_arguments(command),
        "directory": directory,
        "user": os.environ.get("USER") or os.environ.get("USERNAME") or "",
        "platform": platform.platform(),
        "host": platform.node(),
        "hardware": {**_hardware(), **more.pop("hardware", {})},
        "variables": {
            name: value
            for name, value in sorted(os.environ.items())
            if (name in _VARIABLES or name.startswith(_PREFIXES)) and not looks_secret(name)
        },
        "packages": _packages(),
        "git": _git(directory, run_dir),
        **more,
    }
    with suppress(OSError):
        _core.write_atomic(f"{run_dir}/{META_DIR}/environment.json", _json.dumps(content))
    return content


def mask_arguments(arguments: list[str]) -> list[str]:
    """A command line without the values of options that look secret."""
    masked: list[str] = []
    hides_next = False
    for argument in arguments:
        option = _SECRET_ARGUMENT.fullmatch(argument)
        if hides_next:
            masked.append("***")
        elif option and looks_secret(option[1].replace("-", "_")):
            masked.append(f"{option[1]}=***")
        else:
            masked.append(argument)
        hides_next = (
            not hides_next
            and option is None
            and argument.startswith("--")
            and looks_secret(argument.replace("-", "_"))
        )
    return masked


@cache
def _hardware() -> dict[str, Any]:
    hardware: dict[str, Any] = {"machine": platform.machine(), "cpus": os.cpu_count()}
    with suppress(OSError, ValueError, AttributeError):
        hardware["memory_bytes"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    gpus: list[str] = []
    with suppress(OSError):
        for gpu in sorted(os.listdir("/proc/driver/nvidia/gpus")):  # noqa: PTH208 - pathlib costs import time
            with open(f"/proc/driver/nvidia/gpus/{gpu}/information", encoding="utf-8") as file:  # noqa: PTH123
                gpus += [line.partition(":")[2].strip() for line in file if line.startswith("Model:")]
    return {**hardware, "gpus": gpus}


_packages_found: tuple[Any, dict[str, str]] | None = None


def _packages() -> dict[str, str]:
    """Names and versions by the names of their metadata directories: reading each would take seconds."""
    global _packages_found  # noqa: PLW0603 - as long as the directories' stamps stay
    directories = [os.path.abspath(directory) for directory in sys.path]  # noqa: PTH100
    state = [(directory, _stamp(directory)) for directory in directories]
    if _packages_found is not None and _packages_found[0] == state:
        return _packages_found[1]
    found: dict[str, str] = {}
    for directory in directories:
        with suppress(OSError):
            for name in os.listdir(directory):  # noqa: PTH208
                if name.endswith((".dist-info", ".egg-info")):
                    package, _, version = name.rpartition(".")[0].partition("-")
                    found.setdefault(package, version)
    found = dict(sorted(found.items(), key=lambda item: item[0].lower()))
    _packages_found = state, found
    return found


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        about = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns, about.st_size


class _Repository(NamedTuple):
    """A work tree.

    Attributes:
        root: Where it begins.
        remote: The URL of "origin", without user name and password.
        config: The file that holds the URL.
        stamp: That file's stamp when it was read.
    """

    root: str
    remote: str
    config: str
    stamp: tuple[int, int, int] | None


_repositories: dict[str, _Repository] = {}


def _repository(directory: str) -> _Repository | None:
    """The work tree around a directory: known by where its `.git` lies, and by its config's stamp."""
    place = os.path.realpath(directory)
    while not os.path.lexists(f"{place}/.git"):
        above = os.path.dirname(place)  # noqa: PTH120
        if above == place:
            return None
        place = above
    known = _repositories.get(place)
    if known is not None and _stamp(known.config) == known.stamp:
        return known
    told = _run_git(place, "rev-parse", "--show-toplevel", "--git-common-dir")
    if told is None:
        return None
    root, common, *_ = [*told.decode("utf-8", "replace").splitlines(), "", ""]
    config = os.path.join(place, common, "config")  # noqa: PTH118
    stamp = _stamp(config)
    remote = _run_git(place, "config", "--get", "remote.origin.url") or b""
    url = without_user(remote.decode("utf-8", "replace").strip())
    _repositories[place] = found = _Repository(root, url, config, stamp)
    return found


def _git(directory: str, run_dir: str) -> dict[str, Any] | None:
    repository = _repository(directory)
    if repository is None:
        return None
    root = repository.root
    told = _run_git(root, "status", "--porcelain=v2", "--branch", "--untracked-files=normal", "-z")
    if told is None:
        return None
    commit, branch, tracked, untracked = _status(told.decode("utf-8", "replace"))
    if not commit:
        return None
    # The run itself, and the untracked directory it lies in, are no change of the project.
    place = os.path.relpath(os.path.realpath(run_dir), os.path.realpath(root)) + "/"
    untracked = [name for name in untracked if not place.startswith(name)]
    about: dict[str, Any] = {
        "commit": commit,
        "branch": branch,
        "root": root,
        "remote": repository.remote,
        "dirty": bool(tracked or untracked),
        "changed": tracked[:1000],
        "untracked": untracked[:1000],
    }
    if tracked:
        diff = _run_git(
            root, "diff", "HEAD", "--no-ext-diff", "--no-textconv", "--no-color", "--", ".", *_SECRET_FILES
        )
        about["diff_bytes"] = len(diff or b"")
        with suppress(OSError):
            _core.write_atomic(f"{run_dir}/{META_DIR}/git.diff", (diff or b"")[:_DIFF_BYTES])
    return about


def _status(told: str) -> tuple[str, str, list[str], list[str]]:
    """Commit, branch ("HEAD" if there is none), changed and untracked files, by git's format v2."""
    commit, branch = "", "HEAD"
    tracked: list[str] = []
    untracked: list[str] = []
    entries = iter(told.split("\0"))
    for entry in entries:
        kind, _, rest = entry.partition(" ")
        if kind == "#":
            name, _, value = rest.partition(" ")
            if name == "branch.oid" and value != "(initial)":
                commit = value
            elif name == "branch.head" and value != "(detached)":
                branch = value
        elif kind == "?":
            untracked.append(rest)
        elif kind == "1":
            tracked.append(rest.split(" ", 7)[7])
        elif kind == "u":
            tracked.append(rest.split(" ", 9)[9])
        elif kind == "2":
            tracked.append(f"{next(entries, '')} -> {rest.split(' ', 8)[8]}")
    return commit, branch, tracked, untracked


def _run_git(directory: str, *arguments: str) -> bytes | None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_TERMINAL_PROMPT"] = "0"
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            [*_GIT, *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_GIT_SECS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None


def without_user(url: str) -> str:
    """A URL without user name, password and query."""
    return re.sub(r"^([a-z+]+://)[^/@]*@", r"\1", url).partition("?")[0]
