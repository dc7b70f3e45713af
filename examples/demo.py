"""What `make demo` runs: train, log, list, read back, and say where to look."""

import argparse
import subprocess
import sys
from pathlib import Path

import polars as pl

import tfruns_rs as tfr


def main() -> None:
    """Run the training script, then show what it left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="train for 3 epochs only")
    args = parser.parse_args()

    script = Path(__file__).with_name("train_digits.py")
    epochs = 3 if args.quick else 20
    subprocess.run([sys.executable, script, f"--epochs={epochs}"], check=True)

    scalars = tfr.collect_events("logs", type="scalar")
    last = scalars.group_by("run", "tag", maintain_order=True).agg(pl.col("step", "value").last())
    print(f"\n{scalars.height} scalars were logged; the last of each:\n{last}")
    print("\nLook at them in TensorBoard:\n  .venv/bin/tensorboard --logdir logs")


if __name__ == "__main__":
    main()
