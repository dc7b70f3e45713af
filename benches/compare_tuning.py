"""A grid of 24 runs with two workers against one, on a script that only computes.

    python benches/compare_tuning.py [--runs 24] [--secs 2.0] [--rounds 1]

The script does a fixed amount of work that takes about `--secs` seconds of one core; BLAS is told to use one
thread. Printed are wall times, the CPU times of everything, and the speed of two workers over one. A machine
that does other things as well shows less: compare the CPU time with the wall time.
"""

import argparse
import contextlib
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from _table import Row
from tfruns_rs import tuning_run

SCRIPT = """
from tfruns_rs import flag_integer, flags, log_event
F = flags(flag_integer("loops", 1), flag_integer("seed", 0))
state = F.seed
for _ in range(F.loops):
    state = (state * 6364136223846793005 + 1442695040888963407) % 18446744073709551616
log_event(state=state / 2**64)
"""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def loops_in(secs):
    """How many loops take so long here."""
    count, state = 1_000_000, 1
    began = time.process_time()
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 18446744073709551616
    return int(count * secs / (time.process_time() - began))


def cpu():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def timed(workers, runs, loops):
    with tempfile.TemporaryDirectory() as directory, open(os.devnull, "w") as silence:  # noqa: PTH123
        script = Path(directory, "train.py")
        script.write_text(SCRIPT)
        began, used = time.perf_counter(), cpu()
        with contextlib.redirect_stderr(silence):
            frame = tuning_run(
                script,
                flags={"seed": list(range(runs)), "loops": [loops]},
                runs_dir=f"{directory}/runs",
                workers=workers,
                echo=False,
                progress=False,
                artifacts_dir=None,
                env=ONE_THREAD,
            )
        assert frame.height == runs
        assert frame["completed"].all()
        return time.perf_counter() - began, cpu() - used


def rows() -> Iterator[Row]:
    """The comparison, for the table of all of them."""
    loops = loops_in(0.5)
    one, two = timed(1, 24, loops)[0], timed(2, 24, loops)[0]
    yield Row(
        "24 runs that compute for 0.5 s, two workers", "s", two, "one worker", one, "1.7 x", "two cores"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=24)
    parser.add_argument("--secs", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=1)
    asked = parser.parse_args()
    loops = loops_in(asked.secs)
    ratios = []
    for _ in range(asked.rounds):
        (one, cpu_one), (two, cpu_two) = timed(1, asked.runs, loops), timed(2, asked.runs, loops)
        ratios.append(one / two)
        print(f"one worker {one:.1f} s (CPU {cpu_one:.1f} s), two {two:.1f} s (CPU {cpu_two:.1f} s)")
    print(
        f"{asked.runs} runs, load {os.getloadavg()[0]:.1f}: two workers {statistics.median(ratios):.2f}x one"
    )


if __name__ == "__main__":
    main()
