"""Keras 3, on any backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfruns_rs.frameworks._recorder import Recorder, attempt, frame_of, length, name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfruns_rs.tracking._run import Run

_WIDTH = 80


class KerasRecorder:
    """Fills a run from `fit` and `evaluate`: `model.fit(x, y, callbacks=[RunCallback()])`.

    Metrics are logged after each epoch, those of the validation as `val_…`, and with them the properties that
    R's keras records: samples, validation_samples, epochs, batch_size, model, loss_function, optimizer and
    learning_rate. Given to `evaluate` as well, it records the evaluation.

    Args:
        run: The run; None for the active one. Where none is active, a run is started with the training and
            ends with it.
        name: The name of a run that is started.
    """

    params: Mapping[str, Any] | None
    model: Any

    def __init__(self, run: Run | None = None, *, name: str = "keras") -> None:
        super().__init__()
        self._recorder = Recorder(name, run)

    @property
    def run(self) -> Run | None:
        """The run that is filled; None before the first training."""
        return self._recorder.run

    def on_train_begin(self, logs: Any = None) -> None:
        """The run begins, or goes on, and is told what is trained."""
        del logs
        self._recorder.begin()
        model, params = self.model, self.params or {}
        fit = frame_of("fit", self=model)
        validation = fit.get("val_x")
        if validation is None:
            validation = attempt(lambda: fit["validation_data"][0])
        optimizer = getattr(model, "optimizer", None)
        self._recorder.properties(
            samples=length(fit.get("x")),
            validation_samples=length(validation),
            epochs=params.get("epochs"),
            batch_size=fit.get("batch_size")
            or attempt(lambda: fit["epoch_iterator"].data_adapter.batch_size),
            model=attempt(lambda: _summary(model)),
            loss_function=attempt(lambda: _loss(model.loss)),
            optimizer=name_of(optimizer),
            learning_rate=attempt(lambda: _rate(optimizer)),
        )

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Logs the epoch's metrics; epochs count from 1."""
        self._recorder.log(logs or {}, epoch + 1, epoch + 1)

    def on_train_end(self, logs: Any = None) -> None:
        """A run that was started here ends."""
        del logs
        self._recorder.end()

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Records an evaluation that is no epoch's validation."""
        if not self._recorder.is_training:
            self._recorder.evaluation(logs or {})


def _summary(model: Any) -> str:
    lines: list[str] = []

    def keep(line: str, **_: Any) -> None:
        lines.append(line)

    model.summary(print_fn=keep, line_length=_WIDTH)
    return "\n".join(lines)


def _loss(loss: Any) -> str | None:
    if isinstance(loss, dict):
        return ", ".join(f"{name}: {name_of(one)}" for name, one in loss.items())  # pyright: ignore[reportUnknownVariableType]
    if isinstance(loss, list | tuple):
        return ", ".join(str(name_of(one)) for one in loss)  # pyright: ignore[reportUnknownVariableType]
    return name_of(loss)


def _rate(optimizer: Any) -> float:
    rate: Any = getattr(optimizer, "_learning_rate", optimizer.learning_rate)
    value: Any = rate(0) if callable(rate) else optimizer.learning_rate
    return float(value)
