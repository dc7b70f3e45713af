"""`tfruns diff`: what two runs differ in."""

from __future__ import annotations

import sys
from itertools import takewhile
from typing import TYPE_CHECKING

import click

from tfruns_rs.cli import _params

if TYPE_CHECKING:
    import polars as pl

_WIDE = 24  # a cell that a table may have to cut
_LEAD = 8  # characters shown before the first that differs
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command()
@_params.run_argument("left", required=True)
@_params.run_argument("right", required=True)
@click.option("--source", is_flag=True, help="Show the differences of the sources, as diff -u.")
@_params.outputs
@_params.runs_dir
def diff(left: str, right: str, source: bool, as_json: bool, as_csv: bool) -> int:
    """Show what two runs differ in: flags, results, environment, sources.

    The exit code is 1 where they differ, 0 where not.

    \b
    Examples:
      tfruns diff latest~1 latest
      tfruns diff latest~1 latest --source
      tfruns diff 2026-11-21T07-07-03Z 2026-11-22T10-00-00Z --json
    """
    from tfruns_rs import diff_runs, diff_sources
    from tfruns_rs.cli import _out

    runs = [_params.found_run(name) for name in (left, right)]
    if source:
        if as_json or as_csv:
            raise click.UsageError("--source is text")
        text = diff_sources(*runs)
        for line in text.splitlines():
            _out.echo(_out.paint(_out.plain_text(line), _COLOURS.get(line[:1])))
        return int(bool(text))
    frame = diff_runs(*runs)
    if frame.is_empty() and not (as_json or as_csv):
        click.echo("No difference.", err=True)
    else:
        is_shown = _out.is_terminal() and not (as_json or as_csv)
        _out.show_frame(
            _differing(frame) if is_shown else frame,
            as_json=as_json,
            as_csv=as_csv,
            squeeze=True,
            styles={"left": lambda _: "red", "right": lambda _: "green"},
        )
    sys.stdout.flush()
    return int(not frame.is_empty())


def _differing(frame: pl.DataFrame) -> pl.DataFrame:
    """With long texts from shortly before where they differ on: a table cuts the ends of what is too wide."""
    import polars as pl

    pairs = [_cut(left, right) for left, right in frame.select("left", "right").iter_rows()]
    return frame.with_columns(
        pl.Series("left", [left for left, _ in pairs], pl.String),
        pl.Series("right", [right for _, right in pairs], pl.String),
    )


def _cut(left: str | None, right: str | None) -> tuple[str | None, str | None]:
    if left is None or right is None or max(len(left), len(right)) <= _WIDE:
        return left, right
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False)))
    start = same - _LEAD
    return (f"…{left[start:]}", f"…{right[start:]}") if start > 1 else (left, right)
