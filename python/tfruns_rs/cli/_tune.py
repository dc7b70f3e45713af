"""`tfruns tune` and `sweeps`: a script over combinations of flags."""

from __future__ import annotations

import sys
from typing import Any

import click

from tfruns_rs.cli import _params
from tfruns_rs.cli._run import Words, exit_code


@click.command(cls=Words)
@click.option("-f", "--flag", "flags", multiple=True, metavar="NAME=V1,V2,…", help="The values of a flag.")
@click.option(
    "--combinations",
    type=click.Path(exists=True, dir_okay=False),
    metavar="CSV",
    help="A file with a row a combination, in place of -f.",
)
@click.option("--sample", type=float, metavar="SHARE", help="Only this share of the combinations, drawn.")
@click.option("--seed", type=int, help="Of what is drawn.")
@click.option(
    "--search",
    type=click.Choice(["grid", "random"]),
    default="grid",
    show_default=True,
    help="How to choose.",
)
@click.option("--max-runs", type=click.IntRange(min=1), help="How many a random search tries.")
@click.option("--metric", help="What is shown as the best, and optimised.")
@click.option("--maximize", is_flag=True, help="More of the metric is better.")
@click.option("-j", "--workers", type=click.IntRange(min=1), help="How many run at a time.")
@click.option("--devices", metavar="D1,D2,…", help="A device for each worker, such as cuda:0,cuda:1.")
@click.option("--keep-going", is_flag=True, help="Go on after a run has failed.")
@click.option("--retries", type=click.IntRange(min=0), default=0, help="How often to try a failed one again.")
@click.option("--timeout", type=float, metavar="SECONDS", help="That one run may take.")
@click.option("--resume", metavar="SWEEP", help="Go on with a sweep: its id, or last for the same call's.")
@click.option("--config", help="The configuration of flags.yml.")
@click.option("--pass-flags", type=click.Choice(["argv", "hydra"]), help="Hand flags over as arguments too.")
@_params.autolog
@_params.yes
@_params.outputs
@_params.runs_dir
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[SCRIPT] [-- WORD...]")
def tune(
    words: tuple[str, ...],
    is_command: bool,
    flags: tuple[str, ...],
    combinations: str | None,
    maximize: bool,
    devices: str | None,
    keep_going: bool,
    resume: str | None,
    yes: bool,
    as_json: bool,
    as_csv: bool,
    **options: Any,
) -> int:
    """Run a script, or any command after --, once for each combination of flags.

    A sweep that was cut off goes on with --resume: what has completed is not run again. The runs are written
    as `tfruns ls` does.

    \b
    Examples:
      tfruns tune train.py -f learning_rate=0.1,0.01 -f units=16,32
      tfruns tune train.py -f learning_rate=0.1,0.01 -j 2 --devices cuda:0,cuda:1
      tfruns tune train.py --combinations grid.csv --sample 0.2 --seed 1
      tfruns tune --resume last train.py -f learning_rate=0.1,0.01 --keep-going
    """
    from tfruns_rs import tuning_run
    from tfruns_rs.cli import _ls, _out
    from tfruns_rs.errors import TrainingRunError

    given: dict[str, Any] = {
        **options,
        "flags": _combinations(flags, combinations),
        "direction": "maximize" if maximize else "minimize",
        "devices": devices.split(",") if devices else None,
        "on_error": "continue" if keep_going else "stop",
        "resume": True if resume == "last" else resume or False,
        # The consoles of the runs are nothing for who reads the list of them.
        "echo": None if _out.is_terminal() and not (as_json or as_csv) else False,
        "confirm": False if yes or not sys.stdin.isatty() else None,
    }
    try:
        if is_command:
            runs = tuning_run(command=words, **given)
        else:
            runs = tuning_run(words[0] if words else None, args=words[1:], **given)
    except TrainingRunError as error:
        return exit_code(error)
    if runs is None:
        return 0
    _ls.show(runs, as_json=as_json, as_csv=as_csv)
    completed = runs.filter(completed=True).height if "completed" in runs.columns else 0
    return 0 if completed == runs.height else _params.PARTLY


def _combinations(flags: tuple[str, ...], path: str | None) -> Any:
    if path is not None:
        if flags:
            raise click.UsageError("-f and --combinations exclude each other")
        import polars as pl

        return pl.read_csv(path)
    values: dict[str, list[Any]] = {}
    for word in flags:
        name, equals, listed = word.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{word!r} is not of the form name=value,value", param_hint="-f")
        values.setdefault(name, []).extend(_params.scalar(text) for text in listed.split(","))
    return values or None


@click.command()
@_params.outputs
@_params.runs_dir
def sweeps(as_json: bool, as_csv: bool) -> None:
    """List sweeps: how far they are, and their best run.

    \b
    Examples:
      tfruns sweeps
      tfruns sweeps --json
    """
    from tfruns_rs import ls_sweeps
    from tfruns_rs.cli import _out

    listed = ls_sweeps()
    if listed.is_empty() and not (as_json or as_csv):
        click.echo("No sweeps: `tfruns tune` begins one.", err=True)
        return
    front = ["sweep", "status", "total", "completed", "failed", "running", "best", "best_run"]
    if _out.is_terminal():
        listed = listed.select(*front, *(name for name in listed.columns if name not in front))
    _out.show_frame(listed, as_json=as_json, as_csv=as_csv)
