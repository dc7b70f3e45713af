"""`tfruns import`: runs that other tools recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tfruns_rs.cli import _params

if TYPE_CHECKING:
    import polars as pl

    from tfruns_rs.importers._import_runs import Tool

_TOOLS = ("lightning", "mlflow", "guild", "sacred", "wandb")
_STATUS_COLOURS = {"imported": "green", "updated": "green", "failed": "red"}


@click.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(), metavar="PATH...")
@click.option("--tool", type=click.Choice(_TOOLS), help="Take this tool's runs only.")
@click.option("--files", is_flag=True, help="Copy the files that runs left as well.")
@click.option("--list", "is_list", is_flag=True, help="List what would be imported, write nothing.")
@_params.outputs
@_params.runs_dir
def import_(
    paths: tuple[str, ...], tool: Tool | None, files: bool, is_list: bool, as_json: bool, as_csv: bool
) -> int:
    """Make runs of what PyTorch Lightning, MLflow, Guild, Sacred or W&B (offline) recorded.

    A PATH is a tool's directory (lightning_logs, mlruns, wandb, …), one above it, or a single run. Nothing in
    it is changed. Runs that were imported before are renewed if they have grown, else left as they are.

    \b
    Examples:
      tfruns import lightning_logs
      tfruns import mlruns wandb --list
      tfruns import ~/projects/old --tool mlflow --files
    """
    import polars as pl

    from tfruns_rs import import_runs, ls_foreign_runs
    from tfruns_rs.cli import _out

    if is_list:
        listed = [ls_foreign_runs(path, tool=tool) for path in paths]
        found = pl.concat(listed, how="diagonal_relaxed")
        front = ["tool", "name", "status", "source"]
        shown = found.select(*front, *(name for name in found.columns if name not in front))
        _out.show_frame(shown if _out.is_terminal() else found, as_json=as_json, as_csv=as_csv)
        return 0
    told = pl.concat([import_runs(path, tool=tool, files=files) for path in paths])
    if as_json or as_csv or not _out.is_terminal():
        _out.show_frame(told, as_json=as_json, as_csv=as_csv)
    else:
        problems = ["problem"] if told["problem"].count() else []
        run = pl.col("run_dir").str.split("/").list.last().alias("run")
        shown = told.select("status", run, *problems, "tool", "name", "source")
        _out.show_frame(shown, styles={"status": _STATUS_COLOURS.get})
    return _params.ended(_as_results(told))


def _as_results(told: pl.DataFrame) -> pl.DataFrame:
    """Rows of which `ok` is false where a run can't be read."""
    import polars as pl

    return told.select(run_dir=pl.col("source"), ok=pl.col("status") != "failed", problem="problem")
