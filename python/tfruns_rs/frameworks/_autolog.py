"""What `training_run(autolog=True)` makes frameworks do: log into the active run, whatever the script says.

| framework | patched | so that |
|---|---|---|
| Keras | `Model.fit`, `Model.evaluate` | they have a `RunCallback`, unless they were given one |
| Lightning | `Trainer.__init__` | the trainer has a `RunLogger` beside its own loggers |
| Hugging Face | `Trainer.__init__` | the trainer has a `RunCallback` |
| torch, tensorboardX | `SummaryWriter.__init__` | a writer without a directory writes into the run |
| scikit-learn | `fit` of searches | candidates are rows of the run's metrics, the best is its evaluation |
| XGBoost | `train`, `cv` | they have a `RunCallback`, unless they were given one |
| LightGBM | `train`, `cv` | they have a `RunCallback`, unless they were given one |
| matplotlib | `pyplot.show` | figures are kept as plots of the run |

A patch is made when its module is imported, and never imports one.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfruns_rs.frameworks import _watch
from tfruns_rs.tfruns import _active

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

SWITCH = "TFRUNS_AUTOLOG"
"""The variable that tells interpreters below to watch."""
_SITE = str(Path(__file__).with_name("_site"))
_PLOTS = "module://tfruns_rs.tfruns._plots"
_originals: list[tuple[Any, str, Any]] = []
_callbacks: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def to_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that make interpreters below watch what is imported."""
    before = environment.get("PYTHONPATH")
    return {SWITCH: "1", "PYTHONPATH": f"{_SITE}{os.pathsep}{before}" if before else _SITE}


@contextmanager
def autologging() -> Generator[None]:
    """Watches in this process, for a while; everything is as before afterwards."""
    watcher = _watch.install()
    for name in sorted(_watch.WATCHED):
        if name in sys.modules:
            _watch.patch(name, sys.modules[name])
    try:
        yield
    finally:
        sys.meta_path.remove(watcher)
        while _originals:
            owner, name, original = _originals.pop()
            if original is None:
                delattr(owner, name)
            else:
                setattr(owner, name, original)


def patch(name: str, module: Any) -> None:
    """Patches a module that has been imported."""
    if name == "keras":
        _wrap(module.Model, "fit", _with_callback)
        _wrap(module.Model, "evaluate", _with_callback)
    elif name == "transformers.trainer":
        _wrap(module.Trainer, "__init__", _with_trainer_callback)
    elif name.endswith("trainer.trainer"):
        _wrap(module.Trainer, "__init__", _with_logger)
    elif name.endswith("writer"):
        _wrap(module.SummaryWriter, "__init__", _with_directory)
    elif name == "sklearn.model_selection._search":
        _wrap(module.BaseSearchCV, "fit", _with_candidates)
    elif name in {"xgboost.training", "lightgbm.engine"}:
        _wrap_boosting(name.partition(".")[0], module)
    elif name == "matplotlib.pyplot":
        _wrap(module, "show", _with_plots)


def _wrap(owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Puts a function around a method; inherited ones are wrapped where they are looked up."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if _active.current() is None:
            return original(*args, **kwargs)
        return around(original, args, kwargs)

    own: dict[str, Any] = owner.__dict__
    _originals.append((owner, name, own.get(name)))
    setattr(owner, name, wrapper)


def _wrap_boosting(framework: str, module: Any) -> None:
    """Wraps `train` and `cv`, also where the framework has imported them already."""
    for function in ("train", "cv"):
        original = getattr(module, function)
        for place in (module.__name__, framework, f"{framework}.sklearn"):
            holder = sys.modules.get(place)
            if getattr(holder, function, None) is original:
                _wrap(holder, function, _with_round_callback)


def _with_round_callback(original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if original.__module__.startswith("xgboost"):
        from tfruns_rs.xgboost import RunCallback
    else:
        from tfruns_rs.lightgbm import RunCallback

    bound = inspect.signature(original).bind(*args, **kwargs)
    callbacks = list(bound.arguments.get("callbacks") or ())
    ours: Any = RunCallback
    if not any(isinstance(callback, ours) for callback in callbacks):
        bound.arguments["callbacks"] = [*callbacks, ours()]
    return original(*bound.args, **bound.kwargs)


def _with_candidates(original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from tfruns_rs.frameworks._sklearn import record_search

    found = original(*args, **kwargs)
    record_search(args[0], args[1] if len(args) > 1 else kwargs.get("X"))
    return found


def _with_callback(original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from tfruns_rs.keras import RunCallback

    bound = inspect.signature(original).bind(*args, **kwargs)
    given: Any = bound.arguments.get("callbacks")
    if type(given).__name__ == "CallbackList":  # an evaluation that `fit` asks for, or callbacks made ready
        return original(*args, **kwargs)
    callbacks: list[Any] = [given] if given and not hasattr(given, "__iter__") else list(given or ())
    if any(isinstance(callback, RunCallback) for callback in callbacks):
        return original(*args, **kwargs)
    model = args[0]
    if model not in _callbacks:
        _callbacks[model] = RunCallback()
    bound.arguments["callbacks"] = [*callbacks, _callbacks[model]]
    return original(*bound.args, **bound.kwargs)


def _with_trainer_callback(original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    from tfruns_rs.transformers import RunCallback

    original(*args, **kwargs)
    trainer = args[0]
    if not any(isinstance(callback, RunCallback) for callback in trainer.callback_handler.callbacks):
        trainer.add_callback(RunCallback())


def _with_logger(original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    from tfruns_rs.lightning import RunLogger

    original(*args, **kwargs)
    trainer = args[0]
    loggers = list(trainer.loggers)
    if not trainer.fast_dev_run and not any(isinstance(logger, RunLogger) for logger in loggers):
        trainer.loggers = [*loggers, RunLogger()]


def _with_directory(original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    from tfruns_rs.frameworks._base_writer import default_log_dir

    bound = inspect.signature(original).bind(*args, **kwargs)
    first = "logdir" if "logdir" in inspect.signature(original).parameters else "log_dir"
    if not (bound.arguments.get("log_dir") or bound.arguments.get("logdir")):
        bound.arguments[first] = default_log_dir(bound.arguments.get("comment") or "")
    original(*bound.args, **bound.kwargs)


def _with_plots(original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    from tfruns_rs.tfruns._plot_files import next_plot

    run = _active.current()
    if run is not None and mpl.get_backend() != _PLOTS:
        for number in plt.get_fignums():
            figure: Any = plt.figure(number)  # pyright: ignore[reportUnknownMemberType]
            figure.savefig(next_plot(run.run_dir))
    return original(*args, **kwargs)
