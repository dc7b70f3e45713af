"""`tfruns show`: all of a run."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from tfruns_rs.cli import _params

if TYPE_CHECKING:
    import polars as pl

    from tfruns_rs import RunInfo

_LAST_LINES = 10
_GROUPS = {"flag_": "Flags", "eval_": "Evaluation"}
_APART = {
    "run_dir",
    "status",
    "output",
    "metrics",
    "source_code",
    "model",
    "problem",
    "labels",
    "description",
}
_SPARK = 24


@click.command()
@_params.run_argument()
@click.option("--console", is_flag=True, help="Write what the script printed, whole.")
@click.option("--metrics", is_flag=True, help="Write the metrics, a row an epoch.")
@_params.outputs
@_params.runs_dir
def show(run: str | None, console: bool, metrics: bool, as_json: bool, as_csv: bool) -> None:
    """Show all of a run; of the latest where none is named.

    \b
    Examples:
      tfruns show
      tfruns show 2026-11-21T07
      tfruns show latest~1 --console | less
      tfruns show --metrics --csv > metrics.csv
      tfruns show --json | jq .flag_learning_rate
    """
    from tfruns_rs import run_info
    from tfruns_rs.cli import _out

    directory = _params.found_run(run)
    info: Any = run_info(directory)
    if as_csv and not metrics:
        raise click.UsageError("--csv goes with --metrics")
    if console and (metrics or as_json):
        raise click.UsageError("--console goes alone")
    if console:
        text = info.get("output") or ""
        sys.stdout.write(_out.plain_text(text) if _out.is_terminal() else text)
        if text and not text.endswith("\n"):
            _out.echo()
    elif metrics:
        _out.show_frame(_metrics(info), as_json=as_json, as_csv=as_csv)
    elif as_json:
        _out.echo(_out.to_json(info.to_dict(), indent=2))
    else:
        _show(info)


def _metrics(info: RunInfo) -> pl.DataFrame:
    import polars as pl

    metrics = info.get("metrics")
    return pl.DataFrame() if metrics is None else metrics


def _show(info: RunInfo) -> None:
    from tfruns_rs.cli import _out

    status = str(info.get("status") or "")
    title = _out.plain(os.path.basename(info["run_dir"]))  # noqa: PTH119 - text
    _out.echo(f"{_out.paint(title, bold=True)}  {_out.paint(_out.plain(status), _out.status_colour(status))}")
    for name, colour in (("problem", "red"), ("labels", "cyan"), ("description", None)):
        if info.get(name):
            _out.echo(_out.paint(_out.plain(str(info[name])), colour))
    groups: dict[str, list[tuple[str, Any]]] = {title: [] for title in _GROUPS.values()}
    rest: list[tuple[str, Any]] = [("directory", os.path.abspath(info["run_dir"]))]  # noqa: PTH100
    for name, value in info.items():
        prefix = next((prefix for prefix in _GROUPS if name.startswith(prefix)), None)
        if value is None or name in _APART or name.startswith("metric_"):
            continue
        if prefix:
            groups[_GROUPS[prefix]].append((name.removeprefix(prefix), value))
        elif name != "error_traceback":
            rest.append((name, value))
    for heading, pairs in groups.items():
        _pairs(heading, pairs)
    _show_metrics(_metrics(info))
    _pairs("Run", rest)
    _last_lines("Traceback", info.get("error_traceback"))
    _last_lines("Console", info.get("output"))


def _pairs(title: str, pairs: list[tuple[str, Any]]) -> None:
    from tfruns_rs.cli import _out

    if not pairs:
        return
    _heading(title)
    names = [_out.plain(name) for name, _ in pairs]
    wide = max(map(_out.cells, names))
    for name, (_, value) in zip(names, pairs, strict=True):
        text = _out.plain(_out.exact(value)) if isinstance(value, float) else _out.cell(value)
        room = _out.width() - wide - 4
        if _out.is_terminal() and _out.cells(text) > room:
            text = _out.fitted(text, max(room, 8))
        _out.echo(f"  {_out.fitted(name, wide)}  {text}")


def _show_metrics(metrics: pl.DataFrame) -> None:
    from tfruns_rs.cli import _out

    rows: list[list[str]] = []
    for column in metrics.get_columns():
        if column.name == "epoch" or not column.dtype.is_numeric():
            continue
        values = [value for value in column.to_list() if value is not None]
        if values:
            numbers = (values[-1], min(values), max(values))
            rows.append(
                [
                    _out.plain(column.name),
                    *(f"{number:.5g}" for number in numbers),
                    _out.spark(values, _SPARK),
                ]
            )
    if not rows:
        return
    _heading(f"Metrics ({'1 epoch or step' if metrics.height == 1 else f'{metrics.height} epochs or steps'})")
    heads = ["", "last", "least", "greatest", ""]
    widths = [max(_out.cells(row[index]) for row in [heads, *rows]) for index in range(len(heads))]
    for row in [heads, *rows]:
        texts = [
            _out.fitted(text, wide, right=0 < index < len(heads) - 1)
            for index, (text, wide) in enumerate(zip(row, widths, strict=True))
        ]
        line = "  " + "  ".join(texts).rstrip()
        _out.echo(_out.paint(line, dim=True) if row is heads else line)


def _last_lines(title: str, text: Any) -> None:
    from tfruns_rs.cli import _out

    lines = text.splitlines() if isinstance(text, str) else [str(line) for line in text or ()]
    if not lines:
        return
    cut = len(lines) - _LAST_LINES
    _heading(title if cut <= 0 else f"{title} (the last {_LAST_LINES} of {len(lines)} lines)")
    for line in lines[-_LAST_LINES:]:
        _out.echo(f"  {_out.plain_text(line)}")


def _heading(title: str) -> None:
    from tfruns_rs.cli import _out

    _out.echo()
    _out.echo(_out.paint(title, bold=True))
