"""Runs and their metrics as lazy frames: only the files that a query needs are opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfruns_rs import _core
from tfruns_rs.tfruns._ls_runs import best_pairs
from tfruns_rs.tfruns._options import runs_dir_or_option
from tfruns_rs.tfruns._run_dir import run_dirs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import polars as pl

    from tfruns_rs.tfruns._run_dir import PathLike, Runs

_BATCH_RUNS = 256


def scan_runs(
    runs_dir: PathLike | None = None,
    *,
    best: Mapping[str, str] | None = None,
    schema: Mapping[str, Any] | None = None,
) -> pl.LazyFrame:
    """Lists runs lazily.

    A condition is evaluated first, on the columns that it names; the other columns are read of the runs
    that it keeps. Of each run only the files of those columns are opened.

    Args:
        runs_dir: Where the runs are; None for the option `runs_dir`.
        best: As in `ls_runs`.
        schema: The columns and their types; None to find out by listing all runs once, when the query starts.
            With it nothing is opened that the query does not need. `run_dir` is added.

    Returns:
        The columns of `ls_runs()`, by name, the greatest first.

    Examples:
        >>> import polars as pl, tfruns_rs as tfr
        >>> runs = tfr.scan_runs(tmp_path, schema={"flag_lr": pl.Float64})
        >>> runs.filter(pl.col("flag_lr") > 0.1).collect().height
        0
    """
    import polars as pl
    from polars.io.plugins import register_io_source

    directory = str(Path(runs_dir_or_option(runs_dir)).absolute())
    prefix = runs_dir_or_option(runs_dir)
    pairs = best_pairs(best)

    def listed(columns: list[str] | None, only: set[str] | None = None) -> pl.DataFrame:
        frame = pl.DataFrame(_core.scan_runs(directory, columns=columns, best=pairs, only=only))
        return frame.with_columns(_below(prefix, directory, name) for name in _PATHS if name in frame.columns)

    def found_schema() -> pl.Schema:
        if schema is not None:
            return pl.Schema({"run_dir": pl.String, **schema})
        return listed(None).schema

    def read(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        types = found_schema() if schema is not None or with_columns is None else pl.Schema()
        wanted = list(types) if with_columns is None else with_columns
        needed = wanted if predicate is None else predicate.meta.root_names()
        runs = _typed(listed(["run_dir", *needed]), ["run_dir", *needed], types)
        if predicate is not None:
            runs = runs.filter(predicate)
        if n_rows is not None:
            runs = runs.head(n_rows)
        rest = [name for name in wanted if name not in runs.columns]
        if rest:
            names = {Path(path).name for path in runs["run_dir"]}
            more = _typed(listed(["run_dir", *rest], names), ["run_dir", *rest], types)
            runs = runs.join(more, on="run_dir", how="left", maintain_order="left")
        runs = runs.select(wanted)
        for start in range(0, max(runs.height, 1), _BATCH_RUNS):
            yield runs[start : start + _BATCH_RUNS]

    resolved: Any = found_schema if schema is None else found_schema()
    return register_io_source(read, schema=resolved)


_PATHS = ("run_dir", "metrics", "source_code")


def _below(prefix: str, directory: str, name: str) -> pl.Expr:
    import polars as pl

    return (pl.lit(prefix) + pl.col(name).str.strip_prefix(directory)).alias(name)


def _typed(runs: pl.DataFrame, columns: list[str], types: Mapping[str, Any]) -> pl.DataFrame:
    """These columns in these types; nulls where no run has one."""
    import polars as pl

    names = list(dict.fromkeys(columns))
    present = [name for name in names if name in runs.columns]
    missing = [pl.lit(None).alias(name) for name in names if name not in runs.columns]
    frame = runs.select(present).with_columns(missing)
    return frame.cast({name: types[name] for name in names if name in types})


def scan_metrics(runs: Runs) -> pl.LazyFrame:
    """The metrics of runs lazily, a row a value.

    Args:
        runs: Runs, as `as_run_dir` takes them.

    Returns:
        run_dir, metric, epoch (by the column `epoch` of the metrics, else counted from 1), value (null for an
        epoch to come). A condition on `run_dir` decides which files are opened.

    Examples:
        >>> import polars as pl, tfruns_rs as tfr
        >>> run = tfr.unique_run_dir(tmp_path)
        >>> tfr.write_run_metadata("metrics", {"loss": [0.5, 0.25]}, run)
        >>> metrics = tfr.scan_metrics(tfr.ls_runs(runs_dir=tmp_path))
        >>> metrics.select(pl.col("value").min()).collect().item()
        0.25
    """
    import polars as pl
    from polars.io.plugins import register_io_source

    named = run_dirs(runs)
    absolute = {name: str(Path(name).absolute()) for name in named}

    def read(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        left = n_rows
        kept = named
        if predicate is not None and predicate.meta.root_names() == ["run_dir"]:
            kept = (
                pl.DataFrame({"run_dir": named}, schema={"run_dir": pl.String})
                .filter(predicate)["run_dir"]
                .to_list()
            )
        for start in range(0, max(len(kept), 1), _BATCH_RUNS):
            part = kept[start : start + _BATCH_RUNS]
            back = {absolute[name]: name for name in part}
            frame = pl.DataFrame(_core.read_run_metrics([absolute[name] for name in part]))
            frame = frame.with_columns(pl.col("run_dir").replace(back))
            if predicate is not None:
                frame = frame.filter(predicate)
            if left is not None:
                frame = frame.head(left)
                left -= frame.height
            yield frame if with_columns is None else frame.select(with_columns)
            if left == 0:
                return

    types = {"run_dir": pl.String, "metric": pl.String, "epoch": pl.Int64, "value": pl.Float64}
    return register_io_source(read, schema=types)
