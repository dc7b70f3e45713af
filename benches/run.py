"""Every comparison with the peers, as one table. What only Rust sees is measured by `cargo bench`."""

import importlib
import subprocess
import sys
from pathlib import Path

from _table import Row, show


def main(wanted: list[str]) -> int:
    """Measure all comparisons of this directory, or those that are named (`read`, `write`, …).

    One that fails costs its remaining rows, not the table; the exit code tells.
    """
    names = [path.stem for path in sorted(Path(__file__).parent.glob("compare_*.py"))]
    names = [
        name for name in [*names, "import_cost"] if not wanted or name.removeprefix("compare_") in wanted
    ]
    rows: list[Row] = []
    failed = 0
    for name in names:
        print(f"measuring {name} …", file=sys.stderr)
        try:
            rows.extend(importlib.import_module(name).rows())
        except (AssertionError, subprocess.CalledProcessError) as error:
            print(f"{name} stopped: {error}", file=sys.stderr)
            failed += 1
    show("Beside the peers, in one run on this machine", rows)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
