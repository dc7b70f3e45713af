"""What recording a run adds to running the script, and how fast run directories are made."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import tfruns_rs as tfr
from _table import Row, show

REPEATS = 15
DIRECTORIES = 2000


def rows() -> Iterator[Row]:
    """The comparisons, in the order of the table."""
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory, "train.py")
        script.write_text("print(1)\n", encoding="utf-8")
        runs_dir = f"{directory}/runs"

        def alone() -> None:
            subprocess.run([sys.executable, "-u", script], check=True, stdout=subprocess.DEVNULL)

        def recorded() -> None:
            tfr.training_run(script, runs_dir=runs_dir, artifacts_dir=directory, echo=False, view=False)

        taken: dict[Callable[[], None], list[float]] = {alone: [], recorded: []}
        for _ in range(REPEATS + 1):
            for run, seconds in taken.items():
                began = time.perf_counter()
                run()
                seconds.append(time.perf_counter() - began)
        theirs, ours = (statistics.median(seconds[1:]) * 1e3 for seconds in taken.values())
        yield Row(
            "training_run of a script that prints", "ms", ours, "python -u script", theirs, "150 ms more"
        )

        began = time.perf_counter()
        for _ in range(DIRECTORIES):
            tfr.unique_run_dir(runs_dir)
        yield Row("making run directories", "/s", DIRECTORIES / (time.perf_counter() - began), goal="500")


if __name__ == "__main__":
    show("Recording", rows())
