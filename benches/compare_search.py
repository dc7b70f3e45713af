"""Random search against Optuna's TPE through `tuning_run`: the same budget, the median over many seeds.

    python benches/compare_search.py [--seeds 20] [--budget 40]

The function is Branin's, on x in [-5, 10] and y in [0, 15], whose least value is 0.397887 (Dixon and Szegö,
1978; <https://www.sfu.ca/~ssurjano/branin.html>). What is printed is the best value found, less that.
"""

import argparse
import contextlib
import io
import math
import statistics
import sys
import tempfile
from collections.abc import Iterator

import optuna

from _table import Row
from tfruns_rs import tuning_run

LEAST = 0.397887
SPACE = {
    "x": optuna.distributions.FloatDistribution(-5, 10),
    "y": optuna.distributions.FloatDistribution(0, 15),
}


def branin(x, y):
    b, c, t = 5.1 / (4 * math.pi**2), 5 / math.pi, 1 / (8 * math.pi)
    return (y - b * x * x + c * x - 6) ** 2 + 10 * (1 - t) * math.cos(x) + 10


def regret(search, seed, budget):
    with tempfile.TemporaryDirectory() as runs_dir, contextlib.redirect_stderr(io.StringIO()):
        runs = tuning_run(
            branin,
            flags=SPACE,
            search=search,
            seed=seed,
            max_runs=budget,
            metric="value",
            runs_dir=runs_dir,
            artifacts_dir=None,
            echo=False,
            progress=False,
        )
    assert runs.height == budget
    return runs["eval_value"].min() - LEAST


def medians(seeds: int, budget: int) -> tuple[dict[str, float], int]:
    """How far the searches stay from the least value, and in how many seeds TPE is nearer."""
    found: dict[str, list[float]] = {"random": [], "TPE": []}
    for seed in range(seeds):
        found["random"].append(regret("random", seed, budget))
        found["TPE"].append(regret(optuna.samplers.TPESampler(seed=seed), seed, budget))
        sys.stderr.write(f"seed {seed}: " + ", ".join(f"{n} {v[-1]:.3g}" for n, v in found.items()) + "\n")
    nearer = sum(tpe < random for random, tpe in zip(found["random"], found["TPE"], strict=True))
    return {name: statistics.median(values) for name, values in found.items()}, nearer


def rows() -> Iterator[Row]:
    """The comparison, for the table of all of them."""
    found, nearer = medians(20, 40)
    note = f"medians of 20 seeds; nearer in {nearer}"
    yield Row(
        "Optuna's TPE on Branin, 40 runs",
        "above least",
        found["TPE"],
        "random",
        found["random"],
        "> 1 x",
        note,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--budget", type=int, default=40)
    asked = parser.parse_args()
    found, nearer = medians(asked.seeds, asked.budget)
    print(f"median distance from the least value, {asked.budget} runs, {asked.seeds} seeds: {found}")
    print(f"TPE is nearer in {nearer} of {asked.seeds} seeds; medians {found['random'] / found['TPE']:.1f}x")


if __name__ == "__main__":
    main()
