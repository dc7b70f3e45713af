"""Log at full rate for as long as you like, and watch the memory: `python benches/soak_write.py [seconds]`.

The events go to one file, which is counted and removed at the end. Memory is flat when the last line shows
what the first showed.
"""

import sys
import tempfile
import time
from pathlib import Path

import tfruns_rs as tfr
from _measure import CACHE

LINES = 20


def resident_megabytes() -> float:
    """What this process holds in memory now."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def main(seconds: float) -> None:
    """Log for `seconds`, print a line every twentieth of them, and count what is in the file."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as logdir:
        logged, start = 0, time.monotonic()
        with tfr.EventWriter(logdir) as writer:
            for line in range(1, LINES + 1):
                while time.monotonic() < start + seconds * line / LINES:
                    for _ in range(10_000):
                        writer.add_scalar("loss", 0.1, logged)
                        logged += 1
                rate = logged / (time.monotonic() - start)
                print(f"{logged:>13,} scalars  {rate:>11,.0f}/s  {resident_megabytes():8.1f} MB", flush=True)
        frame = tfr.collect_events(logdir, type="scalar", columns=["step"])
        assert frame.height == logged, (frame.height, logged)
        print(f"all {logged:,} found in the file")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 600.0)
