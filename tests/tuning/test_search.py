import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tfruns_rs import ls_runs, ls_sweeps, tuning_run
from tfruns_rs.errors import FlagsError

optuna = pytest.importorskip("optuna")
FLOAT = optuna.distributions.FloatDistribution


def branin(x, y):
    """Branin's function on [-5, 10] x [0, 15]; its least value is 0.397887."""
    return (
        (y - 5.1 / 39.4784 * x * x + 5 / 3.14159265 * x - 6) ** 2 + 10 * (1 - 1 / 25.1327412) * _cos(x) + 10
    )


def _cos(x):
    import math

    return math.cos(x)


SPACE = {"x": FLOAT(-5, 10), "y": FLOAT(0, 15)}


def test_random_draws_by_seed_wherever_it_goes_on():
    space = {
        "lr": FLOAT(1e-5, 1e-1, log=True),
        "units": range(16, 64),
        "act": ["relu", "tanh"],
        "wd": lambda g: g.random(),
    }

    def objective(lr, units, act, wd):
        assert 1e-5 <= lr <= 1e-1
        assert units in range(16, 64)
        assert act in {"relu", "tanh"}
        return wd

    def draws(**more):
        runs = tuning_run(objective, flags=space, search="random", seed=3, echo=False, **more)
        return runs.sort("start").select("flag_lr", "flag_units", "flag_act", "flag_wd").rows()

    eight = draws(max_runs=8)
    assert len(set(eight)) == 8
    assert draws(max_runs=5) == eight[:5]
    assert statistics.median(row[0] for row in draws(max_runs=41)) < 1e-2, "uniform in the logarithm"


def test_a_search_goes_on_where_it_was():
    seen = []

    def objective(x, y):
        seen.append(x)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return branin(x, y)

    asked = {"flags": SPACE, "max_runs": 8, "metric": "value", "seed": 1, "echo": False, "resume": True}
    with pytest.raises(KeyboardInterrupt):
        tuning_run(objective, search=optuna.samplers.TPESampler(seed=1), **asked)
    assert ls_sweeps()["total"].to_list() == [8]
    runs = tuning_run(objective, search=optuna.samplers.TPESampler(seed=2), **asked)
    assert runs.height == 8
    assert runs["status"].unique().to_list() == ["completed"]
    assert seen[3] == seen[4], "the interrupted one runs again"
    assert len(seen) == 9
    (row,) = ls_sweeps().rows(named=True)
    assert (row["search"], row["status"]) == ("TPESampler", "finished")
    assert row["best"] == runs["eval_value"].min()


def test_optuna_finds_a_better_point_than_random():
    """One seed here; the median over twenty is measured by `benches/compare_search.py`."""

    def best(search, seed):
        runs = tuning_run(
            branin,
            flags=SPACE,
            search=search,
            max_runs=30,
            metric="value",
            seed=seed,
            echo=False,
            artifacts_dir=None,
        )
        return runs["eval_value"].min()

    guided = [best(optuna.samplers.TPESampler(seed=seed, n_startup_trials=8), seed) for seed in range(3)]
    assert statistics.median(guided) < statistics.median(best("random", seed) for seed in range(3))


def test_failures_and_missing_metrics_reach_the_search():
    def sometimes(x):
        if x > 5:
            raise ValueError("too much")
        return x

    sampler = optuna.samplers.RandomSampler(seed=0)
    runs = tuning_run(
        sometimes,
        flags={"x": FLOAT(0, 10)},
        search=sampler,
        max_runs=6,
        metric="value",
        on_error="continue",
        echo=False,
    )
    assert runs.height == 6
    assert {"failed", "completed"} == set(runs["status"])
    with pytest.raises(ValueError, match="has no metric 'loss'; it has value"):
        tuning_run(sometimes, flags={"x": FLOAT(0, 1)}, search=sampler, max_runs=2, metric="loss", echo=False)


PRUNED = """
import time
from tfruns_rs import flag_numeric, flags, log_event, flush
F = flags(flag_numeric("x", 0))
for step in range(1, 200):
    log_event(train={"loss": F.x + 1 / step}, step=step)
    flush()
    if F.x < 5:
        if step == 20:
            break
    else:
        time.sleep(0.1)
"""


def test_a_run_is_pruned_by_the_metrics_it_logs():
    Path("train.py").write_text(PRUNED)
    runs = tuning_run(
        "train.py",
        flags={"x": [1, 2, 3, 50]},
        search=optuna.samplers.GridSampler({"x": [1, 2, 3, 50]}, seed=0),
        pruner=optuna.pruners.ThresholdPruner(upper=20, n_warmup_steps=3),
        metric="loss",
        max_runs=4,
        on_error="continue",
    )
    assert runs.sort("flag_x")["status"].to_list() == ["completed"] * 3 + ["failed"]
    (pruned,) = runs.filter(runs["flag_x"] == 50).rows(named=True)
    assert "by ThresholdPruner" in pruned["error_message"]
    assert 3 <= pruned["steps_completed"] < 199
    (row,) = ls_sweeps().rows(named=True)
    assert (row["pruned"], row["failed"], row["status"]) == (1, 0, "finished")
    again = tuning_run(
        "train.py",
        flags={"x": [1, 2, 3, 50]},
        search=optuna.samplers.GridSampler({"x": [1, 2, 3, 50]}, seed=0),
        metric="loss",
        max_runs=4,
        resume=True,
    )
    assert again.height == ls_runs().height == 4, "a pruned combination is finished"


def test_bad_searches_say_so():
    with pytest.raises(ValueError, match="max_runs"):
        tuning_run(branin, flags=SPACE, search="random")
    with pytest.raises(ValueError, match="needs metric"):
        tuning_run(branin, flags=SPACE, search=optuna.samplers.TPESampler(), max_runs=3)
    with pytest.raises(ValueError, match='"grid", "random" or a sampler'):
        tuning_run(branin, flags=SPACE, search="bayes", max_runs=3)
    with pytest.raises(ValueError, match="needs workers"), ThreadPoolExecutor(1) as threads:
        tuning_run(branin, search=optuna.samplers.TPESampler(), executor=threads)
    with pytest.raises(TypeError, match="sampler of Optuna"):
        tuning_run(branin, flags=SPACE, search=object(), max_runs=3, metric="value")
    with pytest.raises(FlagsError, match="mapping"):
        tuning_run(branin, flags=[1], search="random", max_runs=3)
    with pytest.raises(FlagsError, match="Optuna can't search"):
        tuning_run(
            branin, flags={"x": lambda g: g}, search=optuna.samplers.TPESampler(), max_runs=3, metric="value"
        )
    assert ls_runs().height == 0
