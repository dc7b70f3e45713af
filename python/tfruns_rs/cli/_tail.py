"""`tfruns tail`: a logdir as it grows: a table with the course of each metric; in a pipe, line by line."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

import click

from tfruns_rs.cli import _logdir, _params

if TYPE_CHECKING:
    import polars as pl

    from tfruns_rs import RunInfo

_ENDED = {"completed", "failed", "interrupted", "killed", "invalid"}
_MOST_POINTS = 4096
_NARROW = 60


@click.command()
@_logdir.argument
@click.option("--run", "runs", multiple=True, metavar="PATTERN", help="Only these runs.")
@click.option("--tag", "tags", multiple=True, metavar="PATTERN", help="Only these tags.")
@click.option(
    "--poll",
    type=click.FloatRange(min=0.05),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
@click.option(
    "--idle", type=click.FloatRange(min=0), metavar="SECONDS", help="End after so long without anything new."
)
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Piped: so many old points first.",
)
@click.option("--once", is_flag=True, help="Show what is there and end.")
@_params.runs_dir
def tail(
    logdirs: tuple[str, ...],
    runs: tuple[str, ...],
    tags: tuple[str, ...],
    poll: float,
    idle: float | None,
    lines: int,
    once: bool,
) -> None:
    """Follow logdirs or runs live; the latest run where none are named.

    At a terminal each metric is a line with its last value and its course. Piped, each point is a line: run,
    tag, step, wall time, value. Following a run ends when the run does, else Ctrl-C ends it.

    \b
    Examples:
      tfruns tail
      tfruns tail logs --tag '*loss'
      tfruns tail runs | grep val/
    """
    from tfruns_rs import events_logdir
    from tfruns_rs.cli import _out

    where = _logdir.found(logdirs)
    connection = events_logdir(where)
    filters: dict[str, Any] = {"run": list(runs) or None, "tag": list(tags) or None}
    look = _Live(where) if _out.is_terminal() else _Lines(lines)
    last_news = time.monotonic()
    with look:
        while True:
            # Judged before reading: what was logged until then is read.
            is_over = once or _all_ended(where)
            frame = connection.collect(type="scalar", **filters)
            if frame.height:
                last_news = time.monotonic()
            look.take(frame)
            if is_over or (idle is not None and time.monotonic() - last_news >= idle):
                return
            time.sleep(poll)


def _all_ended(logdirs: list[str]) -> bool:
    """Whether all that is followed are runs that have ended."""
    from tfruns_rs import run_info

    for logdir in logdirs:
        # A run that has logged nothing stands for itself.
        run = os.path.dirname(logdir) if os.path.basename(logdir) == "logs" else logdir  # noqa: PTH119, PTH120
        if not os.path.isdir(f"{run}/tfruns.d"):  # noqa: PTH112
            return False
        info: RunInfo | Any = run_info(run)
        if info.get("status") not in _ENDED:
            return False
    return True


class _Lines:
    """A line a point, at once."""

    def __init__(self, old: int) -> None:
        self._old = old
        self._is_first = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()

    def take(self, frame: pl.DataFrame) -> None:
        from tfruns_rs.cli import _out

        rows = frame.tail(self._old) if self._is_first else frame
        self._is_first = False
        for run, tag, step, wall_time, value in rows.select(
            "run", "tag", "step", "wall_time", "value"
        ).iter_rows():
            _out.echo("\t".join([_out.plain(run), _out.plain(tag), str(step), repr(wall_time), repr(value)]))
        sys.stdout.flush()


class _Series:
    """One metric: its ends, extremes, and a course thin enough to keep."""

    def __init__(self) -> None:
        self.count = 0
        self.step = 0
        self.value = 0.0
        self.low, self.high = float("inf"), float("-inf")
        self.wall_time = 0.0
        self.course: deque[float] = deque()
        self._every = 1

    def take(self, steps: list[int], times: list[float], values: list[float]) -> None:
        for index, value in enumerate(values):
            if (self.count + index) % self._every == 0:
                self.course.append(value)
                if len(self.course) > _MOST_POINTS:
                    self.course = deque(islice(self.course, 0, None, 2))
                    self._every *= 2
        self.count += len(values)
        self.step, self.value, self.wall_time = steps[-1], values[-1], times[-1]
        numbers = [value for value in values if value == value]  # noqa: PLR0124 - not NaN
        if numbers:
            self.low, self.high = min(self.low, *numbers), max(self.high, *numbers)


class _Live:
    """A table that is drawn anew; the metrics that changed last stay where they are many."""

    def __init__(self, logdirs: list[str]) -> None:
        from rich.console import Console
        from rich.live import Live

        self._title = ", ".join(logdirs)
        self._series: dict[tuple[str, str], _Series] = {}
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            vertical_overflow="crop",
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def take(self, frame: pl.DataFrame) -> None:
        for (run, tag), part in frame.partition_by("run", "tag", as_dict=True, maintain_order=True).items():
            series = self._series.setdefault((str(run), str(tag)), _Series())
            series.take(part["step"].to_list(), part["wall_time"].to_list(), part["value"].to_list())
        self._live.update(self._table(), refresh=True)

    def _table(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        from tfruns_rs.cli import _out

        columns = self._console.width
        room = max(self._console.height - 4, 1)
        latest = sorted(self._series, key=lambda key: self._series[key].wall_time, reverse=True)[:room]
        shown = [key for key in sorted(self._series) if key in set(latest)]
        has_extremes = columns >= _NARROW + 20
        table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
        names = ["run", "tag", "step", "last", *(["least", "greatest"] if has_extremes else []), ""]
        for name in names:
            table.add_column(
                name,
                justify="right" if name in {"step", "last", "least", "greatest"} else "left",
                no_wrap=True,
                overflow="ellipsis",
            )
        for key in shown:
            series = self._series[key]
            extremes = [f"{series.low:.5g}", f"{series.high:.5g}"] if has_extremes else []
            course = _out.spark(list(series.course), max(columns - _NARROW - 10, 10))
            texts = [*map(_out.plain, key), str(series.step), f"{series.value:.5g}", *extremes]
            table.add_row(*(Text(text) for text in texts), Text(course, style="cyan"))
        points = sum(series.count for series in self._series.values())
        hidden = len(self._series) - len(shown)
        metrics = _out.count(len(self._series), "metric")
        below = Text(
            f"{_out.plain(self._title)}: {_out.count(points, 'point')}, {metrics}"
            + (f", {hidden} not shown" if hidden else "")
            + f", {time.strftime('%H:%M:%S')}",
            style="dim",
            no_wrap=True,
            overflow="ellipsis",
        )
        return Group(table, below)
