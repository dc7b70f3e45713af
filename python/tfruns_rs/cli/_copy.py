"""`tfruns copy`: runs elsewhere."""

from __future__ import annotations

import click

from tfruns_rs.cli import _params


@click.command()
@_params.runs_argument(required=True)
@click.option(
    "--to", type=click.Path(file_okay=False), default=".", show_default=True, help="Into this directory."
)
@click.option("--rename", multiple=True, metavar="NAME", help="The name of the copy, one a run.")
@click.option("--files", is_flag=True, help="Only what the scripts made: no metadata, logs, plots.")
@_params.runs_dir
def copy(runs: tuple[str, ...], to: str, rename: tuple[str, ...], files: bool) -> int:
    """Copy runs, or with --files only what they made. Nothing there is replaced.

    \b
    Examples:
      tfruns copy latest --to best
      tfruns copy latest --files --to deploy --rename model
    """
    from tfruns_rs import copy_run, copy_run_files
    from tfruns_rs.cli import _out

    copies = copy_run_files if files else copy_run
    done = copies(_params.found_runs(runs), to, rename=list(rename) or None)
    for row in done.filter(ok=True).iter_rows(named=True):
        _out.echo(_out.plain(row["to"]))
        if row["problem"]:
            click.echo(f"Warning: {_out.plain(row['run_dir'])}: {_out.plain(row['problem'])}", err=True)
    return _params.ended(done)
