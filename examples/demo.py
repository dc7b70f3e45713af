"""What `make demo` runs: train, list the runs, read the events back, and say where to look."""

import argparse
from pathlib import Path

import polars as pl

import tfruns_rs as tfr


def main() -> None:
    """Run the training script twice, then show what it left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="train for 3 epochs only")
    args = parser.parse_args()

    script = Path(__file__).with_name("train_digits.py")
    for learning_rate in (0.0005, 0.005):
        flags = {"epochs": 3 if args.quick else 20, "learning_rate": learning_rate}
        tfr.training_run(script, flags=flags, artifacts_dir=None)

    runs = tfr.ls_runs(latest_n=2)
    metrics = [name for name in runs.columns if name.startswith("metric_")]
    print("\nThe runs, newest first (tfr.ls_runs()):")
    print(runs.select("run_dir", "status", "flag_learning_rate", *metrics))

    latest = Path(runs["run_dir"][0])
    scalars = tfr.collect_events(latest / "logs", type="scalar")
    last = scalars.group_by("run", "tag", maintain_order=True).agg(pl.col("step", "value").last())
    print(f"\nThe last of each series of the {scalars.height} scalars it logged (tfr.collect_events()):")
    print(last)
    print("\nWhere to look:")
    print("  .venv/bin/tensorboard --logdir runs    # every run's curves")
    print(f"  {latest}    # the record of the latest run")


if __name__ == "__main__":
    main()
