"""What `import tfruns_rs` adds to a bare interpreter. A script that only logs pays for no Polars."""

import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator

from _measure import pinned
from _table import Row, show

REPEATS = 21
HEAVY = ("polars", "numpy", "yaml", "rich", "click")


def milliseconds(code: str) -> float:
    """CPU time of a fresh interpreter that runs this code: the median of many."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True, preexec_fn=pinned(1))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000

    once()
    return statistics.median(once() for _ in range(REPEATS))


def rows() -> Iterator[Row]:
    """One figure of ours."""
    loaded = f"import sys, tfruns_rs; assert not (found := {{*{HEAVY!r}}} & {{*sys.modules}}), found"
    subprocess.run([sys.executable, "-c", loaded], check=True)
    bare, ours = milliseconds("pass"), milliseconds("import tfruns_rs")
    peer = milliseconds("import tensorboardX") - bare
    yield Row(
        "import, over a bare interpreter",
        "CPU ms",
        ours - bare,
        "tensorboardX",
        peer,
        "30",
        "no Polars, no numpy",
    )


if __name__ == "__main__":
    show("Importing", rows())
