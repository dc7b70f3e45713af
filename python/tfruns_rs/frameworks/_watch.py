"""Notices that a framework is imported, and has it patched then. Imports nothing of ours by itself."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # what `typing` calls so; an interpreter that starts does not pay for importing that
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

WATCHED = frozenset(
    {
        "keras",
        "lightning.pytorch.trainer.trainer",
        "pytorch_lightning.trainer.trainer",
        "transformers.trainer",
        "torch.utils.tensorboard.writer",
        "tensorboardX.writer",
        "matplotlib.pyplot",
        "sklearn.model_selection._search",
        "xgboost.training",
        "lightgbm.engine",
    }
)
"""The modules that are patched, by `_autolog`."""


class Watcher:
    """A finder of modules that lets the others find, and is told when a watched module has been imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The others' answer, for a module that is watched."""
        if name not in WATCHED:
            return None
        for finder in list(sys.meta_path):
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    _tell_after(spec.loader, name)
                return spec
        return None


def _tell_after(loader: Any, name: str) -> None:
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        del loader.exec_module
        execute(module)
        patch(name, module)

    loader.exec_module = exec_module


def patch(name: str, module: ModuleType) -> None:
    """Patches a module; whatever is wrong with that is told, and the script goes on."""
    try:
        from tfruns_rs.frameworks import _autolog

        _autolog.patch(name, module)
    except Exception as error:  # noqa: BLE001 - the script must not fail for being watched
        sys.stderr.write(f"tfruns: {name} is not logged by itself: {type(error).__name__}: {error}\n")


def install() -> Watcher:
    """Watches from now on; returns the watcher."""
    watcher = Watcher()
    sys.meta_path.insert(0, watcher)
    return watcher
