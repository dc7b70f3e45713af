"""LightGBM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self

from tfruns_rs.frameworks._recorder import Recorder, attempt, length, of_sets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tfruns_rs.tracking._run import Run


class Environment(Protocol):
    """What LightGBM tells a callback."""

    model: Any
    params: Mapping[str, Any]
    iteration: int
    end_iteration: int
    evaluation_result_list: Sequence[Sequence[Any]] | None


class RunCallback:
    """Fills a run from a training: `lightgbm.train(…, callbacks=[RunCallback()])`.

    An estimator's `fit` takes it as well.

    After each round the metrics of `valid_sets` are logged: those of the training set by their name, those of
    the only other set as `val_…`, of several others under their own names.

    A training that early stopping ends is not told to callbacks: a run that was started for it ends with the
    next training, with the interpreter, or with the `with` block of the callback.

    Args:
        run: The run; None for the active one. Where none is active, a run is started with the training.
        name: The name of a run that is started.
    """

    before_iteration = False
    order = 15  # before early stopping, which raises

    def __init__(self, run: Run | None = None, *, name: str = "lightgbm") -> None:
        self._recorder = Recorder(name, run, ends_at_exit=True)

    @property
    def run(self) -> Run | None:
        """The run that is filled; None before the first training."""
        return self._recorder.run

    def __call__(self, env: Environment) -> None:
        if env.iteration == getattr(env, "begin_iteration", 0):
            self._recorder.end()
            self._begin(env)
        results: dict[str, dict[str, Any]] = {}
        for data, metric, value, *_ in env.evaluation_result_list or ():
            if data == "cv_agg":  # older versions put the set before the metric
                data, _, metric = metric.partition(" ")  # noqa: PLW2901
            results.setdefault(data, {})[metric] = value
        metrics = of_sets(results)
        self._recorder.log(metrics, env.iteration + 1, env.iteration + 1)
        validation = {name: value for name, value in metrics.items() if name.startswith("val_")}
        if validation:
            self._recorder.evaluation(validation)
        if env.iteration + 1 >= env.end_iteration:
            self._recorder.end()

    def _begin(self, env: Environment) -> None:
        params = dict(env.params)
        self._recorder.begin(params)
        model = env.model
        rates = [params[name] for name in ("learning_rate", "eta", "shrinkage_rate") if name in params]
        valid: Any = attempt(lambda: model.valid_sets) or ()
        self._recorder.properties(
            samples=length(getattr(model, "train_set", None)),
            validation_samples=length(valid[0]) if len(valid) == 1 else None,
            epochs=env.end_iteration,
            model=f"LightGBM {params.get('boosting', params.get('boosting_type', 'gbdt'))}",
            loss_function=attempt(lambda: str(params["objective"])),
            learning_rate=float(rates[0]) if rates else 0.1,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        self._recorder.end(error)
