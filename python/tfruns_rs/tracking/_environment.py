"""Where a run runs and what it is made of: `environment.json`, and how `Run` tells it.

The file is the one that `training_run` writes. Here it is written when a run starts, with the processor, the
graphics cards' memory, the frameworks in use and the program that runs besides.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Any

from tfruns_rs.tfruns import _record
from tfruns_rs.tfruns._environment import record_environment

_FRAMEWORKS = ("jax", "keras", "lightgbm", "lightning", "sklearn", "tensorflow", "torch", "xgboost")


def write_environment(run_dir: str) -> dict[str, Any]:
    """Writes down where this process runs."""
    hardware: dict[str, Any] = {"cpu_model": _cpu_model(), "usable_cpus": _usable_cpus()}
    cards = _cards()
    if cards:
        hardware["gpus"] = [name for name, _ in cards]
        hardware["gpu_memory_bytes"] = [size for _, size in cards]
    more = {
        "hardware": hardware,
        "frameworks": [name for name in _FRAMEWORKS if name in sys.modules],
        "entrypoint": _entrypoint(),
    }
    return record_environment(run_dir, [sys.executable, *sys.argv], os.getcwd(), more)  # noqa: PTH109


def path_of(run_dir: str) -> str:
    """Where it is written."""
    return f"{run_dir}/{_record.META_DIR}/environment.json"


def platform_of(environment: dict[str, Any]) -> dict[str, Any]:
    """Host, system, Python, packages, frameworks (as one text), processor, memory, graphics cards."""
    if not environment:
        return {}
    hardware: dict[str, Any] = environment.get("hardware") or {}
    return {
        "hostname": environment.get("host"),
        "os": environment.get("platform"),
        "python": environment.get("python"),
        "pypkgs": environment.get("packages") or {},
        "framework": ",".join(environment.get("frameworks") or []),
        "cpu": {
            "model": hardware.get("cpu_model"),
            "count": hardware.get("cpus"),
            "usable": hardware.get("usable_cpus"),
        },
        "memory_bytes": hardware.get("memory_bytes"),
        "gpus": hardware.get("gpus") or [],
        "gpu_memory_bytes": hardware.get("gpu_memory_bytes") or [],
    }


def git_of(environment: dict[str, Any]) -> dict[str, Any]:
    """Repository, remote, branch, commit, whether tracked files differ from it, and the program that runs.

    Outside a repository all but the last are None.
    """
    if not environment:
        return {}
    git: dict[str, Any] = environment.get("git") or {}
    branch = git.get("branch")
    return {
        "repo_path": git.get("root"),
        "remote_url": git.get("remote") or None,
        "branch": None if branch == "HEAD" else branch,
        "commit": git.get("commit"),
        "is_dirty": bool(git.get("changed")) if git else None,
        "entrypoint": environment.get("entrypoint"),
    }


def _entrypoint() -> str | None:
    """The program that runs, absolute; None in an interactive session."""
    script = sys.argv[0] if sys.argv else ""
    return os.path.abspath(script) if script and script != "-c" and os.path.exists(script) else None  # noqa: PTH100, PTH110


def _usable_cpus() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@cache
def _cpu_model() -> str | None:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            for line in file:
                key, _, value = line.partition(":")
                if key.strip() in {"model name", "Model"}:
                    return value.strip()
    except OSError:
        pass
    import platform

    return platform.processor() or None


@cache
def _cards() -> list[tuple[str, int]]:
    """Names and memory of the graphics cards, where NVIDIA's library is installed."""
    try:
        import pynvml  # pyright: ignore[reportMissingImports]
    except ImportError:
        return []
    nvml: Any = pynvml
    try:
        nvml.nvmlInit()
        try:
            handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
            return [
                (_text(nvml.nvmlDeviceGetName(handle)), int(nvml.nvmlDeviceGetMemoryInfo(handle).total))
                for handle in handles
            ]
        finally:
            nvml.nvmlShutdown()
    except nvml.NVMLError:
        return []


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
