"""What the machine does while a run runs, sampled in the background as metrics of type "system".

| metric | unit | from |
|---|---|---|
| `cpu_percent`, `process_cpu_percent` | % (of all cores; of one core) | psutil |
| `memory_percent`, `process_memory_bytes` | %, bytes | psutil |
| `disk_read_bytes`, `disk_written_bytes` | bytes since the start | psutil |
| `net_received_bytes`, `net_sent_bytes` | bytes since the start | psutil |
| `gpu<i>_percent`, `gpu<i>_memory_bytes`, `gpu<i>_watts`, `gpu<i>_celsius` | | nvidia-ml-py |

The step is the number of the sample.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from tfruns_rs.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tfruns_rs.tracking._session import Session

TYPE = "system"


class Sampler:
    """A thread that samples until it is stopped."""

    def __init__(self, session: Session, interval_secs: float) -> None:
        self._session = session
        self._interval_secs = interval_secs
        self._sources: list[Callable[[], dict[str, float]]] = [_machine(), *_gpus()]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="tfruns-system", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the sampling."""
        self._stop.set()
        self._thread.join(self._interval_secs + 1)

    def _loop(self) -> None:
        step = 0
        while not self._stop.wait(self._interval_secs if step else min(self._interval_secs, 1.0)):
            values: dict[str, float] = {}
            for source in self._sources:
                with contextlib.suppress(
                    Exception
                ):  # a counter that is missing, a card that fell off the bus
                    values.update(source())
            if values:
                with contextlib.suppress(OSError, ValueError):  # the training hears of it when it logs
                    self._session.log(TYPE, values, step, None, time.time())
            step += 1


def require() -> None:
    """Sees to it that sampling is possible.

    Raises:
        MissingExtraError: psutil is not installed.
    """
    _machine()


def _machine() -> Callable[[], dict[str, float]]:
    try:
        import psutil  # pyright: ignore[reportMissingModuleSource]
    except ImportError:
        raise MissingExtraError("system metrics need psutil: pip install 'tfruns-rs[system]'") from None
    api: Any = psutil
    process = api.Process(os.getpid())
    api.cpu_percent()
    process.cpu_percent()
    disk_before, net_before = api.disk_io_counters(), api.net_io_counters()

    def sample() -> dict[str, float]:
        found = {
            "cpu_percent": api.cpu_percent(),
            "process_cpu_percent": process.cpu_percent(),
            "memory_percent": api.virtual_memory().percent,
            "process_memory_bytes": process.memory_info().rss,
        }
        disk, net = api.disk_io_counters(), api.net_io_counters()
        if disk is not None and disk_before is not None:
            found["disk_read_bytes"] = disk.read_bytes - disk_before.read_bytes
            found["disk_written_bytes"] = disk.write_bytes - disk_before.write_bytes
        if net is not None and net_before is not None:
            found["net_received_bytes"] = net.bytes_recv - net_before.bytes_recv
            found["net_sent_bytes"] = net.bytes_sent - net_before.bytes_sent
        return {name: float(value) for name, value in found.items()}

    return sample


def _gpus() -> list[Callable[[], dict[str, float]]]:
    try:
        import pynvml  # pyright: ignore[reportMissingImports]
    except ImportError:
        return []
    api: Any = pynvml
    try:
        api.nvmlInit()
        handles = [api.nvmlDeviceGetHandleByIndex(index) for index in range(api.nvmlDeviceGetCount())]
    except api.NVMLError:
        return []

    def sample_of(index: int, handle: Any) -> Callable[[], dict[str, float]]:
        def sample() -> dict[str, float]:
            return {
                f"gpu{index}_percent": float(api.nvmlDeviceGetUtilizationRates(handle).gpu),
                f"gpu{index}_memory_bytes": float(api.nvmlDeviceGetMemoryInfo(handle).used),
                f"gpu{index}_watts": api.nvmlDeviceGetPowerUsage(handle) / 1000,
                f"gpu{index}_celsius": float(api.nvmlDeviceGetTemperature(handle, api.NVML_TEMPERATURE_GPU)),
            }

        return sample

    return [sample_of(index, handle) for index, handle in enumerate(handles)]
