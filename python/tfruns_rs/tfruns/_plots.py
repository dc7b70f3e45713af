"""A matplotlib backend that keeps every figure as `plots/Rplot001.png`, `plots/Rplot002.png`, … of the run.

`training_run` chooses it by `MPLBACKEND`; a script that chooses another one keeps that. Figures are saved
when they are shown, and the rest when the interpreter ends.
"""

from __future__ import annotations

import atexit
import os
from typing import Any

import matplotlib as mpl
from matplotlib.backend_bases import FigureManagerBase as FigureManager
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tfruns_rs.tfruns._plot_files import next_plot

DPI = 192
SIZE_INCHES = (1200 / DPI, 715 / DPI)

__all__ = ["FigureCanvas", "FigureManager", "new_figure_manager", "save_figures", "show"]


class FigureCanvas(FigureCanvasAgg):
    """A canvas that shows itself by being saved."""

    manager_class: Any = FigureManager


def show(*_: Any, **__: Any) -> None:
    """Saves all open figures and closes them, as a window would be."""
    save_figures()


def new_figure_manager(number: int, *args: Any, **kwargs: Any) -> Any:
    """A figure without a window."""
    from matplotlib.figure import Figure

    figure = kwargs.pop("FigureClass", Figure)(*args, **kwargs)
    return FigureManager(FigureCanvas(figure), number)


def save_figures(run_dir: str | None = None) -> None:
    """Saves and closes all open figures."""
    import matplotlib.pyplot as plt

    run_dir = run_dir or os.environ.get("TFRUNS_RUN_DIR")
    if not run_dir:
        return
    for number in plt.get_fignums():
        figure: Any = plt.figure(number)  # pyright: ignore[reportUnknownMemberType]
        if figure.axes or figure.texts or figure.images:
            figure.savefig(next_plot(run_dir), dpi=DPI)
        plt.close(figure)


if mpl.rcParams["figure.figsize"] == mpl.rcParamsDefault["figure.figsize"]:
    mpl.rcParams["figure.figsize"] = SIZE_INCHES
atexit.register(save_figures)
