"""What logging costs the training loop, beside tensorboardX and TensorBoard's own writer, the one torch uses.

Every call is timed by itself, less the cost of timing nothing. The median is what an unhindered call costs,
the mean is what a loop at full speed pays. What was logged is counted in the file afterwards.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from _measure import CACHE, median_child
from _table import Row, show

CALLS = 200_000
PEER_CALLS = 20_000

# `prepare` defines call(i) and close(); `logdir` and `n` are given. Figures in microseconds a call.
EACH_CALL = """
import gc, json, statistics, sys, time
from time import perf_counter_ns as clock
logdir, n = sys.argv[1], int(sys.argv[2])
{prepare}
def nothing(i): pass
def timed(call, n):
    spent = [0] * n
    for i in range(n):
        start = clock()
        call(i)
        spent[i] = clock() - start
    return sorted(spent)
gc.disable()
base = statistics.median(timed(nothing, 20_000))
spent = timed(call, n)
close()
def at(share): return (spent[int(share * (n - 1))] - base) / 1000
print(json.dumps({{"median": at(0.5), "p99.9": at(0.999), "mean": (sum(spent) / n - base) / 1000}}))
"""

ADD_SCALAR = """
import tfruns_rs as tfr
writer = tfr.EventWriter(logdir)
add = writer.add_scalar
def call(i): add("loss", 0.1, i)
close = writer.close
"""

ADD_NUMPY_SCALAR = """
import numpy as np
import tfruns_rs as tfr
writer = tfr.EventWriter(logdir)
add, x = writer.add_scalar, np.float32(0.1)
def call(i): add("loss", x, i)
close = writer.close
"""

LOG_EVENT = """
import tfruns_rs as tfr
tfr.set_default_logdir(logdir)
log = tfr.log_event
def call(i): log(loss=0.1)
close = tfr.flush
"""

TENSORBOARDX = """
from tensorboardX import SummaryWriter
writer = SummaryWriter(logdir)
add = writer.add_scalar
def call(i): add("loss", 0.1, i)
close = writer.close
"""

TENSORBOARD = """
import time
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter
writer = EventFileWriter(logdir)
def call(i):
    value = Summary.Value(tag="loss", simple_value=0.1)
    writer.add_event(Event(wall_time=time.time(), step=i, summary=Summary(value=[value])))
close = writer.close
"""

# `n` scalars as fast as they go, until all are in the file: events a second.
SUSTAINED = """
import json, sys, time
logdir, n = sys.argv[1], int(sys.argv[2])
{prepare}
start = time.perf_counter()
for i in range(n): call(i)
close()
print(json.dumps({{"rate": n / (time.perf_counter() - start)}}))
"""

SERIES = """
import json, sys, time
import numpy as np
import tfruns_rs as tfr
logdir, n = sys.argv[1], int(sys.argv[2])
steps, values, times = np.arange(n), np.random.default_rng(0).random(n), np.linspace(1.7e9, 1.7e9 + 1e6, n)
writer = tfr.EventWriter(logdir)
start = time.perf_counter()
writer.add_scalar_series("loss", steps, values, times)
writer.close()
print(json.dumps({"rate": n / (time.perf_counter() - start)}))
"""

SHARED = """
import json, os, sys, time
import tfruns_rs as tfr
logdir, n = sys.argv[1], int(sys.argv[2])
writer = tfr.EventWriter(logdir, shared=True)
start = time.perf_counter()
children = []
for rank in range(8):
    if (pid := os.fork()) == 0:
        add = writer.add_scalar
        for i in range(n // 8): add("loss", 0.1)
        writer.flush()
        os._exit(0)
    children.append(pid)
for pid in children: assert os.waitpid(pid, 0)[1] == 0
elapsed = time.perf_counter() - start
writer.close()
print(json.dumps({"rate": n / elapsed}))
"""

COUNT = """
import json, sys
import tfruns_rs as tfr
frame = tfr.collect_events(sys.argv[1], type="scalar")
print(json.dumps({"rows": frame.height, "steps": frame["step"].n_unique()}))
"""


def logged(code: str, calls: int, *, on_cores: int, repeats: int, verify: bool = True) -> dict[str, float]:
    """The median figures of several runs, each into a fresh logdir, each counted if `verify`."""
    figures = []
    CACHE.mkdir(parents=True, exist_ok=True)
    for _ in range(repeats):
        with tempfile.TemporaryDirectory(dir=CACHE) as logdir:
            figures.append(median_child(code, logdir, str(calls), on_cores=on_cores, repeats=1))
            if verify:
                counted = median_child(COUNT, logdir, repeats=1)
                assert counted == {"rows": calls, "steps": calls}, counted
    return {name: sorted(run[name] for run in figures)[repeats // 2] for name in figures[0]}


def rows() -> Iterator[Row]:
    """The comparisons, in the order of the table."""
    peers = {
        name: logged(EACH_CALL.format(prepare=prepare), PEER_CALLS, on_cores=2, repeats=3, verify=False)
        for name, prepare in (("tensorboardX", TENSORBOARDX), ("TensorBoard's EventFileWriter", TENSORBOARD))
    }
    for work, prepare, goal in (
        ("EventWriter.add_scalar(tag, float, step)", ADD_SCALAR, "0.5"),
        ("EventWriter.add_scalar(tag, numpy scalar, step)", ADD_NUMPY_SCALAR, "0.6"),
        ("log_event(loss=x)", LOG_EVENT, "1.5"),
    ):
        found = f"{CALLS:,} calls, all found"
        ours = logged(EACH_CALL.format(prepare=prepare), CALLS, on_cores=2, repeats=5)
        for figure, reach in (("median", goal), ("mean", ""), ("p99.9", "50")):
            for peer, theirs in peers.items():
                yield Row(work, f"µs, {figure}", ours[figure], peer, theirs[figure], reach, found)
    ours = logged(SUSTAINED.format(prepare=ADD_SCALAR), 5 * CALLS, on_cores=2, repeats=5)["rate"]
    for peer, prepare in (("tensorboardX", TENSORBOARDX), ("TensorBoard's EventFileWriter", TENSORBOARD)):
        theirs = logged(SUSTAINED.format(prepare=prepare), PEER_CALLS, on_cores=2, repeats=3, verify=False)[
            "rate"
        ]
        yield Row("sustained, a Python loop until closed", "scalars/s", ours, peer, theirs, "1 M")
    for work, code, calls, goal in (
        ("add_scalar_series until closed", SERIES, 5_000_000, "5 M"),
        ("8 forked processes, one shared file", SHARED, 8 * CALLS, "1 M"),
    ):
        rate = logged(code, calls, on_cores=2, repeats=3)["rate"]
        yield Row(work, "scalars/s", rate, goal=goal, note="all found")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    show("Writing", rows())
