"""Eight processes on one file, half of them killed, again and again: nothing flushed is lost, nothing torn.

Goes on until the wanted number of kills has left a batch that another process had to complete, and checks
what TensorBoard's data server then reads.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from interop.data_server import DataServer
from tfevents import sharers


def main() -> None:
    """Run until enough kills have hit inside a write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--hits", type=int, default=20, help="how many torn or missing batches to see completed"
    )
    parser.add_argument("--count", type=int, default=200_000, help="scalars a process")
    parser.add_argument("--blob", type=int, default=1 << 20, help="bytes of a text before each flush")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    hits, kills, seed = 0, 0, options.seed
    while hits < options.hits:
        with tempfile.TemporaryDirectory() as logdir:
            report = sharers.run(
                logdir,
                methods=["fork", "spawn", "independent"],
                rounds=3,
                count=options.count,
                processes=8,
                kills=4,
                seed=seed,
                blob=options.blob,
            )
            with DataServer(logdir) as server:
                served = sorted((point.step, point.tag, point.value) for point in server.scalars())
                complaints = server.complaints
            wrong = sharers.check(report, [(tag, step, value) for step, tag, value in served]) + complaints
        hits, kills, seed = hits + report["completed"], kills + len(report["killed"]), seed + 1
        print(f"{kills} kills, {hits} batches completed, {len(served)} points, wrong: {wrong}", flush=True)
        if wrong:
            sys.exit(1)


if __name__ == "__main__":
    main()
