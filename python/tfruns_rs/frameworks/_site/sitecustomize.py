"""Read by interpreters below `training_run(autolog=True)` as they start: watches what they import.

It costs them next to nothing: tfruns_rs is imported when a framework has been.
"""

import importlib.machinery
import importlib.util
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib costs start time


def _chain() -> None:
    """Runs the `sitecustomize` that this one hides."""
    elsewhere = [place for place in sys.path if os.path.abspath(place or ".") != _HERE]  # noqa: PTH100
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", elsewhere)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def _watch() -> None:
    path = os.path.join(os.path.dirname(_HERE), "_watch.py")  # noqa: PTH118, PTH120
    spec = importlib.util.spec_from_file_location("_tfruns_watch", path)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.install()


if os.environ.get("TFRUNS_AUTOLOG") == "1" and os.environ.get("TFRUNS_RUN_DIR"):
    _watch()
_chain()
