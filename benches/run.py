"""Every comparison with the peers, as one table. What only Rust sees is measured by `cargo bench`."""

import importlib
import subprocess
import sys
from pathlib import Path

from _figures import write_page
from _table import Row, show


def main(wanted: list[str]) -> int:
    """Measure all comparisons of this directory, or those that are named (`read`, `write`, …).

    One that fails costs its remaining rows, not the table; the exit code tells. When everything was measured,
    the page of figures in the documentation is written anew.
    """
    names = [path.stem for path in sorted(Path(__file__).parent.glob("compare_*.py"))]
    names = [
        name for name in [*names, "import_cost"] if not wanted or name.removeprefix("compare_") in wanted
    ]
    measured: dict[str, list[Row]] = {}
    failed = 0
    for name in names:
        print(f"measuring {name} …", file=sys.stderr)
        module = importlib.import_module(name)
        if not hasattr(module, "rows"):  # a count, with a table of its own
            continue
        rows = measured.setdefault((module.__doc__ or name).splitlines()[0].rstrip("."), [])
        try:
            rows.extend(module.rows())
        except (AssertionError, subprocess.CalledProcessError) as error:
            print(f"{name} stopped: {error}", file=sys.stderr)
            failed += 1
    show("Beside the peers, in one run on this machine", [row for rows in measured.values() for row in rows])
    if not wanted and not failed:
        write_page(measured)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
