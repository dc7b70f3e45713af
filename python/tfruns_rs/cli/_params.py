"""What users type: runs, where they are, flags."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from click.shell_completion import CompletionItem

    Command = TypeVar("Command", bound=Callable[..., Any])

PARTLY = 4  # the exit code of work that was done for some runs only
_META = "tfruns.d"
_ARCHIVE = "archive"
_MOST_COMPLETIONS = 200


class RunName(click.ParamType):  # pyright: ignore[reportMissingTypeArgument] - generic since click 8.2
    """A run, completed by the names of those that are there."""

    name = "run"

    def __init__(self, *, archived: bool = False) -> None:
        self._is_archived = archived

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002 - click's signature
        incomplete: str,
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        directory = _runs_dir(ctx.params.get("runs_dir"))
        if self._is_archived:
            directory = os.path.join(directory, _ARCHIVE)  # noqa: PTH118 - texts stay as given
        if os.sep in incomplete:
            return [CompletionItem(incomplete, type="dir")]
        names = [name for name in [*run_names(directory), "latest"] if name.startswith(incomplete)]
        return [CompletionItem(name) for name in names[:_MOST_COMPLETIONS]]


def run_names(directory: str) -> list[str]:
    """The runs below a directory, the latest first by name; those that a shell can't take are left out."""
    try:
        with os.scandir(directory) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".")]
    except OSError:
        return []
    found = (name for name in sorted(names, reverse=True) if name.isprintable() and " " not in name)
    return [name for name in found if _is_run(os.path.join(directory, name))]  # noqa: PTH118


def _is_run(path: str) -> bool:
    return os.path.isdir(os.path.join(path, _META))  # noqa: PTH112, PTH118


def _runs_dir(value: str | None) -> str:
    return value or os.environ.get("TFRUNS_RUNS_DIR") or "runs"


def _use_runs_dir(ctx: click.Context, _: click.Parameter, value: str | None) -> str | None:
    if value is not None and not ctx.resilient_parsing:
        from tfruns_rs import option_context

        ctx.with_resource(option_context(runs_dir=value))
    return value


runs_dir = click.option(
    "-d",
    "--runs-dir",
    type=click.Path(file_okay=False),
    callback=_use_runs_dir,
    expose_value=False,
    is_eager=True,
    help="Where the runs are.  [default: $TFRUNS_RUNS_DIR, else runs]",
)
autolog = click.option(
    "--autolog", is_flag=True, help="Have Keras, Lightning, Hugging Face, XGBoost, … log by themselves."
)
yes = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
subset = click.option(
    "--filter",
    "subset",
    metavar="SQL",
    help="Only runs for which this holds, such as \"flag_units > 16 and status = 'completed'\".",
)


def outputs(command: Command) -> Command:
    """The options --json and --csv."""
    command = click.option("--csv", "as_csv", is_flag=True, help="Write CSV.")(command)
    return click.option("--json", "as_json", is_flag=True, help="Write JSON.")(command)


def run_argument(name: str = "run", *, required: bool = False) -> Callable[[Command], Command]:
    """One run; None where it may be left out."""
    return click.argument(name, type=RunName(), required=required, metavar="RUN" if required else "[RUN]")


def runs_argument(*, required: bool = False, archived: bool = False) -> Callable[[Command], Command]:
    """Any number of runs."""
    metavar = "RUN..." if required else "[RUN]..."
    return click.argument(
        "runs", nargs=-1, type=RunName(archived=archived), required=required, metavar=metavar
    )


def runs_dir_path() -> str:
    """Where the runs are."""
    from tfruns_rs.tfruns._options import runs_dir_or_option

    return runs_dir_or_option(None)


def found_run(name: str | None) -> str:
    """The directory of a run; of the latest where none is named."""
    directories = found_runs([name or "latest"])
    if len(directories) != 1:
        raise click.UsageError(f"one run is meant, not {len(directories)}")
    return directories[0]


def found_runs(names: Iterable[str], subset: str | None = None) -> list[str]:
    """The directories of runs.

    Args:
        names: What users call them.
        subset: A condition; runs that are not named are chosen by it, named ones must meet it.

    Raises:
        RunNotFoundError: There is no such run.
    """
    directory = runs_dir_path()
    named: list[str] = []
    for name in names:
        lines = (line.rstrip("\n") for line in sys.stdin) if name == "-" else [name]
        named += [_found(line, directory) for line in lines if line]
    if subset is None:
        return list(dict.fromkeys(named))
    from tfruns_rs import ls_runs

    kept: list[str] = ls_runs(subset, runs_dir=directory)["run_dir"].to_list()
    if not named:
        return kept
    places = {os.path.realpath(run) for run in kept}
    return [run for run in dict.fromkeys(named) if os.path.realpath(run) in places]


def _found(name: str, directory: str) -> str:
    from tfruns_rs.errors import RunNotFoundError

    below = os.path.join(directory, name)  # noqa: PTH118
    for path in (name, below):
        if _is_run(path):
            return path
    if latest := re.fullmatch(r"latest(?:~(\d+))?", name):
        return _latest(int(latest[1] or 0), directory)
    names = run_names(directory)
    starts = [run for run in names if run.startswith(name)] if name else []
    if len(starts) == 1:
        return os.path.join(directory, starts[0])  # noqa: PTH118
    if len(starts) > 1:
        raise RunNotFoundError(f"{name} may be any of {len(starts)} runs: {', '.join(starts[:5])} …")
    called = _called(name, directory)
    if len(called) == 1:
        return called[0]
    if called:
        raise RunNotFoundError(f"{len(called)} runs are named {name}: {', '.join(called[:5])}")
    if not names:
        raise RunNotFoundError(f"there is no run {name}; {none_in(directory)}")
    raise RunNotFoundError(f"there is no run {name} in {directory} ({len(names)} others are there)")


def _latest(back: int, directory: str) -> str:
    from tfruns_rs import ls_runs
    from tfruns_rs.errors import RunNotFoundError

    found = ls_runs(runs_dir=directory, latest_n=back + 1)["run_dir"]
    if found.is_empty():
        raise RunNotFoundError(none_in(directory))
    if found.len() <= back:
        raise RunNotFoundError(f"there {_are(found.len())} in {directory}")
    return found[back]


def none_in(directory: str) -> str:
    """That there are no runs, and how to come by some."""
    if not os.path.isdir(directory):  # noqa: PTH112
        return f"there is no directory {directory}: `tfruns run train.py` makes it, --runs-dir names another"
    return (
        f"there are no runs in {directory}: `tfruns run train.py` makes one, --runs-dir names another place"
    )


def _are(count: int) -> str:
    return "is only one run" if count == 1 else f"are only {count} runs"


def _called(name: str, directory: str) -> list[str]:
    """The runs that were given a name."""
    import polars as pl

    from tfruns_rs import scan_runs

    runs = scan_runs(directory, schema={"name": pl.String})
    return runs.filter(pl.col("name") == name).collect()["run_dir"].to_list()


def flag_values(given: Sequence[str]) -> dict[str, Any]:
    """The flags of `-f name=value`."""
    flags: dict[str, Any] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{word!r} is not of the form name=value", param_hint="-f")
        flags[name] = scalar(value)
    return flags


def scalar(text: str) -> Any:
    """A number, true, false or a text, as it reads."""
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    for kind in (int, float):
        if re.fullmatch(r"[-+]?[0-9.]+(?:[eE][-+]?\d+)?|[-+]?(?:inf|nan)", text):
            try:
                return kind(text)
            except ValueError:
                continue
    return text


def ended(results: Any) -> int:
    """The exit code of work on several runs: 4 where some of it failed, told run by run."""
    from tfruns_rs.cli._out import plain

    failed = [(row["run_dir"], row["problem"]) for row in results.iter_rows(named=True) if row["ok"] is False]
    for run, problem in failed:
        click.echo(f"Error: {plain(run)}: {plain(problem or 'failed')}", err=True)
    return 0 if not failed else PARTLY if len(failed) < results.height else 1
