"""Lightning fills runs: `Trainer(logger=tfruns_rs.lightning.RunLogger())`."""

from typing import TYPE_CHECKING, Any

from tfruns_rs.frameworks._classes import made

if TYPE_CHECKING:
    from tfruns_rs.frameworks._lightning import LightningRecorder as RunLogger

__all__ = ["RunLogger"]


def __getattr__(name: str) -> Any:
    if name != "RunLogger":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tfruns_rs.frameworks._lightning import LightningRecorder

    places = (("lightning.pytorch.loggers.logger", "Logger"), ("pytorch_lightning.loggers.logger", "Logger"))
    return made(__name__, name, LightningRecorder, "lightning", *places)
