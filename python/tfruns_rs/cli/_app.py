"""The list of verbs, and what an error means to the shell.

Help and completion import nothing but click: what a verb does is told by the table below, its module is
imported when it is called, and the library's frames only when it needs them.
"""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module
from keyword import iskeyword
from typing import Any, NoReturn, cast

import click

from tfruns_rs.cli._out import plain

#: Section, verb, module, what it does.
VERBS = {
    "Run": {
        "run": ("_run", "Run a script or any command as a recorded run."),
        "rerun": ("_run", "Run again what a run ran."),
        "tune": ("_tune", "Run a script once for each combination of flags."),
        "import": ("_import", "Make runs of what other tools recorded."),
    },
    "Look": {
        "ls": ("_ls", "List runs."),
        "sweeps": ("_tune", "List sweeps."),
        "show": ("_show", "Show all of a run."),
        "diff": ("_diff", "Show what two runs differ in."),
        "view": ("_view", "Open the report of a run in the browser."),
        "compare": ("_view", "Open the comparison of runs in the browser."),
        "tensorboard": ("_tensorboard", "Start TensorBoard on chosen or live runs."),
    },
    "Events": {
        "events": ("_events", "Collect events as a table, CSV, NDJSON or Parquet."),
        "tail": ("_tail", "Follow a logdir live."),
        "verify": ("_verify", "Tell what is damaged in event files."),
        "repair": ("_verify", "Copy event files without what is damaged."),
    },
    "Say": {
        "tag": ("_annotate", "Give runs labels, or take them away."),
        "note": ("_annotate", "Write a note on runs, or read it."),
        "rename": ("_annotate", "Give a run a name."),
    },
    "Keep": {
        "copy": ("_copy", "Copy runs, or the files they made."),
        "upload": ("_upload", "Upload runs to a directory, object store or MLflow."),
        "clean": ("_archive", "Move runs to the archive."),
        "restore": ("_archive", "Move runs back from the archive."),
        "purge": ("_archive", "Remove the archived runs for good."),
        "du": ("_space", "Tell what runs take on disk."),
        "gc": ("_space", "Keep the best runs, make room of the others."),
    },
    "Set up": {
        "doctor": ("_doctor", "Check the installation and a runs directory."),
        "completion": ("_completion", "Print what makes the shell complete verbs and runs."),
    },
}
_MODULES = {verb: module for verbs in VERBS.values() for verb, (module, _) in verbs.items()}
NOT_FOUND, INTERRUPTED, BROKEN_PIPE = 3, 130, 141

EPILOG = """\b
Examples:
  tfruns run train.py -f learning_rate=0.1
  tfruns run -- torchrun --nproc-per-node=2 train.py
  tfruns ls --filter "eval_accuracy > 0.9" --sort eval_accuracy
  tfruns tail

\b
A RUN is a path, a name below the runs directory, the unique start of one, a name given by `tfruns rename`,
`latest`, `latest~2` (two before it), or - for names read from standard input.

\b
Exit codes: 0 done; 1 an error, or verify, diff or doctor found something; 2 a wrong call; 3 no such run or
file; 4 done for some of the runs only; 130 interrupted. `run` and `rerun` end as what they ran did."""


class BrokenPipe(Exception):  # noqa: N818 - nobody is told
    """The reader of the output has left."""


class Verbs(click.Group):
    """A group that imports a verb when it is called, and turns errors into one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _MODULES:
            return None
        function = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        return getattr(import_module(f"tfruns_rs.cli.{_MODULES[cmd_name]}"), function)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _MODULES and not args[0].startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(args[0], _MODULES, n=3)
            hint = f" Did you mean {', '.join(close)}?" if close else ""
            raise click.UsageError(f"there is no verb {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for section, verbs in VERBS.items():
            with formatter.section(section):
                formatter.write_dl([(f"{verb:<11}", text) for verb, (_, text) in verbs.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:  # click would call it an error
            raise BrokenPipe from error

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Runs the command line; ends the process with its exit code."""
        if not standalone_mode:
            return super().main(*args, standalone_mode=False, **extra)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                cast("Any", stream).reconfigure(errors="backslashreplace")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("default")
                warnings.showwarning = _warn
                code = super().main(*args, standalone_mode=False, **extra)
            sys.stdout.flush()
        except (BrokenPipe, BrokenPipeError):
            _discard_stdout()
            code = BROKEN_PIPE
        except Exception as error:  # noqa: BLE001 - what is no user's matter is raised again
            code = _told(error)
        sys.exit(code if isinstance(code, int) else 0)


def _told(error: Exception) -> int:
    """Says what went wrong, in a line; returns the exit code."""
    if isinstance(error, click.Abort):
        return INTERRUPTED
    if isinstance(error, click.ClickException):
        if isinstance(error, click.UsageError) and error.ctx is not None:
            click.echo(f"{error.ctx.get_usage()}\nTry '{error.ctx.command_path} --help'.\n", err=True)
        click.echo(f"Error: {plain(error.format_message())}", err=True)
        return error.exit_code
    if os.environ.get("TFRUNS_TRACEBACK"):
        raise error
    from tfruns_rs.errors import TfrunsError

    is_ours = isinstance(error, (TfrunsError, OSError, ValueError))
    is_call = type(error).__module__.startswith("polars")
    if not is_ours and not is_call:
        raise error
    click.echo(f"Error: {plain(str(error) or type(error).__name__)}", err=True)
    return NOT_FOUND if isinstance(error, FileNotFoundError) else 2 if is_call else 1


def _warn(message: Warning | str, category: type[Warning], *_: object) -> None:
    if not issubclass(category, DeprecationWarning):
        click.echo(f"Warning: {plain(str(message))}", err=True)


def _discard_stdout() -> None:
    """Lets the interpreter flush at exit without a word."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
    except (OSError, ValueError):
        pass


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from tfruns_rs import __version__

        click.echo(f"tfruns {__version__}")
        ctx.exit()


@click.group(
    cls=Verbs,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version."
)
def tfruns() -> None:
    """Training runs and TensorBoard event files: run, look, keep.

    Output is for people at a terminal; piped, it is tab-separated, uncoloured and whole.
    `tfruns VERB --help` has examples of each verb.
    """


def main() -> NoReturn:
    """The entry point."""
    tfruns.main(prog_name="tfruns")
    raise AssertionError("main ends the process")  # pragma: no cover
