"""`tfruns du` and `gc`: what runs take on disk, and room made."""

from __future__ import annotations

from typing import Any

import click

from tfruns_rs.cli import _params


@click.command()
@_params.runs_argument()
@_params.subset
@click.option("-n", "--largest", type=click.IntRange(min=1), help="Only so many, the largest.")
@_params.outputs
@_params.runs_dir
def du(runs: tuple[str, ...], subset: str | None, largest: int | None, as_json: bool, as_csv: bool) -> None:
    """Tell what runs take on disk, the largest first.

    Piped, numbers are bytes.

    \b
    Examples:
      tfruns du -n 10
      tfruns du --filter "status = 'failed'"
      tfruns du --csv > sizes.csv
    """
    import polars as pl

    from tfruns_rs import disk_usage
    from tfruns_rs.cli import _out

    usage = disk_usage(_params.found_runs(runs, subset) if runs or subset is not None else None)
    usage = usage.sort("bytes", descending=True, maintain_order=True)
    total, count = usage["bytes"].sum(), usage.height
    usage = usage.head(largest) if largest else usage
    front = ["run_dir", "bytes", "files", "artifacts", "logs", "tables", "plots", "metadata"]
    usage = usage.select(front)
    if usage.is_empty() and not (as_json or as_csv):
        click.echo("No runs.", err=True)
        return
    if as_json or as_csv or not _out.is_terminal():
        _out.show_frame(usage, as_json=as_json, as_csv=as_csv, squeeze=True)
        return
    sizes = [name for name in usage.columns if name not in {"run_dir", "files"}]
    shown = usage.with_columns(
        pl.Series(name, [_out.size(value) for value in usage[name]], dtype=pl.String) for name in sizes
    )
    numeric = [name != "run_dir" for name in shown.columns]
    texts = [[_out.cell(value) for value in column.to_list()] for column in shown.get_columns()]
    _out.show_table(shown.columns, texts, numeric, {})
    _out.note(f"{_out.size(int(total))} in {_out.count(count, 'run')}")


@click.command()
@click.option("--keep-best", type=click.IntRange(min=0), required=True, metavar="N", help="So many stay.")
@click.option("--by", required=True, metavar="METRIC", help="By this metric or column, such as val_loss.")
@click.option("--max", "is_max", is_flag=True, help="The greatest is the best; by default the least.")
@click.option("--artifacts", is_flag=True, help="Remove only the files that scripts made, for good.")
@_params.subset
@click.option("-n", "--dry-run", is_flag=True, help="Only tell what would go.")
@_params.yes
@_params.outputs
@_params.runs_dir
def gc(
    keep_best: int,
    by: str,
    is_max: bool,
    artifacts: bool,
    subset: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    as_csv: bool,
) -> int:
    """Keep the best runs; move the others to the archive, or remove what they made.

    Only ended runs that have the metric are touched; a run with a label stays.

    \b
    Examples:
      tfruns gc --keep-best 5 --by val_loss --dry-run
      tfruns gc --keep-best 5 --by eval_accuracy --max
      tfruns gc --keep-best 3 --by val_loss --artifacts --yes
    """
    from tfruns_rs import gc_runs
    from tfruns_rs.cli import _out

    given: dict[str, Any] = {
        "which": "max" if is_max else "min",
        "what": "artifacts" if artifacts else "runs",
    }
    confirm = False if yes else None
    gone = gc_runs(by, keep_best=keep_best, subset=subset, dry_run=dry_run, confirm=confirm, **given)
    done = gone if dry_run else gone.filter(ok=True)
    if dry_run:
        gone = gone.select("run_dir", "value", "bytes")
    if gone.is_empty() and not (as_json or as_csv):
        click.echo("Nothing to do.", err=True)
    else:
        _out.show_frame(gone, as_json=as_json, as_csv=as_csv, squeeze=True)
        action = "would go" if dry_run else "gone"
        amount = _out.size(int(done["bytes"].sum()))
        _out.note(
            f"{_out.count(done.height, 'run')}, {amount} {action}" + ("" if artifacts else " to the archive")
        )
    return 0 if dry_run else _params.ended(gone)
