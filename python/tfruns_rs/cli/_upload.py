"""`tfruns upload`: runs elsewhere than here."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from tfruns_rs.cli import _params

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@click.command()
@_params.runs_argument()
@_params.subset
@click.option("--to", metavar="URL", help="The destination.  [default: $TFRUNS_REMOTE]")
@click.option("--folder", default="default", show_default=True, help="The folder there.")
@click.option("--make-folder", is_flag=True, help="Make the folder where it is missing.")
@click.option(
    "--conflict",
    type=click.Choice(["new", "replace", "skip", "error"]),
    default="new",
    show_default=True,
    help="What to do where another has the name.",
)
@_params.outputs
@_params.runs_dir
def upload(
    runs: tuple[str, ...],
    subset: str | None,
    to: str | None,
    folder: str,
    make_folder: bool,
    conflict: str,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Upload runs; all of them where none are named. What is there already is not sent again.

    Credentials come from where each kind of store keeps them; an address is shown without them.

    \b
    Examples:
      tfruns upload latest --to /shared/runs --make-folder
      tfruns upload --to s3://bucket/runs --folder team
      TFRUNS_REMOTE=mlflow+https://mlflow.example.org tfruns upload
    """
    import polars as pl

    from tfruns_rs import login
    from tfruns_rs import upload as send
    from tfruns_rs.cli import _out

    if not to and not os.environ.get("TFRUNS_REMOTE"):
        raise click.UsageError("where to? --to names a directory or an address, or TFRUNS_REMOTE does")
    # Names first: a run that is not there costs no connection.
    is_all = not runs and subset is None
    paths = [_params.runs_dir_path()] if is_all else _params.found_runs(runs, subset)
    login(to)
    sent: list[pl.DataFrame] = []
    for path in paths:
        with _progress() as progress:
            sent.append(send(path, folder, make_folder, conflict, progress=progress))
    if not sent:
        return
    table = pl.concat(sent)
    if _out.is_terminal() and not (as_json or as_csv):
        run = pl.col("local").str.split("/").list.last().alias("run")
        table = table.select(run, pl.exclude("local"))
    _out.show_frame(table, as_json=as_json, as_csv=as_csv, squeeze=True)


@contextmanager
def _progress() -> Generator[Callable[[int, int], None] | None]:
    """A bar where a person waits."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Uploading", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
