"""`tfruns run` and `tfruns rerun`: a script or command as a recorded run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tfruns_rs.cli import _params

if TYPE_CHECKING:
    from collections.abc import Callable

    from tfruns_rs.errors import TrainingRunError

_SIGNALLED = 128


class Words(click.Command):
    """A command line of which what follows `--` is another's: a script's arguments, or, alone, a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        after = args[args.index("--") + 1 :] if "--" in args else []
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise click.UsageError(
                f"{error.format_message()} What is for the script comes after --: "
                f"tfruns run train.py -- {error.option_name} …",
                ctx,
            ) from None
        ctx.params["is_command"] = bool(after) and len(ctx.params.get("words") or ()) == len(after)
        return rest


@click.command(cls=Words)
@click.option("-f", "--flag", "flags", multiple=True, metavar="NAME=VALUE", help="A flag's value.")
@click.option("--flags-file", type=click.Path(exists=True, dir_okay=False), help="In place of flags.yml.")
@click.option("--config", help="The configuration of flags.yml.")
@click.option(
    "--pass-flags", type=click.Choice(["argv", "hydra"]), help="Hand the flags over as arguments too."
)
@_params.autolog
@click.option(
    "-p", "--property", "properties", multiple=True, metavar="NAME=VALUE", help="Something to know."
)
@click.option("-l", "--label", "labels", multiple=True, help="A label.")
@click.option("--note", help="A note on the run.")
@click.option("--run-dir", type=click.Path(file_okay=False), help="Where, instead of a new directory.")
@click.option("--resume", is_flag=True, help="Go on in --run-dir.")
@click.option("--timeout", type=float, metavar="SECONDS", help="End it after so long.")
@click.option("--python", type=click.Path(), help="The interpreter.")
@click.option(
    "--artifacts-dir", type=click.Path(file_okay=False), help="Where files that it makes are looked for."
)
@click.option("--source", "sources", multiple=True, metavar="GLOB", help="More files to archive.")
@click.option("-q", "--quiet", is_flag=True, help="Keep the console without showing it.")
@click.option("--view", is_flag=True, help="Open the report afterwards.")
@_params.runs_dir
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[SCRIPT] [-- WORD...]")
def run(
    words: tuple[str, ...],
    is_command: bool,
    flags: tuple[str, ...],
    flags_file: str | None,
    labels: tuple[str, ...],
    note: str | None,
    properties: tuple[str, ...],
    quiet: bool,
    view: bool,
    artifacts_dir: str | None,
    **options: Any,
) -> int:
    """Run a script, or any command after --, as a recorded run.

    Flags, console, plots, sources, environment, git state, made files and the end are kept. Without SCRIPT it
    is the only *.py of the directory, else train.py; what follows -- then is a command. After a SCRIPT it is
    the script's arguments. The exit code is that of what ran, 128 + n after signal n.

    \b
    Examples:
      tfruns run train.py
      tfruns run train.py -f learning_rate=0.1 --label baseline
      tfruns run train.py -- --epochs 3
      tfruns run keras_digits.py --autolog
      tfruns run -- torchrun --nproc-per-node=2 train.py
      tfruns run -f lr=0.1 --pass-flags argv -- ./train --data /data
    """
    from tfruns_rs import training_run

    values = _params.flag_values(flags)
    if flags_file and values:
        raise click.UsageError("-f and --flags-file exclude each other")
    given: dict[str, Any] = {
        **options,
        "flags": flags_file or values or None,
        "properties": _params.flag_values(properties),
        "echo": not quiet,
        "view": view,
    }
    if artifacts_dir is not None:
        given["artifacts_dir"] = artifacts_dir
    if is_command:
        return _ended(lambda: training_run(command=words, **given), labels, note)
    script = words[0] if words else None
    return _ended(lambda: training_run(script, args=words[1:], **given), labels, note)


@click.command()
@_params.run_argument()
@click.option("-f", "--flag", "flags", multiple=True, metavar="NAME=VALUE", help="Another value of a flag.")
@click.option("-l", "--label", "labels", multiple=True, help="A label.")
@click.option("--note", help="A note on the run.")
@_params.autolog
@click.option("--timeout", type=float, metavar="SECONDS", help="End it after so long.")
@click.option("-q", "--quiet", is_flag=True, help="Keep the console without showing it.")
@_params.runs_dir
def rerun(
    run: str | None,
    flags: tuple[str, ...],
    labels: tuple[str, ...],
    note: str | None,
    quiet: bool,
    **options: Any,
) -> int:
    """Run again what a run ran, with its arguments and flags, as a new run.

    The script is the one that is there now: `tfruns diff` tells what changed.

    \b
    Examples:
      tfruns rerun
      tfruns rerun 2026-11-21T07-07-03Z -f learning_rate=0.01
    """
    from tfruns_rs import rerun as run_again

    directory, values = _params.found_run(run), _params.flag_values(flags)
    return _ended(
        lambda: run_again(directory, flags=values, echo=not quiet, view=False, **options), labels, note
    )


def _ended(start: Callable[[], Any], labels: tuple[str, ...], note: str | None) -> int:
    """Runs; says what people want said; returns the exit code of what ran."""
    from tfruns_rs.errors import TrainingRunError

    code = 0
    try:
        directory: str | None = start()["run_dir"][0]
    except TrainingRunError as error:
        directory = error.run_dir
        code = exit_code(error)
    if directory is not None:
        _annotate(directory, labels, note)
    return code


def exit_code(error: TrainingRunError) -> int:
    """Says how what ran has failed; returns its exit code, 128 + n after signal n."""
    from tfruns_rs.cli._out import plain

    click.echo(f"Error: {plain(str(error))}", err=True)
    returned = error.returncode or 1
    return _SIGNALLED - returned if returned < 0 else returned


def _annotate(directory: str, labels: tuple[str, ...], note: str | None) -> None:
    from tfruns_rs import describe_run, tag_runs

    if labels:
        tag_runs(directory, labels)
    if note:
        describe_run(directory, note)
