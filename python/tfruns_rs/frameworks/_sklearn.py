"""scikit-learn's searches."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

from tfruns_rs import _core
from tfruns_rs.frameworks._recorder import attempt, length
from tfruns_rs.tfruns import _active
from tfruns_rs.tfruns._json import plain as as_plain
from tfruns_rs.tfruns._options import runs_dir_or_option
from tfruns_rs.tfruns._run_metadata import META_DIR, write_properties, write_run_metadata

if TYPE_CHECKING:
    import polars as pl


def log_search(
    search: Any, *, runs_dir: str | os.PathLike[str] | None = None, **properties: Any
) -> pl.DataFrame:
    """Makes a run of every candidate of a search.

    The candidate's parameters are the run's flags. Its mean scores are the evaluation, with their deviation,
    rank and times; the scores of each split are its metrics, one row a split, those of the held-out part as
    `val_…`. The property `search` is one for all runs of a search; `best` says which candidate was chosen.

    Args:
        search: A fitted `GridSearchCV`, `RandomizedSearchCV` or halving search, or whatever else has
            `cv_results_` and `estimator`.
        runs_dir: Where new run directories go; None for the option `runs_dir`.
        properties: Anything else to know of the runs.

    Returns:
        The runs as rows of `ls_runs()`, in the order of the candidates.

    Raises:
        ValueError: The search is not fitted.

    Examples:
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn.model_selection import GridSearchCV
        >>> search = GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1, 1.0]}, cv=3)
        >>> runs = log_search(search.fit(*load_iris(return_X_y=True)), runs_dir=tmp_path)
        >>> runs.select("flag_C", "best").rows()
        [(0.1, 'FALSE'), (1.0, 'TRUE')]
    """
    results: dict[str, Any] | None = getattr(search, "cv_results_", None)
    if results is None:
        raise ValueError("the search is not fitted: call its fit() before log_search()")
    import polars as pl

    from tfruns_rs.tfruns._ls_runs import ls_runs

    below = runs_dir_or_option(runs_dir)
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    parent = _active.current()
    shared: dict[str, Any] = {
        "type": "search",
        "context": "local",
        "script": os.path.basename(sys.argv[0]) or type(search).__name__,  # noqa: PTH119 - text
        "search": f"{type(search).__name__}-{stamp}-{os.getpid()}",
        "scoring": attempt(lambda: _scoring(search)),
        "splits": getattr(search, "n_splits_", None),
        "parent": None if parent is None else os.path.basename(parent.run_dir),  # noqa: PTH119 - text
        **properties,
    }
    best = getattr(search, "best_index_", None)
    made: list[str] = []
    for number, params in enumerate(results["params"]):
        run_dir = str(_core.unique_run_dir(below))
        os.makedirs(f"{run_dir}/{META_DIR}", exist_ok=True)  # noqa: PTH103 - text
        write_run_metadata("flags", {name: _flag(value) for name, value in params.items()}, run_dir)
        write_run_metadata("evaluation", _evaluation(results, number), run_dir)
        metrics = _metrics(results, number)
        if metrics:
            write_run_metadata("metrics", metrics, run_dir)
        took = _at(results, "mean_fit_time", number) + _at(results, "mean_score_time", number)
        facts = {
            **shared,
            "model": _model(search.estimator, params),
            "candidate": number,
            "best": None if best is None else bool(number == best),
            "start": now,
            "completed": True,
            "end": now + took * max(int(shared["splits"] or 1), 1),
        }
        write_properties(run_dir, {name: value for name, value in facts.items() if value is not None})
        made.append(run_dir)
    listed = ls_runs(runs_dir=below)
    order = pl.DataFrame({"run_dir": made}, schema={"run_dir": pl.String})
    return order.join(listed, on="run_dir", how="left", maintain_order="left")


def record_search(search: Any, samples: Any) -> None:
    """Records a search in the active run: candidates as rows of metrics, the best one as evaluation."""
    results: dict[str, Any] = search.cv_results_
    candidates = range(len(results["params"]))
    columns: dict[str, list[float]] = {}
    for name in results:
        part, _, metric = name.removeprefix("mean_").partition("_")
        if name.startswith("mean_") and part in {"test", "train"}:
            column = metric if part == "train" else f"val_{metric}"
            columns[column] = [_at(results, name, number) for number in candidates]
    write_run_metadata("metrics", columns)
    best = getattr(search, "best_index_", None)
    facts: dict[str, Any] = {
        "samples": length(samples),
        "search": type(search).__name__,
        "candidates": len(candidates),
        "scoring": attempt(lambda: _scoring(search)),
        "model": str(search.estimator),
    }
    if best is not None:
        write_run_metadata("evaluation", _evaluation(results, int(best)))
        facts["model"] = _model(search.estimator, results["params"][best])
        facts["best_params"] = str(results["params"][best])
    write_run_metadata("properties", {name: fact for name, fact in facts.items() if fact is not None})


def _flag(value: Any) -> Any:
    """A parameter as a flag: numbers and texts as they are, estimators and functions by their text."""
    value = as_plain(
        value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value
    )
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _scoring(search: Any) -> str:
    scorers: Any = search.scorer_
    return ", ".join(scorers) if isinstance(scorers, dict) else str(search.scoring or "score")  # pyright: ignore[reportUnknownArgumentType]


def _model(estimator: Any, params: dict[str, Any]) -> str:
    from sklearn.base import clone  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

    cloned: Any = attempt(lambda: clone(estimator))  # pyright: ignore[reportUnknownLambdaType]
    copied = attempt(lambda: cloned.set_params(**params))
    return str(estimator if copied is None else copied)


def _evaluation(results: dict[str, Any], number: int) -> dict[str, float]:
    """The numbers of a candidate but for those of the splits: `mean_test_score` as `score`, and so on."""
    found: dict[str, float] = {}
    for name in results:
        if name == "params" or name.startswith(("param_", "split")):
            continue
        short = (
            name.removeprefix("mean_test_") if name.startswith("mean_test_") else name.replace("_test_", "_")
        )
        found[short] = _at(results, name, number)
    return found


def _metrics(results: dict[str, Any], number: int) -> dict[str, list[float]]:
    """The scores of each split: `split0_test_score` as `val_score`, `split0_train_score` as `score`."""
    columns: dict[str, list[float]] = {}
    split = 0
    while found := [name for name in results if name.startswith(f"split{split}_")]:
        for name in found:
            part, _, metric = name.removeprefix(f"split{split}_").partition("_")
            columns.setdefault(metric if part == "train" else f"val_{metric}", []).append(
                _at(results, name, number)
            )
        split += 1
    return columns


def _at(results: dict[str, Any], name: str, number: int) -> float:
    return float(results[name][number]) if name in results else 0.0
