"""`tfruns view` and `tfruns compare`: pages of runs."""

from __future__ import annotations

import click

from tfruns_rs.cli import _params

_output = click.option(
    "-o", "--output", type=click.Path(dir_okay=False), help="Save the page there and do not open it."
)


@click.command()
@_params.run_argument()
@_output
@_params.runs_dir
def view(run: str | None, output: str | None) -> None:
    """Open the report of a run in the browser; of the latest where none is named.

    Without a display (over ssh) the page's path is written.

    \b
    Examples:
      tfruns view
      tfruns view latest~1 -o report.html
    """
    from tfruns_rs import save_run_view, view_run
    from tfruns_rs.cli import _out

    directory = _params.found_run(run)
    if output is None:
        view_run(directory)
    else:
        _out.echo(_out.plain(str(save_run_view(directory, output))))


@click.command()
@_params.runs_argument()
@_params.subset
@_output
@_params.runs_dir
def compare(runs: tuple[str, ...], subset: str | None, output: str | None) -> None:
    """Open the comparison of runs in the browser; of the two latest where none are named.

    \b
    Examples:
      tfruns compare
      tfruns compare latest latest~3 -o comparison.html
      tfruns compare --filter "eval_accuracy > 0.9"
    """
    from tfruns_rs import compare_runs, save_run_comparison
    from tfruns_rs.cli import _out

    named = _params.found_runs(runs, subset) if runs or subset else _params.found_runs(["latest", "latest~1"])
    if output is None:
        compare_runs(named)
    else:
        _out.echo(_out.plain(str(save_run_comparison(named, output))))
