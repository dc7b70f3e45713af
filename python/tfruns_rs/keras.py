"""Keras fills runs: `model.fit(x, y, callbacks=[tfruns_rs.keras.RunCallback()])`."""

from typing import TYPE_CHECKING, Any

from tfruns_rs.frameworks._classes import made

if TYPE_CHECKING:
    from tfruns_rs.frameworks._keras import KerasRecorder as RunCallback

__all__ = ["RunCallback"]


def __getattr__(name: str) -> Any:
    if name != "RunCallback":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tfruns_rs.frameworks._keras import KerasRecorder

    return made(__name__, name, KerasRecorder, "keras", ("keras.callbacks", "Callback"))
