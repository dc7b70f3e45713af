"""Hugging Face's `Trainer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfruns_rs.frameworks._recorder import Recorder, attempt, length, name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfruns_rs.tracking._run import Run


class TransformersRecorder:
    """Fills a run from a `Trainer`: `Trainer(…, callbacks=[RunCallback()])`.

    What the trainer logs is logged at its step and epoch, `eval_loss` as `val_loss`; `evaluate()` after the
    training is recorded as evaluation.

    Args:
        run: The run; None for the active one. Where none is active, a run is started with the training and
            ends with it.
        name: The name of a run that is started.
    """

    def __init__(self, run: Run | None = None, *, name: str = "transformers") -> None:
        super().__init__()
        self._recorder = Recorder(name, run)

    @property
    def run(self) -> Run | None:
        """The run that is filled; None before the first training."""
        return self._recorder.run

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """The run begins, or goes on, and is told what is trained."""
        del control
        if not state.is_world_process_zero:
            return
        self._recorder.begin()
        model: Any = given.get("model")
        self._recorder.properties(
            samples=attempt(lambda: length(given["train_dataloader"].dataset)),
            epochs=attempt(lambda: int(state.num_train_epochs)),
            batch_size=attempt(lambda: int(args.train_batch_size)),
            model=attempt(lambda: str(model)),
            loss_function=attempt(lambda: name_of(getattr(model, "loss_type", None) or model.loss_function)),
            optimizer=name_of(given.get("optimizer")) or attempt(lambda: str(args.optim.value)),
            learning_rate=attempt(lambda: float(args.learning_rate)),
        )

    def on_log(
        self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **given: Any
    ) -> None:
        """Logs what the trainer logs; its summary at the end becomes properties."""
        del args, control, given
        if not state.is_world_process_zero or not self._recorder.is_training:
            return
        metrics = {name: value for name, value in (logs or {}).items() if name not in {"epoch", "total_flos"}}
        if "train_runtime" in metrics:
            self._recorder.properties(
                **{
                    name: value
                    for name, value in metrics.items()
                    if name.startswith("train_") and name != "train_loss"
                }
            )
            return
        epoch = None if state.epoch is None else int(state.epoch)
        self._recorder.log(metrics, state.global_step, epoch)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Mapping[str, Any] | None = None, **given: Any
    ) -> None:
        """Records an evaluation that is no epoch's validation."""
        del args, control
        if not state.is_world_process_zero:
            return
        if self._recorder.is_training:  # the trainer makes the loader when it first needs it
            held_out = attempt(lambda: length(given["eval_dataloader"].dataset))
            self._recorder.properties(validation_samples=held_out)
        else:
            self._recorder.evaluation({k: v for k, v in (metrics or {}).items() if k != "epoch"})

    def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """A run that was started here ends."""
        del args, state, control, given
        self._recorder.end()
