"""Which device a slot uses, as environment variables of its runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

Devices = Sequence[Any] | Callable[[int], Any]


def device_env(devices: Devices | None, slot: int) -> dict[str, str]:
    """The variables for a slot: `CUDA_VISIBLE_DEVICES`, or what a function of the slot returns.

    With more slots than devices, devices are shared, one slot after the other.
    """
    if devices is None:
        return {}
    device: Any = devices(slot) if callable(devices) else devices[slot % len(devices)]
    if isinstance(device, Mapping):
        return {str(name): str(value) for name, value in cast("Mapping[Any, Any]", device).items()}
    return {} if device is None else {"CUDA_VISIBLE_DEVICES": _visible(device)}


def check_devices(devices: Any) -> None:
    """Refuses what names no device.

    Raises:
        ValueError: It is empty, or text where a list belongs.
    """
    if devices is None or callable(devices):
        return
    if isinstance(devices, str) or not devices:
        raise ValueError(f'devices is a list such as ["cuda:0", "cuda:1"] or a function, not {devices!r}')


def _visible(device: Any) -> str:
    """`cuda:1` is 1, `cpu` is none; numbers and UUIDs stand for themselves."""
    text = str(device)
    return "" if text == "cpu" else text.replace("cuda:", "")
