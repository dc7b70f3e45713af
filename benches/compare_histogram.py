"""Histograms of large arrays on one core, beside numpy, tensorboardX and TensorBoard.

All make 30 equal buckets, but for tensorboardX, whose default is 1548 buckets growing by a tenth. Figures
are medians of several calls in one process, without the making of the array.
"""

from collections.abc import Iterator

from _measure import median_child
from _table import Row, show

# `prepare` defines call(x). Milliseconds a call.
CALL = """
import json, statistics, sys, time
import numpy as np
x = {array}
{prepare}
def once():
    start = time.perf_counter()
    call(x)
    return (time.perf_counter() - start) * 1000
once()
print(json.dumps({{"ms": statistics.median(once() for _ in range(int(sys.argv[1])))}}))
"""

OURS = """
import tfruns_rs as tfr
def call(x): tfr.summary_histogram(x)
"""

PEERS = {
    "numpy.histogram": "def call(x): np.histogram(x, bins=30)",
    "tensorboardX": """
from tensorboardX.summary import histogram
from tensorboardX.writer import SummaryWriter
bins = SummaryWriter(write_to_disk=False).default_bins
def call(x): histogram("h", x, bins)
""",
    "TensorBoard": """
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
def call(x): histogram_pb("h", x, 30)
""",
}

ARRAYS = (
    (
        "1 M float32, normal",
        "np.random.default_rng(0).standard_normal(1_000_000, np.float32)",
        15,
        "9 x; stretch 12 x",
    ),
    ("1 M float32, all equal", "np.full(1_000_000, 0.5, np.float32)", 15, ""),
    ("1 M float64, normal", "np.random.default_rng(0).standard_normal(1_000_000)", 15, ""),
)
LARGE = "np.random.default_rng(0).standard_normal(100_000_000, np.float32)"


def rows() -> Iterator[Row]:
    """The comparisons, in the order of the table."""
    for work, array, calls, goal in ARRAYS:
        ours = median_child(CALL.format(array=array, prepare=OURS), str(calls))["ms"]
        for peer, prepare in PEERS.items():
            theirs = median_child(CALL.format(array=array, prepare=prepare), str(calls), repeats=3)["ms"]
            yield Row(
                f"histogram, {work}", "ms", ours, peer, theirs, goal if peer.startswith("numpy") else ""
            )
    ours = median_child(CALL.format(array=LARGE, prepare=OURS), "3", repeats=1)["ms"]
    theirs = median_child(CALL.format(array=LARGE, prepare=PEERS["numpy.histogram"]), "1", repeats=1)["ms"]
    yield Row("histogram, 100 M float32, normal", "ms", ours, "numpy.histogram", theirs)


if __name__ == "__main__":
    show("Histograms", rows())
