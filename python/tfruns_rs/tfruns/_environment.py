"""Where a run ran: Python, packages, machine, git, command line. What may be secret is left out or masked."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
from typing import Any

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


def record_environment(run_dir: str, command: list[str], directory: str) -> None:
    """Writes `environment.json`, and the uncommitted changes as `git.diff`."""
    meta = f"{run_dir}/{META_DIR}"
    git = _git(directory, run_dir)
    content = {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": sys.executable,
        "command": mask_arguments(command),
        "directory": directory,
        "user": os.environ.get("USER") or os.environ.get("USERNAME") or "",
        "platform": platform.platform(),
        "host": platform.node(),
        "hardware": _hardware(),
        "variables": {
            name: value
            for name, value in sorted(os.environ.items())
            if (name in _VARIABLES or name.startswith(_PREFIXES)) and not looks_secret(name)
        },
        "packages": _packages(),
        "git": git,
    }
    with suppress(OSError):
        _core.write_atomic(f"{meta}/environment.json", _json.dumps(content))


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


def _packages() -> dict[str, str]:
    """Names and versions by the names of their metadata directories: reading each would take seconds."""
    found: dict[str, str] = {}
    for directory in sys.path:
        with suppress(OSError):
            for name in os.listdir(directory or "."):  # noqa: PTH208
                if name.endswith((".dist-info", ".egg-info")):
                    package, _, version = name.rpartition(".")[0].partition("-")
                    found.setdefault(package, version)
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _git(directory: str, run_dir: str) -> dict[str, Any] | None:
    head = _run_git(directory, "rev-parse", "--show-toplevel", "HEAD", "--abbrev-ref", "HEAD")
    if head is None:
        return None
    root, commit, branch = [*head.decode("utf-8", "replace").splitlines(), "", "", ""][:3]
    status = _run_git(root, "status", "--porcelain", "--untracked-files=normal") or b""
    changed = [line for line in status.decode("utf-8", "replace").splitlines() if line]
    tracked = [line[3:] for line in changed if not line.startswith("??")]
    # The run itself, and the untracked directory it lies in, are no change of the project.
    place = os.path.relpath(os.path.realpath(run_dir), os.path.realpath(root)) + "/"
    untracked = [line[3:] for line in changed if line.startswith("??") and not place.startswith(line[3:])]
    remote = _run_git(root, "config", "--get", "remote.origin.url") or b""
    about: dict[str, Any] = {
        "commit": commit,
        "branch": branch,
        "root": root,
        "remote": without_user(remote.decode("utf-8", "replace").strip()),
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
