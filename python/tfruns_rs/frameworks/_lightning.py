"""PyTorch Lightning."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from tfruns_rs.frameworks._recorder import Recorder, attempt, by_set, length, name_of, plain
from tfruns_rs.frameworks._summary_writer import SummaryWriter
from tfruns_rs.tfruns import _active

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfruns_rs.tracking._run import Run


class LightningRecorder:
    """Fills a run from a trainer: `Trainer(logger=RunLogger())`.

    What a module logs is logged at its step and epoch, `val_loss` (or `val/loss`) as the twin of
    `train_loss`; what `trainer.test()` and `trainer.validate()` measure is recorded as evaluation.
    `logger.experiment` is a `SummaryWriter`, as the one of Lightning's `TensorBoardLogger` is, that writes
    into the run.

    Args:
        run: The run; None for the active one. Where none is active, a run is started with the training and
            ends with it.
        name: The name of a run that is started.
    """

    def __init__(self, run: Run | None = None, *, name: str = "lightning") -> None:
        super().__init__()
        self._recorder = Recorder(name, run)
        self._name = name
        self._module: Any = None
        self._is_described = False
        self._writer: SummaryWriter | None = None

    @property
    def run(self) -> Run | None:
        """The run that is filled; None before the first training."""
        return self._recorder.run

    @property
    def name(self) -> str:
        """The run's name."""
        return self._name

    @property
    def version(self) -> str:
        """The name of the run's directory."""
        return (self.save_dir or "").rsplit("/", 1)[-1]

    @property
    def save_dir(self) -> str | None:
        """The run's directory, where Lightning puts its checkpoints."""
        return None if self._recorder.run is None else self._recorder.run.local

    @property
    def root_dir(self) -> str | None:
        """The run's directory."""
        return self.save_dir

    @property
    def log_dir(self) -> str | None:
        """The run's directory."""
        return self.save_dir

    @property
    def experiment(self) -> SummaryWriter:
        """A `SummaryWriter` that writes into the run; on other ranks than the first it writes nothing."""
        if self._writer is None:
            self._recorder.begin()
            if _active.rank() > 0 or self.save_dir is None:
                from tfruns_rs.frameworks._tensorboardx import silent

                return silent()
            self._writer = SummaryWriter(f"{self.save_dir}/logs")
        return self._writer

    def log_hyperparams(self, params: Any, *_args: Any, **_options: Any) -> None:
        """Records the module's hyperparameters."""
        given: Any = vars(params) if isinstance(params, argparse.Namespace) else params
        self._recorder.begin(given)
        run = self._recorder.run
        if run is not None and given:
            values = {name: value for name, value in plain(given).items() if name not in run.hparams}
            attempt(lambda: run.hparams.update(values))

    def log_graph(self, model: Any, *_args: Any, **_options: Any) -> None:
        """Lightning hands over the module here, before it trains; no graph is drawn."""
        self._module = model
        self._recorder.begin()
        self._is_described = False

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Logs what a module logs."""
        self._recorder.begin()
        epoch = metrics.get("epoch")
        values = {name: value for name, value in metrics.items() if name != "epoch"}
        function = attempt(lambda: str(self._module.trainer.state.fn.value))
        if function in {"test", "validate"} or set(by_set(values)) == {"test"}:
            self._recorder.evaluation(values)
            return
        self._describe()
        self._recorder.log(values, int(step or 0), None if epoch is None else int(epoch) + 1)

    def log_image(self, key: str, images: Any, step: int | None = None, **_options: Any) -> None:
        """Logs images, as Lightning's other loggers do."""
        import numpy as np

        for number, image in enumerate(images):
            array = np.asarray(image.detach().cpu() if hasattr(image, "detach") else image)
            self.experiment.add_image(
                f"{key}_{number}" if len(images) > 1 else key, array, step, dataformats="HWC"
            )

    def _describe(self) -> None:
        trainer: Any = attempt(lambda: self._module.trainer)
        if self._is_described or trainer is None:
            return
        loader: Any = attempt(lambda: trainer.train_dataloader)
        optimizer: Any = attempt(lambda: trainer.optimizers[0])
        if loader is None or optimizer is None:
            return
        self._is_described = True
        epochs = getattr(trainer, "max_epochs", None)
        losses = [m for m in self._module.modules() if type(m).__name__.endswith("Loss")]
        self._recorder.properties(
            samples=attempt(lambda: length(loader.dataset)),
            validation_samples=attempt(lambda: length(_first(trainer.val_dataloaders).dataset)),
            epochs=epochs if epochs is not None and epochs > 0 else None,
            batch_size=attempt(lambda: int(loader.batch_size)),
            model=attempt(lambda: str(self._module)),
            loss_function=name_of(losses[0]) if losses else None,
            optimizer=name_of(optimizer),
            learning_rate=attempt(
                lambda: float(optimizer.param_groups[0].get("initial_lr", optimizer.param_groups[0]["lr"]))
            ),
        )

    def save(self) -> None:
        """Sees to it that readers find what was logged."""
        if self._writer is not None:
            self._writer.flush()

    def finalize(self, status: str) -> None:
        """A run that was started here ends."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._recorder.end(None if status in {"success", "finished"} else f"the training ended: {status}")

    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """Records which checkpoint is the best."""
        path = getattr(checkpoint_callback, "best_model_path", None)
        self._recorder.properties(best_model_path=path or None)


def _first(loaders: Any) -> Any:
    return loaders[0] if isinstance(loaders, list | tuple) else loaders  # pyright: ignore[reportUnknownVariableType]
