"""16 processes make 500 runs each at once: 8 000 directories, none shared, names sorted as created.

A script, not a test: `python tests/tfruns/stress_run_dirs.py [processes] [runs]`.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

MAKER = """
import sys, time
from tfruns_rs import unique_run_dir
lines = []
for _ in range(int(sys.argv[2])):
    name = unique_run_dir(sys.argv[1]).name
    lines.append(f"{time.clock_gettime_ns(time.CLOCK_MONOTONIC)} {name}")
print("\\n".join(lines))
"""


def main(processes: int = 16, runs: int = 500) -> None:
    """Makes the runs and checks them."""
    with tempfile.TemporaryDirectory() as root:
        began = time.perf_counter()
        makers = [
            subprocess.Popen(
                [sys.executable, "-c", MAKER, root, str(runs)], stdout=subprocess.PIPE, text=True
            )
            for _ in range(processes)
        ]
        made = [maker.communicate()[0].splitlines() for maker in makers]
        seconds = time.perf_counter() - began
        assert not any(maker.returncode for maker in makers)
        names = [line.split()[1] for lines in made for line in lines]
        found = sorted(path.name for path in Path(root).iterdir())
        assert sorted(names) == found
        assert len(set(names)) == processes * runs
        created = [(Path(root) / name).stat().st_ctime_ns for name in found]
        assert created == sorted(created), "names do not sort as created"
        sys.stdout.write(
            f"{len(found)} directories in {seconds:.1f} s, {len(found) / seconds:.0f} a second\n"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
