"""Eight processes on one file, half of them killed, again and again: nothing flushed is lost, nothing torn.

Each round takes one way to start processes (fork, spawn, independent starts), with the default settings of
the writer. TensorBoard's Rust data server follows the file while it happens, and in the first rounds its
Python loader as well. Then both, and ours, must have every point once.

Goes on until the wanted number of kills has hit inside a write: it left a batch that another process had to
complete. Large texts between the scalars make for longer writes; in the rounds of the Python loader there are
none, for it takes minutes for a million points and a second for six megabytes.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import tfruns_rs as tfr
from _measure import CACHE
from interop.data_server import DataServer
from interop.python_loader import Accumulators
from tfevents import sharers

METHODS = ["fork", "spawn", "independent"]


def play(logdir: str, method: str, seed: int, options: argparse.Namespace, *, python_loader: bool) -> dict:
    """One round: what the processes said, and `wrong`, what is not as it should be."""
    blob = 0 if python_loader else options.blob
    settings = {"rounds": 1, "count": options.count, "seed": seed, "blob": blob, "methods": method}
    arguments = [f"--{name}={value}" for name, value in settings.items()]
    driver = subprocess.Popen(
        [sys.executable, sharers.__file__, logdir, *arguments], stdout=subprocess.PIPE, text=True
    )
    while not any(Path(logdir).glob("*tfevents*")):
        time.sleep(0.01)
    accumulators = Accumulators(logdir) if python_loader else None
    with DataServer(logdir, reload=1) as server:
        while driver.poll() is None:
            if accumulators:
                accumulators.accumulators()
            time.sleep(0.1)
        report = json.load(driver.stdout)
        events = tfr.collect_events(logdir, type="scalar")
        ours = events.select("tag", "step", "value").rows()
        served = server.wait_until(lambda found: len(found) >= len(ours))
        wrong = sharers.check(report, ours) + server.complaints
        alone = [run for run in events["run"].unique() if run != "."]
        if alone:
            wrong.append(f"waited for the lock in vain and went on alone: {alone}")
    ours.sort()
    if sorted((point.tag, point.step, point.value) for point in served) != ours:
        wrong.append("the data server has other points than we")
    if accumulators:
        loaded = sorted((point.tag, point.step, point.value) for point in accumulators.reload())
        if loaded != ours:
            wrong.append(f"the Python loader has {len(loaded)} points, we have {len(ours)}")
    return report | {"points": len(ours), "wrong": wrong}


def main() -> None:
    """Play rounds until enough kills have hit inside a write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--hits", type=int, default=20, help="how many torn or missing batches to see completed"
    )
    parser.add_argument("--count", type=int, default=200_000, help="scalars a process")
    parser.add_argument("--blob", type=int, default=8 << 20, help="bytes of a text before each flush")
    parser.add_argument("--python-loader", type=int, default=3, help="the rounds that it follows")
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=METHODS, help="ways to start, in turn"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    hits, kills, points = 0, 0, 0
    for turn, method in enumerate(itertools.cycle(options.methods)):
        with tempfile.TemporaryDirectory(dir=CACHE) as logdir:
            follows = turn < options.python_loader
            report = play(logdir, method, options.seed + turn, options, python_loader=follows)
        hits, kills = hits + report["completed"], kills + len(report["killed"])
        points += report["points"]
        loaders = "both loaders" if follows else "data server"
        print(
            f"{method:>12}: {report['points']:>9,} points, {loaders}; in all {points:,} points, "
            f"{kills} kills, {hits} of them inside a write; wrong: {report['wrong']}",
            flush=True,
        )
        if report["wrong"]:
            sys.exit(1)
        if turn >= len(options.methods) - 1 and hits >= options.hits:
            break


if __name__ == "__main__":
    main()
