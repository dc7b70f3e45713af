"""Log at full rate for as long as you like, and watch the memory: `python benches/soak_write.py [seconds]`.

The disk is bounded as well: at a gigabyte the events go on in the next directory, and what is in the last
one is counted, by a process of its own, and removed. Memory is flat when the last line shows what the first
showed.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tfruns_rs as tfr
from _measure import CACHE

LINES = 20
COUNT = """
import sys
import tfruns_rs as tfr
frame = tfr.collect_events(sys.argv[1], type="scalar")
assert (frame["step"].diff().drop_nulls() == 1).all()
print(frame.height)
"""


def resident_megabytes() -> float:
    """What this process holds in memory now."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


class Stretch:
    """One directory of the soak, up to its gigabyte."""

    def __init__(self, first: int, *, shared: bool) -> None:
        """Begin to log at step `first`."""
        self._directory = tempfile.TemporaryDirectory(dir=CACHE)
        self.writer = tfr.EventWriter(self._directory.name, shared=shared)
        self._first = first

    def end(self, logged: int) -> None:
        """Close it, and see that all is there."""
        self.writer.close()
        counting = subprocess.run(
            [sys.executable, "-c", COUNT, self._directory.name], check=True, stdout=subprocess.PIPE
        )
        assert int(counting.stdout) == logged - self._first, (counting.stdout, logged - self._first)
        self._directory.cleanup()


def main() -> None:
    """Log, print a line every twentieth of the time, and count what is in the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("seconds", type=float, nargs="?", default=600.0, help="how long to log")
    parser.add_argument("--megabytes", type=int, default=1000, help="what a directory may hold")
    parser.add_argument("--shared", action="store_true", help="as a sharer writes")
    options = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    logged, spent, line = 0, 0.0, 1
    stretch = Stretch(0, shared=options.shared)
    while spent < options.seconds:
        start = time.monotonic()
        add = stretch.writer.add_scalar
        for _ in range(100_000):
            add("loss", 0.1, logged)
            logged += 1
        spent += time.monotonic() - start
        if spent >= options.seconds * line / LINES:
            line += 1
            print(
                f"{logged:>13,} scalars {logged / spent:>11,.0f}/s {resident_megabytes():8.1f} MB", flush=True
            )
        if stretch.writer.stats()["bytes"] > options.megabytes * 1_000_000:
            stretch.end(logged)
            stretch = Stretch(logged, shared=options.shared)
    stretch.end(logged)
    print(f"all {logged:,} found in the files")


if __name__ == "__main__":
    main()
