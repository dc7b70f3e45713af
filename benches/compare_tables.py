"""Ten million rows of metrics in batches of a thousand, beside Polars writing the same frame at once.

A row is an example id, a loss, a name of 26 characters and an embedding of 16 float32. Both write Parquet
with the statistics and dictionaries of Polars' encoder and with zstd, in a process of its own: ours at
level 1, its default; Polars at its default of 3, and at 1 as well, which is the harder comparison. Making
the rows is not timed: two hundred batches are made beforehand and given again and again, so that no time
passes between them in which work could hide. Ours is timed from the first batch to the finished table.
Polars holds the whole frame in memory; ours holds a part of it.
"""

import os
from collections.abc import Iterator

from _measure import median_child
from _table import Row, show

ROWS = int(os.environ.get("BENCH_TABLE_ROWS", "10_000_000"))
BATCH = 1000
REPEATS = int(os.environ.get("BENCH_REPEATS", "3"))

PREPARE = """
import json, os, resource, sys, tempfile, time
import numpy as np
import polars as pl

rows, size = int(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(0)

def batch(number):
    ids = np.arange(number * size, (number + 1) * size)
    digits = pl.Series(ids).cast(pl.String).str.zfill(8)
    return {
        "example_id": ids,
        "loss": rng.random(size),
        "name": pl.select(pl.format("images/sample_{}.png", digits)).to_series(),
        "embedding": rng.random((size, 16), np.float32),
    }

def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

def peak():
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024

directory = tempfile.TemporaryDirectory()
batches = [batch(number) for number in range(min(200, rows // size))]
"""

OURS = (
    PREPARE
    + """
import tfruns_rs as tfr
start, started = time.perf_counter(), cpu()
writer = tfr.MetricsTableWriter(directory.name)
for number in range(rows // size):
    writer.add_batch(batches[number % len(batches)])
table = writer.finalize()
wall, used = time.perf_counter() - start, cpu() - started
assert table.row_count == rows
print(json.dumps({"wall": wall, "cpu": used, "peak": peak(), "size": table.file_size / 1e6}))
"""
)

POLARS = (
    PREPARE
    + """
frames = [pl.DataFrame(one) for one in batches]
frame = pl.concat([frames[number % len(frames)] for number in range(rows // size)], rechunk=True)
path = directory.name + "/data.parquet"
start, started = time.perf_counter(), cpu()
frame.write_parquet(path, compression_level=int(sys.argv[3]) or None)
wall, used = time.perf_counter() - start, cpu() - started
print(json.dumps({"wall": wall, "cpu": used, "peak": peak(), "size": os.path.getsize(path) / 1e6}))
"""
)


def rows() -> Iterator[Row]:
    """The comparison, in the order of the table."""
    # All cores: both compress on as many as there are.
    every = len(os.sched_getaffinity(0))
    ours = median_child(OURS, str(ROWS), str(BATCH), on_cores=every, repeats=REPEATS)
    theirs, equal = (
        median_child(POLARS, str(ROWS), str(BATCH), level, on_cores=every, repeats=REPEATS) for level in "01"
    )
    work, peer = f"metrics table, {ROWS / 1e6:g} M rows", "write_parquet"
    note = f"batches of {BATCH}, each on disk at once"
    yield Row(f"{work}, time", "s", ours["wall"], peer, theirs["wall"], "<= 1.5 x the time", note)
    yield Row("the same, both at zstd level 1", "s", ours["wall"], peer, equal["wall"], "<= 1.5 x the time")
    yield Row(f"{work}, CPU", "s", ours["cpu"], peer, theirs["cpu"])
    yield Row(f"{work}, peak memory", "MB", ours["peak"], peer, theirs["peak"], "<= 300 MB", "of the process")
    yield Row(f"{work}, file", "MB", ours["size"], peer, theirs["size"])


if __name__ == "__main__":
    show("Metrics tables", rows())
