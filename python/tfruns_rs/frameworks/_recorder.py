"""What every callback does with a run: find or start it, and fill it.

Inside an active run (`training_run`, `create_run`) a callback fills that one and leaves its end to whoever
started it. Elsewhere it starts a run of its own and ends it with the training.
"""

from __future__ import annotations

import atexit
import inspect
import math
import re
import sys
from typing import TYPE_CHECKING, Any

from tfruns_rs.tfevents._lifecycle import flush
from tfruns_rs.tfruns import _active
from tfruns_rs.tfruns._run_metadata import looks_secret, write_run_metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfruns_rs.tracking._run import Run

_SETS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "eval": "val",
    "test": "test",
}
_PREFIX = re.compile(rf"({'|'.join(sorted(_SETS, key=len, reverse=True))})[_/](.+)")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
MOST_TEXT = 64 << 10
"""Characters kept of a model's description."""


class Recorder:
    """A run that a training fills.

    Args:
        name: The name of a run that has to be started.
        run: The run to fill; None for the active one, or a new one.
        ends_at_exit: A run that was started ends well when the interpreter does, for frameworks that do not
            say when a training ends.
    """

    def __init__(self, name: str, run: Run | None = None, *, ends_at_exit: bool = False) -> None:
        self._name = _NOT_IN_NAMES.sub("-", name).strip("-_")[:40] or "training"
        self._given = run
        self._ends_at_exit = ends_at_exit
        self._is_owner = False
        self.run: Run | None = None
        self.is_training = False

    def begin(self, hparams: Mapping[str, Any] | None = None) -> None:
        """A training begins."""
        if _active.rank() > 0 or self.is_training:
            return
        from tfruns_rs.tracking._create_run import active_run, create_run

        self.is_training = True
        self.run = self._given or active_run()
        self._is_owner = self.run is None
        if self.run is None:
            self.run = create_run(name=self._name, hparams=plain(hparams or {}))
            if self._ends_at_exit:
                atexit.register(self._exit)

    def properties(self, **facts: Any) -> None:
        """Records what is known of the training; None is left out."""
        known = {name: _short(fact) for name, fact in facts.items() if fact is not None and fact != ""}
        if self.run is not None and self.run.local is not None and known:
            write_run_metadata("properties", known, self.run.local)

    def log(self, metrics: Mapping[str, Any], step: int, epoch: int | None = None) -> None:
        """Logs numbers; the first word of a name tells whether of training, validation or test."""
        if self.run is None:
            return
        for kind, values in by_set(metrics).items():
            self.run.log(kind, values, step, epoch)

    def evaluation(self, metrics: Mapping[str, Any]) -> None:
        """Records the result of an evaluation, in the run of the training before it."""
        if _active.rank() > 0:
            return
        values = {name: value for values in by_set(metrics).values() for name, value in values.items()}
        if values:
            write_run_metadata("evaluation", values, None if self.run is None else self.run.local)

    def end(self, error: BaseException | str | None = None) -> None:
        """The training has ended."""
        if not self.is_training:
            return
        self.is_training = False
        if not self._is_owner or self.run is None:
            flush()
        elif error is None:
            self.run.finish()
        else:
            self.run.fail(error)

    def _exit(self) -> None:
        if not isinstance(getattr(sys, "last_value", None), BaseException):
            self.end()


def by_set(metrics: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """The numbers among metrics, by the part of the data they speak of, and without its name.

    Examples:
        >>> by_set({"loss": 1, "val_loss": 2, "test/acc": 3, "note": "x"})
        {'train': {'loss': 1.0}, 'val': {'loss': 2.0}, 'test': {'acc': 3.0}}
    """
    found: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        if isinstance(value, str) or (number := as_number(value)) is None:
            continue
        match = _PREFIX.fullmatch(name)
        kind, rest = (_SETS[match[1]], match[2]) if match else ("train", name)
        found.setdefault(kind, {})[rest] = number
    return found


def as_number(value: Any) -> float | None:
    """One number, or None."""
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError):
        return None


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a training's settings that can be hyperparameters; nothing that looks like a secret."""
    return {
        str(name): value
        for name, value in values.items()
        if isinstance(value, bool | int | float | str)
        and not looks_secret(str(name))
        and not (isinstance(value, float) and not math.isfinite(value))
    }


def of_sets(results: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """The results of several data sets as metrics; the only set beside the training set is `val_`.

    Examples:
        >>> of_sets({"train": {"rmse": 1}, "test": {"rmse": 2}})
        {'train_rmse': 1.0, 'val_rmse': 2.0}
        >>> of_sets({"a": {"rmse": 1}, "b": {"rmse": 2}})
        {'a_rmse': 1.0, 'b_rmse': 2.0}
    """
    training = [name for name in results if _SETS.get(name) == "train"]
    others = [name for name in results if name not in training]
    names = {**dict.fromkeys(training, "train"), **({others[0]: "val"} if len(others) == 1 else {})}
    metrics: dict[str, float] = {}
    for data, values in results.items():
        for metric, value in values.items():
            number = as_number(value)
            if number is not None:
                metrics[f"{names.get(data, data)}_{metric}"] = number
    return metrics


def frame_of(function: str, **fixed: Any) -> dict[str, Any]:
    """The variables of the caller of that name whose variables are these; empty where there is none.

    Frameworks tell callbacks little: how many samples there are stands in the arguments of `fit` alone.
    """
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name == function:
            variables = frame.f_locals
            if all(variables.get(name) is value for name, value in fixed.items()):
                return dict(variables)
        frame = frame.f_back
    return {}


def length(data: Any) -> int | None:
    """How many samples data hold: an array, a frame, a data set, or the first of several."""
    if isinstance(data, dict):
        data = next(iter(data.values()), None)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(data, list | tuple) and data and hasattr(data[0], "__len__") and hasattr(data[0], "shape"):  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
        data = data[0]  # pyright: ignore[reportUnknownVariableType]
    for name in ("num_row", "num_data"):
        if hasattr(data, name):  # pyright: ignore[reportUnknownArgumentType]
            return attempt(lambda: int(getattr(data, name)()))  # noqa: B023  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType]
    return attempt(lambda: len(data))  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType, reportArgumentType]


def attempt(look: Any) -> Any:
    """What a look at a framework's object finds; None where this version of it has none."""
    try:
        return look()
    except Exception:  # noqa: BLE001 - a property less, and the training goes on
        return None


def name_of(thing: Any) -> str | None:
    """What a loss or an optimizer is called."""
    if thing is None or isinstance(thing, str):
        return thing
    name = getattr(thing, "name", None) or getattr(thing, "__name__", None)
    return name if isinstance(name, str) else type(thing).__name__


def _short(fact: Any) -> Any:
    if isinstance(fact, str) and len(fact) > MOST_TEXT:
        return f"{fact[:MOST_TEXT]}\n… {len(fact) - MOST_TEXT} characters more"
    return fact
