"""The machine and the Python that a run runs on."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

_FRAMEWORKS = (
    "torch",
    "tensorflow",
    "jax",
    "keras",
    "lightning",
    "sklearn",
    "xgboost",
    "lightgbm",
    "transformers",
)


def platform_facts() -> dict[str, Any]:
    """Host, system, Python, packages, frameworks, processor, memory, graphics cards.

    Returns:
        `hostname, os, python, pypkgs` (name to version, of everything installed), `framework` (those
        imported, as one text), `cpu` (model, count, usable), `memory_bytes`, `gpus` (a list, empty without).
    """
    import platform
    import socket

    return {
        "hostname": socket.gethostname(),
        "os": platform.platform(),
        "python": platform.python_version(),
        "pypkgs": _packages(),
        "framework": ",".join(name for name in _FRAMEWORKS if name in sys.modules),
        "cpu": {"model": _cpu_model(), "count": os.cpu_count(), "usable": _usable_cpus()},
        "memory_bytes": _memory_bytes(),
        "gpus": _gpus(),
    }


def _packages() -> dict[str, str]:
    """What is installed, by the names of the metadata directories: 200 packages in a millisecond."""
    found: dict[str, str] = {}
    for directory in sys.path:
        try:
            names = os.listdir(directory or ".")  # noqa: PTH208
        except OSError:
            continue
        for name in names:
            match = re.fullmatch(r"(.+?)-([^-]+)(?:-.*)?\.(?:dist|egg)-info", name)
            if match:
                found.setdefault(match[1].replace("_", "-"), match[2])
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _usable_cpus() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


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


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _gpus() -> list[dict[str, Any]]:
    """By NVIDIA's library where it is installed, else by what its driver tells."""
    try:
        import pynvml  # pyright: ignore[reportMissingImports]
    except ImportError:
        return _gpus_of_driver()
    nvml: Any = pynvml
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return []
    try:
        driver = _text(nvml.nvmlSystemGetDriverVersion())
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        return [
            {
                "name": _text(nvml.nvmlDeviceGetName(handle)),
                "memory_bytes": int(nvml.nvmlDeviceGetMemoryInfo(handle).total),
                "driver": driver,
            }
            for handle in handles
        ]
    except nvml.NVMLError:
        return []
    finally:
        nvml.nvmlShutdown()


def _gpus_of_driver() -> list[dict[str, Any]]:
    root = "/proc/driver/nvidia/gpus"
    found: list[dict[str, Any]] = []
    try:
        for name in sorted(os.listdir(root)):  # noqa: PTH208
            with open(f"{root}/{name}/information", encoding="utf-8") as file:  # noqa: PTH123
                match = re.search(r"^Model:\s*(.+)$", file.read(), re.MULTILINE)
            found.append({"name": match[1].strip() if match else name, "memory_bytes": None, "driver": None})
    except OSError:
        pass
    return found


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
