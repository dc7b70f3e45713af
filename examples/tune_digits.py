"""Tune the network of `train_digits.py`: a grid, two runs at a time, then Optuna with the same budget.

    python examples/tune_digits.py [--runs 6]

Stop it with Ctrl-C and start it again: it goes on where it was. Needs scikit-learn and `tfruns-rs[tune]`.
"""

import argparse
from pathlib import Path

import optuna

import tfruns_rs as tfr

SCRIPT = Path(__file__).with_name("train_digits.py")
SHOWN = ["flag_learning_rate", "flag_hidden_units", "metric_val_loss", "status"]


def main() -> None:
    """Run both searches and show the best three runs of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=6)
    asked = parser.parse_args()
    env = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    grid = tfr.tuning_run(
        SCRIPT,
        flags={"learning_rate": [0.001, 0.003, 0.01], "hidden_units": [16, 32], "epochs": 10},
        metric="val_loss",
        workers=2,
        resume=True,
        confirm=False,
        env=env,
    )
    guided = tfr.tuning_run(
        SCRIPT,
        flags={
            "learning_rate": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
            "hidden_units": range(8, 65, 8),
            "epochs": 10,
        },
        search=optuna.samplers.TPESampler(seed=1, n_startup_trials=3),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=2),
        metric="val_loss",
        max_runs=asked.runs,
        workers=2,
        resume=True,
        confirm=False,
        env=env,
    )
    for name, runs in (("grid", grid), ("Optuna", guided)):
        if runs is not None:
            print(name, runs.sort("metric_val_loss", nulls_last=True).select(SHOWN).head(3))
    print(tfr.ls_sweeps().select("sweep", "search", "total", "completed", "pruned", "best"))


if __name__ == "__main__":
    main()
