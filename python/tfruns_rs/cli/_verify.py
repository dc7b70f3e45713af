"""`tfruns verify` and `repair`: damaged event files."""

from __future__ import annotations

import click

from tfruns_rs.cli import _logdir, _params


@click.command()
@_logdir.argument
@_params.outputs
@_params.runs_dir
def verify(logdirs: tuple[str, ...], as_json: bool, as_csv: bool) -> int:
    """Tell what is damaged in event files. The exit code is 1 where something is.

    \b
    Examples:
      tfruns verify logs
      tfruns verify latest
      tfruns verify logs --json
    """
    from tfruns_rs import verify_events
    from tfruns_rs.cli import _out

    losses = verify_events(_logdir.found(logdirs))
    if losses.is_empty() and not (as_json or as_csv):
        click.echo("All records are whole.", err=True)
    else:
        _out.show_frame(losses, as_json=as_json, as_csv=as_csv, squeeze=True)
    return int(not losses.is_empty())


@click.command()
@click.argument("src", type=click.Path(exists=True))
@click.argument("dst", type=click.Path(file_okay=False))
@_params.outputs
def repair(src: str, dst: str, as_json: bool, as_csv: bool) -> None:
    """Copy the event files below SRC to DST without what is damaged. SRC stays as it is.

    \b
    Examples:
      tfruns repair logs logs-repaired
    """
    from tfruns_rs import repair_events
    from tfruns_rs.cli import _out

    losses = repair_events(src, dst)
    if losses.is_empty() and not (as_json or as_csv):
        click.echo("All records were whole; all are copied.", err=True)
    else:
        _out.show_frame(losses, as_json=as_json, as_csv=as_csv, squeeze=True)
