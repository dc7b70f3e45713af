"""LightGBM fills runs: `lightgbm.train(…, callbacks=[tfruns_rs.lightgbm.RunCallback()])`."""

from tfruns_rs.frameworks._lightgbm import RunCallback

__all__ = ["RunCallback"]
