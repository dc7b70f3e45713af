"""What the command `tfruns` costs to start, in fresh processes."""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from _measure import pinned
from _table import Row, show

REPEATS = 11
MANY_RUNS = 10_000
TFRUNS = [sys.executable, "-m", "tfruns_rs.cli"]


def milliseconds(command: list[str], directory: str) -> float:
    """CPU time of a fresh process: the median of several."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, cwd=directory, stdout=subprocess.DEVNULL, preexec_fn=pinned(1))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000

    once()
    return statistics.median(once() for _ in range(REPEATS))


def make_runs(stop: int, start: int = 0) -> None:
    """Ended runs with a flag and a metric, below `runs`."""
    for index in range(start, stop):
        meta = Path(f"runs/run-{index:05}/tfruns.d")
        (meta / "properties").mkdir(parents=True)
        (meta / "flags.json").write_text(f'{{"rate": {index}}}\n')
        (meta / "metrics.json").write_text(f'{{"loss": [{index + 1}, {index}]}}\n')
        began = 1_700_000_000 + index
        facts = {"type": "training", "start": began, "end": began + 9, "completed": "TRUE"}
        for name, value in facts.items():
            (meta / "properties" / name).write_text(f"{value}\n")


def rows() -> Iterator[Row]:
    """Help, a short list, and a list of many runs."""
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        try:
            bare = milliseconds([sys.executable, "-c", "pass"], directory)
            click = milliseconds([sys.executable, "-c", "import click"], directory)
            polars = milliseconds([sys.executable, "-c", "import polars"], directory)
            ours = milliseconds([*TFRUNS, "--help"], directory)
            yield Row(
                "tfruns --help, over bare Python", "CPU ms", ours - bare, "import click", click - bare, "", ""
            )
            make_runs(10)
            ours = milliseconds([*TFRUNS, "ls"], directory)
            yield Row("tfruns ls, 10 runs", "CPU ms", ours, "import polars", polars, "", "all of the process")
            make_runs(MANY_RUNS, 10)
            ours = milliseconds([*TFRUNS, "ls", "-n", "50"], directory)
            yield Row("tfruns ls -n 50 of 10,000 runs", "CPU ms", ours, "import polars", polars, "", "")
            ours = milliseconds([*TFRUNS, "ls", "--names"], directory)
            yield Row("tfruns ls --names, 10,000 runs", "CPU ms", ours, "import polars", polars, "", "")
        finally:
            os.chdir(home)


if __name__ == "__main__":
    show("The command", rows())
