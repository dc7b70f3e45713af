"""Every comparison with the peers, as one table. What only Rust sees is measured by `cargo bench`."""

import importlib
import sys
from pathlib import Path

from _table import Row, show


def main(wanted: list[str]) -> None:
    """Measure all comparisons of this directory, or those that are named (`read`, `write`, …)."""
    names = [path.stem for path in sorted(Path(__file__).parent.glob("compare_*.py"))]
    names = [
        name for name in [*names, "import_cost"] if not wanted or name.removeprefix("compare_") in wanted
    ]
    rows: list[Row] = []
    for name in names:
        print(f"measuring {name} …", file=sys.stderr)
        rows += importlib.import_module(name).rows()
    show("Beside the peers, in one run on this machine", rows)


if __name__ == "__main__":
    main(sys.argv[1:])
