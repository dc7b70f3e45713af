"""`tfruns tag`, `note` and `rename`: what people say about runs."""

from __future__ import annotations

import click

from tfruns_rs.cli import _params


@click.command()
@click.argument("labels", metavar="LABEL[,LABEL...]", required=False)
@_params.runs_argument()
@_params.subset
@click.option("-x", "--remove", multiple=True, metavar="LABEL", help="Take a label away.")
@_params.runs_dir
def tag(labels: str | None, runs: tuple[str, ...], subset: str | None, remove: tuple[str, ...]) -> None:
    """Give runs labels, or take them away; the latest where none are named.

    With -x, all words are runs. `tfruns ls --tag LABEL` lists runs by label; `tfruns gc` leaves them alone.

    \b
    Examples:
      tfruns tag baseline latest
      tfruns tag baseline,paper 2026-11-21T07-07-03Z
      tfruns tag -x paper latest
      tfruns tag good --filter "eval_accuracy > 0.9"
    """
    from tfruns_rs import tag_runs
    from tfruns_rs.cli import _out

    if remove and labels is not None:
        # Which of the two is meant shows in whether the word is a run.
        runs, labels = (labels, *runs), None
    if labels is None and not remove:
        raise click.UsageError("there is no label")
    named = _params.found_runs(runs or (() if subset is not None else ("latest",)), subset)
    added = [label.strip() for label in (labels or "").split(",") if label.strip()]
    for run, now in tag_runs(named, added, remove=remove).items():
        _out.echo(f"{_out.plain(run)}\t{_out.plain(', '.join(now))}")


@click.command()
@_params.runs_argument(required=True)
@click.option("-m", "--message", metavar="TEXT", help="The note; empty to take it away.")
@click.option("-a", "--append", is_flag=True, help="Add a line to it.")
@_params.runs_dir
def note(runs: tuple[str, ...], message: str | None, append: bool) -> None:
    """Write a note on runs; without -m, read it.

    \b
    Examples:
      tfruns note latest -m "the loss diverged after epoch 3"
      tfruns note latest --append -m "and again with seed 2"
      tfruns note latest
    """
    from tfruns_rs import describe_run, load_run
    from tfruns_rs.cli import _out

    named = _params.found_runs(runs)
    if message is not None:
        describe_run(named, message, append=append)
        return
    for run in named:
        text = load_run(run).description
        if text:
            _out.echo(_out.plain_text(text))


@click.command()
@_params.run_argument(required=True)
@click.argument("name")
@_params.runs_dir
def rename(run: str, name: str) -> None:
    """Give a run a name, by which verbs find it. Its directory stays.

    \b
    Examples:
      tfruns rename latest wide-net
      tfruns show wide-net
    """
    from tfruns_rs import rename_run

    rename_run(_params.found_run(run), name)
