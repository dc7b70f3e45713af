"""Runs as a frame: listed, ordered, filtered."""

from __future__ import annotations

import difflib
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from tfruns_rs import _core
from tfruns_rs.tfruns._options import runs_dir_or_option

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import polars as pl

    from tfruns_rs.tfruns._run_dir import PathLike

    Subset = pl.Expr | str | Callable[[pl.DataFrame], pl.Expr | pl.Series | pl.DataFrame]
    Order = str | pl.Expr | Sequence[str | pl.Expr]


def ls_runs(
    subset: Subset | None = None,
    *,
    order: Order = "start",
    decreasing: bool | Sequence[bool] = True,
    latest_n: int | None = None,
    runs_dir: PathLike | None = None,
    best: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Lists training runs.

    Args:
        subset: Which runs to keep: a Polars expression, the same as SQL text, or a function of the frame. A
            run for which it is neither true nor false is left out.
        order: Columns to order by: names or selectors. They come right after `run_dir`. Missing values and
            NaN are last.
        decreasing: The largest first; one for all columns or one each.
        latest_n: Only so many, the latest by start, then by name.
        runs_dir: Where the runs are; None for the option `runs_dir`.
        best: Metrics and "min" or "max"; adds `best_<metric>` and `best_<metric>_epoch`.

    Returns:
        A row a run: `run_dir`, `eval_*`, `metric_*` (the last value of each), `flag_*`, then R's columns in
        R's order, then other properties, then `status` (completed, failed, interrupted, killed, stale,
        running, unknown, invalid) and `problem` (what could not be read). Texts beyond 4 KiB, such as the
        console in `output`, are cut and say so; `run_info()` has them whole.

        Listed again by the same process, runs none of whose files changed are not read again. What is
        written with this package shows at once. Where another program, such as R, writes in place into a
        property that only training writes (`model`, `samples`, `output`, …) of a run that has ended, that
        shows within ten seconds.

    Raises:
        polars.exceptions.ColumnNotFoundError: No run has such a column.
        ValueError: Arguments that mean nothing, or SQL beyond a plain condition.
    """
    if latest_n is not None and latest_n < 0:
        raise ValueError(f"latest_n must be 0 or more, not {latest_n}")
    runs = _listed(runs_dir_or_option(runs_dir), latest_n, best_pairs(best))
    runs = _ordered(runs, order, decreasing)
    return runs if subset is None else _kept(runs, subset)


def _listed(runs_dir: str, latest_n: int | None, best: list[tuple[str, bool]] | None) -> pl.DataFrame:
    """The runs as they lie there. A first import of Polars, as long as some thousand runs, goes beside."""
    scan = partial(_core.scan_runs, runs_dir, latest_n=latest_n, best=best)
    if "polars" in sys.modules:
        import polars as pl

        return pl.DataFrame(scan())
    with ThreadPoolExecutor(1, thread_name_prefix="tfruns-ls-runs") as pool:
        scanned = pool.submit(scan)
        import polars as pl
    return pl.DataFrame(scanned.result())


def best_pairs(best: Mapping[str, str] | None) -> list[tuple[str, bool]] | None:
    """The border's form of `best`."""
    if best is None:
        return None
    wrong = {metric: which for metric, which in best.items() if which not in {"min", "max"}}
    if wrong:
        raise ValueError(f'best names "min" or "max" for each metric, not {wrong}')
    return [(metric, which == "min") for metric, which in best.items()]


def _ordered(runs: pl.DataFrame, order: Order, decreasing: Any) -> pl.DataFrame:
    import polars as pl

    terms = [order] if isinstance(order, (str, pl.Expr)) else list(order)
    names: list[str] = []
    directions: list[bool] = []
    if not isinstance(decreasing, bool) and len(decreasing) != len(terms):
        raise ValueError(f"decreasing has {len(decreasing)} values for {len(terms)} columns")
    for index, term in enumerate(terms):
        found = _columns(runs, term)
        names += [name for name in found if name not in names]
        directions += [decreasing if isinstance(decreasing, bool) else decreasing[index]] * (
            len(names) - len(directions)
        )
    if not names or runs.is_empty():
        return runs
    keys = [pl.col(name).fill_nan(None) if runs.schema[name].is_float() else pl.col(name) for name in names]
    # By name as they come, runs mostly are in the order of their start.
    if names != ["start"] or not runs["start"].is_sorted(descending=directions[0], nulls_last=True):
        runs = runs.sort(keys, descending=directions, nulls_last=True, maintain_order=True)
    if names == ["start"]:
        return runs
    first = ["run_dir", *(name for name in names if name != "run_dir")]
    return runs.select(first + [name for name in runs.columns if name not in first])


def _columns(runs: pl.DataFrame, term: Any) -> list[str]:
    import polars.selectors as cs

    if isinstance(term, str):
        if term not in runs.columns and not runs.is_empty():
            raise not_found(term, runs.columns)
        return [term] if term in runs.columns else []
    if cs.is_selector(term):
        return list(cs.expand_selector(runs, term))
    names = term.meta.root_names()
    for name in names:
        if name not in runs.columns and not runs.is_empty():
            raise not_found(name, runs.columns)
    return [name for name in names if name in runs.columns]


def _kept(runs: pl.DataFrame, subset: Subset) -> pl.DataFrame:
    import polars as pl

    condition: Any
    if isinstance(subset, str):
        from tfruns_rs.tfruns._subset import sql_condition

        times = [name for name, dtype in runs.schema.items() if dtype.is_temporal()]
        condition = sql_condition(subset, times)
    elif isinstance(subset, pl.Expr):
        condition = subset
    elif not callable(subset):  # what users pass
        raise TypeError(f"subset is an expression, SQL text or a function, not {type(subset).__name__}")
    else:
        condition = subset(runs)
        if isinstance(condition, pl.DataFrame):
            return condition
    if isinstance(condition, pl.Expr) and not condition.meta.has_multiple_outputs():
        for name in condition.meta.root_names():
            if name not in runs.columns:
                if runs.is_empty():
                    return runs
                raise not_found(name, runs.columns)
    return runs.filter(condition)


def not_found(name: str, columns: Sequence[str]) -> Exception:
    """The error for a column that no run has."""
    from polars.exceptions import ColumnNotFoundError

    close = difflib.get_close_matches(name, columns, n=3, cutoff=0.5)
    hint = f"; close to it: {', '.join(close)}" if close else ""
    return ColumnNotFoundError(f"no run has a column {name!r}{hint}")
