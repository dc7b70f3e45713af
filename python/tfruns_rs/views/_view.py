"""What a user calls to see runs. What draws the pages is imported by the first call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfruns_rs.errors import RunNotFoundError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import polars as pl

    from tfruns_rs.tfruns._run_dir import Runs
    from tfruns_rs.views._live import MetricsViewer

    Metrics = pl.DataFrame | Mapping[str, Sequence[float | None]]
    Viewer = Callable[[str], object]


def save_run_view(run_dir: Runs | None = None, filename: str | os.PathLike[str] = "auto") -> Path:
    """Saves the report of a run as one HTML file, which opens anywhere and needs no network.

    Args:
        run_dir: The run; the latest by default.
        filename: Where to save it; "auto" is a file in a fresh directory that nobody can foresee.

    Returns:
        The file.

    Raises:
        RunNotFoundError: There is no such run, or none at all.
        MissingExtraError: The extra `[view]` is not installed.
    """
    from tfruns_rs.views import _page, _report, _runs

    info = _runs.one(run_dir)
    return _page.save(_report.render_report(info), filename, f"run-{_runs.name_of(info)}.html")


def view_run(run_dir: Runs | None = None, viewer: Viewer | None = None) -> Path:
    """Saves the report of a run to a temporary file and shows it.

    Args:
        run_dir: The run; the latest by default.
        viewer: Called with the file's path; the option `viewer` by default, else the web browser. Without a
            display (over ssh, in CI) the path is printed, and no browser of the terminal is started.

    Returns:
        The file.

    Raises:
        RunNotFoundError: There is no such run, or none at all.
        MissingExtraError: The extra `[view]` is not installed.
    """
    from tfruns_rs.views._open import show_page

    path = save_run_view(run_dir)
    show_page(str(path), viewer)
    return path


def save_run_comparison(runs: Runs | None = None, filename: str | os.PathLike[str] = "auto") -> Path:
    """Saves the comparison of two or more runs as one HTML file, the most recent run on the right.

    Args:
        runs: The runs; the two latest by default.
        filename: Where to save it; "auto" is a file in a fresh directory that nobody can foresee.

    Returns:
        The file.

    Raises:
        RunNotFoundError: There are fewer than two runs.
        MissingExtraError: The extra `[view]` is not installed.
    """
    from tfruns_rs.views import _compare, _page, _runs

    infos = _runs.many(runs)
    if len(infos) < 2:  # noqa: PLR2004 - a comparison
        raise RunNotFoundError(f"comparing takes two runs or more, not {len(infos)}")
    names = sorted(_runs.name_of(info) for info in infos)
    return _page.save(
        _compare.render_comparison(infos), filename, f"compare-runs-{names[0]}-{names[-1]}.html"
    )


def compare_runs(runs: Runs | None = None, viewer: Viewer | None = None) -> Path:
    """Saves the comparison of two or more runs to a temporary file and shows it.

    Args:
        runs: The runs; the two latest by default.
        viewer: Called with the file's path, as for `view_run`.

    Returns:
        The file.

    Raises:
        RunNotFoundError: There are fewer than two runs.
        MissingExtraError: The extra `[view]` is not installed.
    """
    from tfruns_rs.views._open import show_page

    path = save_run_comparison(runs)
    show_page(str(path), viewer)
    return path


def view_run_metrics(metrics: Metrics, viewer: Viewer | None = None) -> MetricsViewer:
    """Opens a live page of metrics; in a notebook, an output that updates.

    The page is served on this machine only, below a random address, until the process ends.

    Args:
        metrics: A frame or a mapping with a column a metric: an entry an epoch, None for those to come. A
            column `epoch` names the epochs; `val_loss` is drawn beside `loss`.
        viewer: Called with the page's address, as for `view_run`.

    Returns:
        The view, to be given to `update_run_metrics`. It is a context manager; its `close()` tells the page
        that the training has ended.

    Raises:
        MissingExtraError: The extra `[view]` is not installed.
    """
    from tfruns_rs.views._live import open_viewer

    return open_viewer(metrics, viewer)


def update_run_metrics(viewer: MetricsViewer, metrics: Metrics) -> None:
    """Shows other metrics in an open view, without a reload.

    Args:
        viewer: What `view_run_metrics` returned.
        metrics: The metrics from the first epoch on.
    """
    viewer.update(metrics)
