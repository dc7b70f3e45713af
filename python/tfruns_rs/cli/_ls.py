"""`tfruns ls`: runs as a table."""

from __future__ import annotations

import fnmatch
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from tfruns_rs.cli import _params

if TYPE_CHECKING:
    import polars as pl

_AT_A_TERMINAL = 50
_SHOWN = ("problem", "name", "labels", "best_*", "eval_*", "flag_*", "metric_*", "description")


@click.command()
@click.option("--filter", "subset", metavar="SQL", help="Only runs for which this holds.")
@click.option("--status", "states", multiple=True, metavar="STATUS", help="Only runs of this status.")
@click.option("--tag", "tags", multiple=True, metavar="LABEL", help="Only runs with this label.")
@click.option("-s", "--sort", multiple=True, metavar="COLUMN", help="Order by a column.  [default: start]")
@click.option("-r", "--reverse", is_flag=True, help="The least first, not the greatest.")
@click.option("-n", "--latest", type=click.IntRange(min=0), help="Only so many; 0 for all.")
@click.option("-c", "--columns", metavar="NAMES", help="These columns, by commas; globs as flag_*.")
@click.option("--best", multiple=True, metavar="METRIC=min|max", help="Add the best value of a metric.")
@click.option("--names", is_flag=True, help="Write the directories only, a line each.")
@_params.outputs
@_params.runs_dir
def ls(
    subset: str | None,
    states: tuple[str, ...],
    tags: tuple[str, ...],
    sort: tuple[str, ...],
    reverse: bool,
    latest: int | None,
    columns: str | None,
    best: tuple[str, ...],
    names: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """List runs.

    At a terminal the latest 50 are shown, as many columns as fit, and flags only where runs differ in them.
    Piped, all runs and all columns are written.

    \b
    Examples:
      tfruns ls
      tfruns ls --filter "eval_accuracy > 0.9 and flag_units >= 64" --sort eval_accuracy
      tfruns ls --best val_loss=min --sort best_val_loss --reverse -c 'run,best_*,flag_*'
      tfruns ls --json | jq '.[0].run_dir'
      tfruns ls --names --status failed | tfruns clean --yes -
    """
    from tfruns_rs import ls_runs
    from tfruns_rs.cli import _out

    is_short = not (names or as_json or as_csv) and _out.is_terminal()
    limit = latest or None
    if latest is None and is_short:
        limit = _AT_A_TERMINAL
    is_plain = not (subset or states or tags or sort)
    # One more tells whether there are more.
    runs = ls_runs(
        subset,
        order=list(sort) or "start",
        decreasing=not reverse,
        latest_n=limit + 1 if is_plain and limit else None,
        best=_best(best),
    )
    _tell_missing(runs, best)
    runs = _chosen(runs, states, tags)
    if runs.is_empty() and not (names or as_json or as_csv):
        _say_none(is_plain=is_plain)
        if is_short:
            return
    has_more = limit is not None and runs.height > limit
    runs = runs.head(limit) if limit else runs
    if names:
        for run in runs["run_dir"]:
            _out.echo(_out.plain(run))
        return
    show(runs, columns, sort, as_json=as_json, as_csv=as_csv)
    if has_more and is_short:
        _out.note(f"the first {limit}; all with -n 0")


def show(
    runs: pl.DataFrame,
    columns: str | None = None,
    sort: tuple[str, ...] = (),
    *,
    as_json: bool = False,
    as_csv: bool = False,
) -> None:
    """Writes runs: for a person what tells them apart, for a program all of it."""
    from tfruns_rs.cli import _out

    if as_json or as_csv or not _out.is_terminal():
        _out.show_frame(_picked(runs, columns) if columns else runs, as_json=as_json, as_csv=as_csv)
        return
    shown, hidden = (_picked(_with_run(runs), columns), []) if columns else _usual(runs, sort)
    _out.show_frame(shown, styles={"status": _out.status_colour}, hidden=hidden)


def _tell_missing(runs: pl.DataFrame, best: tuple[str, ...]) -> None:
    """Says which metrics no run has: a column that is not there is easily taken for one that did not fit."""
    from tfruns_rs.cli._out import plain

    metrics = [name.removeprefix("metric_") for name in runs.columns if name.startswith("metric_")]
    for metric in (word.rpartition("=")[0] for word in best):
        if runs.height and metric not in metrics:
            known = f"there are {', '.join(metrics)}" if metrics else "there are none"
            click.echo(f"Warning: {plain(f'no run has a metric {metric} ({known})')}", err=True)


def _best(given: tuple[str, ...]) -> dict[str, str] | None:
    pairs: dict[str, str] = {}
    for word in given:
        metric, _, which = word.rpartition("=")
        if which not in {"min", "max"} or not metric:
            raise click.BadParameter(
                f"{word!r} is not of the form METRIC=min or METRIC=max", param_hint="--best"
            )
        pairs[metric] = which
    return pairs or None


def _chosen(runs: pl.DataFrame, states: tuple[str, ...], tags: tuple[str, ...]) -> pl.DataFrame:
    import polars as pl

    if states:
        runs = runs.filter(pl.col("status").is_in(list(states)))
    for tag in tags:
        if "labels" not in runs.columns:
            return runs.clear()
        runs = runs.filter(pl.col("labels").str.split(", ").list.contains(tag))
    return runs


def _say_none(*, is_plain: bool) -> None:
    from tfruns_rs.cli._out import plain

    directory = _params.runs_dir_path()
    text = _params.none_in(directory) if is_plain else f"no such run in {directory}"
    click.echo(plain(f"{text[0].upper()}{text[1:]}."), err=True)


def _picked(runs: pl.DataFrame, columns: str | None) -> pl.DataFrame:
    from tfruns_rs.tfruns._ls_runs import not_found

    if "run" not in runs.columns:
        runs = _with_run(runs) if "run" in (columns or "").split(",") else runs
    names: list[str] = []
    for pattern in (columns or "").split(","):
        found = [name for name in runs.columns if fnmatch.fnmatchcase(name, pattern.strip())]
        if not found and not any(mark in pattern for mark in "*?[") and runs.height:
            raise not_found(pattern.strip(), runs.columns)
        names += [name for name in found if name not in names]
    return runs.select(names)


def _with_run(runs: pl.DataFrame) -> pl.DataFrame:
    """With the last part of `run_dir` as `run`: the rest is the same for all."""
    import polars as pl

    names = [os.path.basename(run) for run in runs["run_dir"]]  # noqa: PTH119 - text
    return runs.select(pl.Series("run", names, dtype=pl.String), pl.all())


def _usual(runs: pl.DataFrame, sort: tuple[str, ...]) -> tuple[pl.DataFrame, list[str]]:
    """What a person wants to see first, and the names of what that leaves out."""
    import polars as pl

    from tfruns_rs.cli._out import age

    listed = _with_run(runs)
    now = datetime.now(tz=UTC)
    spans = [
        _took(row["start"], row["end"], row["status"], now) for row in _times(listed).iter_rows(named=True)
    ]
    starts = _times(listed)["start"].to_list()
    ages = [None if start is None else age((now - start).total_seconds()) for start in starts]
    listed = listed.with_columns(
        pl.Series("age", ages, dtype=pl.String), pl.Series("took", spans, dtype=pl.String)
    )
    names = ["run", "status", "age", "took", *(name for name in sort if name != "start")]
    names += [name for pattern in _SHOWN for name in runs.columns if fnmatch.fnmatchcase(name, pattern)]
    there = [name for name in dict.fromkeys(names) if name in listed.columns]
    kept = [name for name in there if name in names[:4] or _tells(listed[name], name, sort)]
    rest = {"run_dir", "start", "end", "metrics", "source_code", "output", *kept}
    hidden = [name for name in runs.columns if name not in rest and runs[name].null_count() < runs.height]
    return listed.select(kept), hidden


def _tells(values: pl.Series, name: str, sort: tuple[str, ...]) -> bool:
    if values.null_count() == values.len():
        return False
    if name in sort or not name.startswith("flag_") or values.len() == 1:
        return True
    return values.n_unique() > 1


def _times(runs: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    missing = [pl.lit(None).alias(name) for name in ("start", "end") if name not in runs.columns]
    return runs.with_columns(missing)


def _took(start: Any, end: Any, status: str, now: datetime) -> str | None:
    from tfruns_rs.cli._out import duration

    if not isinstance(start, datetime):
        return None
    if isinstance(end, datetime):
        return duration(max((end - start).total_seconds(), 0))
    return duration((now - start).total_seconds()) + " …" if status == "running" else None
