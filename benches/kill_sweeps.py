"""Several processes work on one sweep and are killed at random; counts completed runs by combination.

    python benches/kill_sweeps.py [--combinations 60] [--processes 4] [--kills 40] [--seed 0]

Ends with an error unless each combination has exactly one completed run. A run is a function that takes some
milliseconds, so that kills land in every part of it: making directories, claiming, recording, committing.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import polars as pl

from tfruns_rs import ls_runs, tuning_run
from tfruns_rs.tuning._combinations import combinations
from tfruns_rs.tuning._sweep import find_sweep, is_finished

WORKER = """
import sys, time
sys.path.insert(0, sys.argv[3])
from kill_sweeps import objective
from tfruns_rs import tuning_run
tuning_run(objective, runs_dir=sys.argv[1], resume=sys.argv[2], echo=False, progress=False)
"""


def objective(x, seed):
    """Takes a while."""
    time.sleep(random.random() * 0.2)  # noqa: S311
    return x * seed


def begun(runs_dir, count):
    """Make a sweep of `count` combinations without running any: its first run stops it."""
    flags = {"x": [1.5, 2.5], "seed": list(range(count // 2))}

    def stop():
        raise KeyboardInterrupt

    stop.__qualname__ = "objective"
    with suppress(KeyboardInterrupt):
        tuning_run(stop, flags=flags, runs_dir=runs_dir, echo=False, progress=False)
    (sweep,) = (path.name for path in Path(runs_dir, ".sweeps").iterdir())
    return sweep, combinations(flags)[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--combinations", type=int, default=200)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    dice = random.Random(asked.seed)  # noqa: S311
    with tempfile.TemporaryDirectory() as runs_dir:
        sweep, rows = begun(runs_dir, asked.combinations)
        command = [sys.executable, "-c", WORKER, runs_dir, sweep, str(Path(__file__).parent)]

        def worker():
            return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        working = [worker() for _ in range(asked.processes)]
        kills = 0
        deadline = time.monotonic() + 600
        try:
            while not is_finished(find_sweep(runs_dir, sweep)) or any(one.poll() is None for one in working):
                assert time.monotonic() < deadline, "the sweep does not end"
                time.sleep(0.2 + dice.random())
                index = dice.randrange(len(working))
                if kills < asked.kills and working[index].poll() is None:
                    working[index].send_signal(signal.SIGKILL)
                    kills += 1
                if working[index].poll() is not None and not is_finished(find_sweep(runs_dir, sweep)):
                    working[index] = worker()
            last = tuning_run(
                objective, runs_dir=runs_dir, resume=sweep, echo=False, progress=False, confirm=False
            )
        finally:
            for one in working:
                one.kill()
                one.wait()
        runs = ls_runs(runs_dir=runs_dir)
        completed = runs.filter(pl.col("completed") & (pl.col("sweep") == sweep))
        counted = completed.group_by("flag_x", "flag_seed").len()
        print(f"{len(rows)} combinations, {kills} kills, {runs.height} runs:", end=" ")
        print(dict(runs["status"].value_counts().iter_rows()))
        assert counted.height == len(rows), "combinations without a completed run"
        assert counted["len"].max() == 1, "combinations with several completed runs"
        assert last.height == len(rows)
        assert last["status"].unique().to_list() == ["completed"]
        assert (last["eval_value"] == last["flag_x"] * last["flag_seed"]).all()
        print("each has exactly one completed run")


if __name__ == "__main__":
    main()
