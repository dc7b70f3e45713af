"""`tfruns tensorboard`: TensorBoard on chosen or live runs, without the archive."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from tfruns_rs.cli import _params

_LOOK_SECS = 5.0


@click.command(context_settings={"ignore_unknown_options": True})
@_params.runs_argument()
@_params.subset
@click.option("--live", is_flag=True, help="Running runs only, also those that start later.")
@click.option("--port", type=int, help="TensorBoard's port; 0 for any.")
@_params.runs_dir
def tensorboard(runs: tuple[str, ...], subset: str | None, live: bool, port: int | None) -> int:
    """Start TensorBoard on chosen runs; on all that are not archived where none are named.

    Runs that start while it runs appear. Ctrl-C ends it.

    \b
    Examples:
      tfruns tensorboard
      tfruns tensorboard latest latest~1
      tfruns tensorboard --live --port 0
      tfruns tensorboard --filter "eval_accuracy > 0.9"
    """
    if live:
        subset = f"({subset}) and status = 'running'" if subset else "status = 'running'"
    named = _params.found_runs(runs) if runs else None
    with tempfile.TemporaryDirectory(prefix="tfruns-tensorboard-") as links:
        command = [*_command(), "--logdir", links, *(["--port", str(port)] if port is not None else [])]
        _link(Path(links), _chosen(named, subset))
        if not os.listdir(links):  # noqa: PTH208
            click.echo("No run has logged anything yet; those that do will appear.", err=True)
        with subprocess.Popen(command) as process:  # noqa: S603 - the user's own TensorBoard
            try:
                while True:
                    try:
                        return process.wait(_LOOK_SECS)
                    except subprocess.TimeoutExpired:
                        _link(Path(links), _chosen(named, subset))
            except KeyboardInterrupt:
                process.terminate()
                return 0


def _command() -> list[str]:
    if importlib.util.find_spec("tensorboard") is not None:
        return [sys.executable, "-m", "tensorboard.main"]
    found = shutil.which("tensorboard")
    if found is None:
        raise click.ClickException("there is no TensorBoard: pip install tensorboard")
    return [found]


def _chosen(named: list[str] | None, subset: str | None) -> list[str]:
    from tfruns_rs import ls_runs

    if named is None:
        return ls_runs(subset)["run_dir"].to_list()
    return _params.found_runs(named, subset)


def _link(links: Path, runs: list[str]) -> None:
    """Makes a logdir of links to the runs' own; a run that TensorBoard has shown stays."""
    for run in runs:
        logs = os.path.join(os.path.abspath(run), "logs")  # noqa: PTH100, PTH118
        link = links / os.path.basename(run)  # noqa: PTH119
        if os.path.isdir(logs) and not link.is_symlink():  # noqa: PTH112
            link.symlink_to(logs)
