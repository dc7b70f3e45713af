"""Hugging Face's `Trainer` fills runs: `Trainer(…, callbacks=[tfruns_rs.transformers.RunCallback()])`."""

from typing import TYPE_CHECKING, Any

from tfruns_rs.frameworks._classes import made

if TYPE_CHECKING:
    from tfruns_rs.frameworks._transformers import TransformersRecorder as RunCallback

__all__ = ["RunCallback"]


def __getattr__(name: str) -> Any:
    if name != "RunCallback":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tfruns_rs.frameworks._transformers import TransformersRecorder

    return made(__name__, name, TransformersRecorder, "transformers", ("transformers", "TrainerCallback"))
