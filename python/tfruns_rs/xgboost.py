"""XGBoost fills runs: `xgboost.train(…, callbacks=[tfruns_rs.xgboost.RunCallback()])`."""

from typing import TYPE_CHECKING, Any

from tfruns_rs.frameworks._classes import made

if TYPE_CHECKING:
    from tfruns_rs.frameworks._xgboost import XGBoostRecorder as RunCallback

__all__ = ["RunCallback"]


def __getattr__(name: str) -> Any:
    if name != "RunCallback":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tfruns_rs.frameworks._xgboost import XGBoostRecorder

    return made(__name__, name, XGBoostRecorder, "xgboost", ("xgboost.callback", "TrainingCallback"))
