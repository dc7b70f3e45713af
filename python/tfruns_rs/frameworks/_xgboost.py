"""XGBoost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tfruns_rs.frameworks._recorder import Recorder, attempt, frame_of, length, of_sets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfruns_rs.tracking._run import Run


class XGBoostRecorder:
    """Fills a run from a training: `xgboost.train(…, callbacks=[RunCallback()])`.

    An estimator takes it as `callbacks=` as well.

    After each round the metrics of `evals` are logged: those of a set named "train" by their name, those of
    the only other set as `val_…`, of several others under their own names.

    Args:
        run: The run; None for the active one. Where none is active, a run is started with the training and
            ends with it.
        name: The name of a run that is started.
    """

    def __init__(self, run: Run | None = None, *, name: str = "xgboost") -> None:
        super().__init__()
        self._recorder = Recorder(name, run)
        self._last: dict[str, float] = {}

    @property
    def run(self) -> Run | None:
        """The run that is filled; None before the first training."""
        return self._recorder.run

    def before_training(self, model: Any) -> Any:
        """The run begins, or goes on, and is told what is trained."""
        call = frame_of("train") or frame_of("cv")
        given: Mapping[str, Any] | None = call.get("params")
        self._recorder.begin(given)
        booster = attempt(lambda: model.cvfolds[0].bst) or model
        config: Any = attempt(lambda: json.loads(booster.save_config())["learner"]) or {}
        evals: Any = call.get("evals") or ()
        training = call.get("dtrain")
        others = [data for data, _ in evals if data is not training]
        self._recorder.properties(
            samples=length(training),
            validation_samples=length(others[0]) if len(others) == 1 else None,
            epochs=call.get("num_boost_round"),
            model=f"XGBoost {attempt(lambda: config['gradient_booster']['name']) or 'booster'}",
            loss_function=attempt(lambda: config["objective"]["name"]),
            optimizer=attempt(lambda: config["gradient_booster"]["gbtree_train_param"]["updater_seq"]),
            learning_rate=attempt(lambda: _rate(given, config)),
        )
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Mapping[str, Any]]) -> bool:
        """Logs the round's metrics; rounds count from 1."""
        del model
        last = {
            data: {metric: _mean(values[-1]) for metric, values in results.items()}
            for data, results in evals_log.items()
        }
        self._last = of_sets(last)
        self._recorder.log(self._last, epoch + 1, epoch + 1)
        return False

    def after_training(self, model: Any) -> Any:
        """Records the best round, if there is one; a run that was started here ends."""
        best = attempt(lambda: int(model.best_iteration))
        self._recorder.properties(best_iteration=None if best is None else best + 1)
        validation = {name: value for name, value in self._last.items() if name.startswith("val_")}
        if validation:
            self._recorder.evaluation(validation)
        self._recorder.end()
        return model


def _mean(value: Any) -> Any:
    """Cross-validation gives mean and deviation."""
    return value[0] if isinstance(value, tuple) else value  # pyright: ignore[reportUnknownVariableType]


def _rate(params: Mapping[str, Any] | None, config: Any) -> float:
    rate: Any = (params or {}).get("eta", (params or {}).get("learning_rate"))
    return float(config["gradient_booster"]["tree_train_param"]["eta"] if rate is None else rate)
