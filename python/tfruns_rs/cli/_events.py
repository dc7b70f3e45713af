"""`tfruns events`: event files as a table or a file."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tfruns_rs.cli import _logdir, _params

if TYPE_CHECKING:
    import polars as pl

_FORMATS = ("csv", "ndjson", "json", "parquet")
_KINDS = ("scalar", "summary", "any", "histogram", "text", "image", "audio", "tensor", "hparams")
_AT_A_TERMINAL = 50


@click.command()
@_logdir.argument
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False), help="Write a file; its end tells the format."
)
@click.option("--format", "kind_of_file", type=click.Choice(_FORMATS), help="The format.")
@click.option(
    "--type", "kind", type=click.Choice(_KINDS), default="scalar", show_default=True, help="What a row is."
)
@click.option("--run", "runs", multiple=True, metavar="PATTERN", help="Only these runs.")
@click.option("--tag", "tags", multiple=True, metavar="PATTERN", help="Only these tags.")
@click.option("--step", callback=_logdir.steps, metavar="N|A:B", help="Only this step, or these.")
@click.option("--column", "columns", multiple=True, help="A further column: plugin, file, source, attempt, …")
@click.option("--last-attempt", is_flag=True, help="Of points logged again after a restart only the last.")
@click.option("-n", "--limit", type=click.IntRange(min=1), help="Only the first so many.")
@click.option("--strict", is_flag=True, help="Fail where something is damaged.")
@_params.runs_dir
def events(
    logdirs: tuple[str, ...],
    output: str | None,
    kind_of_file: str | None,
    kind: str,
    runs: tuple[str, ...],
    tags: tuple[str, ...],
    step: Any,
    columns: tuple[str, ...],
    last_attempt: bool,
    limit: int | None,
    strict: bool,
) -> None:
    """Collect the events of logdirs or runs; of the latest run where none are named.

    Every point is read, none is sampled. At a terminal the first 50 are shown; piped, the table is whole.

    \b
    Examples:
      tfruns events logs -o events.parquet
      tfruns events latest --tag 'loss*' --step 100:200
      tfruns events runs --format ndjson | jq .value
      tfruns events logs --type histogram -o histograms.parquet
    """
    import polars as pl

    from tfruns_rs import collect_events
    from tfruns_rs.cli import _out

    file_format = kind_of_file or _format_of(output)
    is_short = file_format is None and _out.is_terminal()
    wanted: Any = kind
    frame = collect_events(
        _logdir.found(logdirs),
        limit or (_AT_A_TERMINAL + 1 if is_short and kind in _KINDS[:3] else None),
        wanted,
        run=list(runs) or None,
        tag=list(tags) or None,
        step=step,
        columns=list(columns),
        on_corrupt="raise" if strict else "warn",
        restarts="last" if last_attempt else "keep",
    )
    if output is not None:
        _save(frame, output, file_format or "")
        click.echo(f"{_out.count(frame.height, 'row')} to {_out.plain(output)}", err=True)
    elif file_format in {"parquet", "ndjson"}:
        if file_format == "parquet" and _out.is_terminal():
            raise click.UsageError("Parquet is nothing for a terminal; -o names a file")
        sys.stdout.flush()
        _write(frame, sys.stdout.buffer, file_format)
    elif is_short and frame.is_empty():
        click.echo("No such events.", err=True)
    else:
        more = is_short and not limit and frame.height > _AT_A_TERMINAL
        shown = frame.head(_AT_A_TERMINAL) if more else frame
        if is_short:
            shown = shown.with_columns((pl.col("wall_time") * 1e6).cast(pl.Datetime("us", "UTC")))
        _out.show_frame(shown, as_json=file_format == "json", as_csv=file_format == "csv")
        if more:
            _out.note(f"the first {_AT_A_TERMINAL}; all with -o FILE or through a pipe")


def _format_of(output: str | None) -> str | None:
    if output is None:
        return None
    ending = Path(output).suffix.lower().removeprefix(".")
    found = {"jsonl": "ndjson", "pq": "parquet"}.get(ending, ending)
    if found not in _FORMATS:
        raise click.UsageError(f"{output} does not end in one of {', '.join(_FORMATS)}; --format tells it")
    return found


def _save(frame: pl.DataFrame, output: str, file_format: str) -> None:
    """Writes beside the place and renames: a reader never meets half a file."""
    target = Path(output)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            _write(frame, file, file_format)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # noqa: PTH101
        os.replace(temporary, target)  # noqa: PTH105
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise


def _write(frame: pl.DataFrame, file: Any, file_format: str) -> None:
    from tfruns_rs.cli import _out

    if file_format == "parquet":
        frame.write_parquet(file)
    elif file_format == "csv":
        _out.flat(frame).write_csv(file)
    else:
        is_array = file_format == "json"
        file.write(b"[\n" if is_array else b"")
        for number, row in enumerate(frame.iter_rows(named=True)):
            comma = b",\n" if is_array and number else b""
            file.write(
                comma + _out.to_json(row).encode("utf-8", "backslashreplace") + (b"" if is_array else b"\n")
            )
        file.write(b"\n]\n" if is_array else b"")
    file.flush()
