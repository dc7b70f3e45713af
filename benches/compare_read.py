"""Reading event files into a Polars frame, beside TensorBoard's loaders and tbparse.

The baseline is `tensorboard-data-server --checksum --samples-per-plugin scalars=all --reload once`: user
and system time of the process until everything is loaded. Ours is the CPU time of a fresh process from the
path to the finished frame, less `import polars`. All are pinned to one core unless a row says otherwise;
files are in the page cache. Where one tag is read, Polars' engine has been started before. The slow
peers read a smaller file of the same kind, and their time is scaled by its size.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import _files
import _hostile
from _measure import CACHE, data_server_cpu_seconds, median, median_child, speedup_by_cores
from _table import Row, show

MILLION = 1_000_000
SMALL = 20_000

OURS = """
import json, resource, sys, time
import polars
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before, cpu, wall = peak(), time.process_time(), time.perf_counter()
import tfruns_rs as tfr
frame = tfr.collect_events(sys.argv[1], type="scalar")
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
assert frame.height == int(sys.argv[2]), frame.height
print(json.dumps({"cpu": cpu, "wall": wall, "memory": (peak() - before) / frame.estimated_size()}))
"""

# The same once Polars has made a frame: its code, then in memory, is neither the frame's nor the reader's.
MEMORY = """
import json, resource, sys
import polars as pl
import tfruns_rs as tfr
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
pl.DataFrame({"step": [1]}).select(pl.lit("a").alias("run"), pl.all())
before = peak()
frame = tfr.collect_events(sys.argv[1], type="scalar")
print(json.dumps({"memory": (peak() - before) / frame.estimated_size()}))
"""

ONE_TAG = """
import json, sys, time
import polars as pl
import tfruns_rs as tfr
pl.LazyFrame({"started": [True]}).filter(pl.col("started")).collect()
scan_events = tfr.scan_events  # is imported when it is first used
cpu = time.process_time()
lazy = scan_events(sys.argv[1], type="scalar", checksums=sys.argv[3])
frame = lazy.filter(pl.col("tag") == "loss").collect()
cpu = time.process_time() - cpu
assert frame.height == int(sys.argv[2]), frame.height
print(json.dumps({"cpu": cpu}))
"""

POLL = """
import json, statistics, sys, time
import tfruns_rs as tfr
connection = tfr.events_logdir(sys.argv[1])
connection.collect(type="scalar")
walls, cpus = [], []
for _ in range(21):
    cpu, wall = time.process_time(), time.perf_counter()
    assert connection.collect(type="scalar").is_empty()
    walls.append(time.perf_counter() - wall)
    cpus.append(time.process_time() - cpu)
print(json.dumps({"wall": statistics.median(walls), "cpu": statistics.median(cpus)}))
"""

HOSTILE = """
import json, sys, time
import polars as pl
import tfruns_rs as tfr
wall = time.perf_counter()
tfr.verify_events(sys.argv[1])
tfr.collect_events(sys.argv[1], type="scalar", on_corrupt="skip")
print(json.dumps({"wall": (time.perf_counter() - wall) / 2}))
"""

TENSORBOARD = """
import json, sys, time
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
cpu = time.process_time()
accumulator = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0}).Reload()
points = sum(len(accumulator.Scalars(tag)) for tag in accumulator.Tags()["scalars"])
cpu = time.process_time() - cpu
assert points == int(sys.argv[2]), points
print(json.dumps({"cpu": cpu}))
"""

TBPARSE = """
import json, sys, time
from tbparse import SummaryReader
cpu = time.process_time()
frame = SummaryReader(sys.argv[1], extra_columns={"wall_time"}).scalars
cpu = time.process_time() - cpu
assert len(frame) == int(sys.argv[2]), len(frame)
print(json.dumps({"cpu": cpu}))
"""

WRITE_OURS = """
import sys, json
import tfruns_rs as tfr
sys.path.insert(0, sys.argv[1])
from _files import START, TAGS
with tfr.EventWriter(sys.argv[2]) as writer:
    for i in range(int(sys.argv[3])):
        writer.add_scalar(TAGS[i % 5], 1.0 / (3 + i), i // 5, wall_time=START + i * 0.001)
print(json.dumps({}))
"""

ALL_CHECKED = ("--checksum", "--samples-per-plugin=scalars=all")


def our_own_file(count: int) -> Path:
    """The same scalars as we write them: metadata and the exact value in every record."""
    logdir = CACHE / f"ours_{count}"
    if not logdir.exists():
        median_child(WRITE_OURS, str(Path(__file__).parent), str(logdir), str(count), repeats=1)
    return next(logdir.glob("*tfevents*"))


def rows() -> Iterator[Row]:
    """The comparisons, in the order of the table."""
    file, small = _files.scalars(MILLION), _files.scalars(SMALL)
    million = str(MILLION)
    size = file.stat().st_size / 1e6
    work = f"1 M scalars, {size:.0f} MB, to a frame"
    ours = median_child(OURS, str(file), million)
    baseline = median(lambda: data_server_cpu_seconds(file.parent, *ALL_CHECKED))
    yield Row(work, "CPU s", ours["cpu"], "data server, all points, checksum", baseline, "15 x; stretch 20 x")
    default = median(lambda: data_server_cpu_seconds(file.parent))
    yield Row(
        work, "CPU s", ours["cpu"], "data server, its default", default, "", "peer: 1000 points a tag, no CRC"
    )
    scale = file.stat().st_size / small.stat().st_size
    for peer, code, goal in (("tbparse", TBPARSE, "300 x"), ("TensorBoard's Python loader", TENSORBOARD, "")):
        theirs = median_child(code, str(small.parent), str(SMALL))["cpu"] * scale
        yield Row(work, "CPU s", ours["cpu"], peer, theirs, goal, f"peer scaled from {SMALL:,} scalars")
    one, two, note = speedup_by_cores(OURS, str(file), million)
    yield Row("the same", "wall s", two, "ours on one core", one, "1.7 x", note)
    work = "the same, peak memory / frame"
    yield Row(work, "", ours["memory"], goal="1.3", note="less that after import polars")
    warm = median_child(MEMORY, str(file))
    yield Row(work, "", warm["memory"], goal="1.3", note="less that after Polars has made a frame")

    exact = our_own_file(MILLION)
    mine = median_child(OURS, str(exact), million)
    theirs = median(lambda: data_server_cpu_seconds(exact.parent, *ALL_CHECKED))
    work = f"our own records, {exact.stat().st_size / MILLION:.0f} B each"
    yield Row(work, "CPU s", mine["cpu"], "data server, all points, checksum", theirs, "0.10 s")

    large = _files.repeated_scalars(MILLION, 20)
    one, two, note = speedup_by_cores(OURS, str(large), str(20 * MILLION))
    work = f"one file of {large.stat().st_size / 1e9:.1f} GB"
    yield Row(work, "wall s", two, "ours on one core", one, "1.7 x", note)
    memory = median_child(OURS, str(large), str(20 * MILLION), repeats=3)["memory"]
    yield Row(f"{work}, peak memory / frame", "", memory, goal="1.3", note="less that after import polars")

    files = _files.small_files(10_000, 40)
    mine = median_child(OURS, str(files), "400000")
    theirs = median(lambda: data_server_cpu_seconds(files, *ALL_CHECKED), repeats=3)
    yield Row(
        "10 000 files of 2 kB",
        "CPU s",
        mine["cpu"],
        "data server, all points, checksum",
        theirs,
        "0.4; aim 0.25",
    )

    images = _files.images_beside_scalars(150)
    mine = median_child(ONE_TAG, str(images), "1500", "all")
    lazily = median_child(ONE_TAG, str(images), "1500", "lazy")
    theirs = median(lambda: data_server_cpu_seconds(images.parent, *ALL_CHECKED), repeats=3)
    speed = images.stat().st_size / 1e9
    yield Row(
        "one tag out of 150 MB of images",
        "GB/s",
        speed / mine["cpu"],
        "data server",
        speed / theirs,
        "2",
        "all checksums",
    )
    yield Row(
        "the same",
        "CPU ms",
        lazily["cpu"] * 1e3,
        "ours, all checksums",
        mine["cpu"] * 1e3,
        "5",
        'checksums="lazy"',
    )

    polled = median_child(POLL, str(files), on_cores=2, repeats=3)
    yield Row("polling 10 000 unchanged files", "wall ms", polled["wall"] * 1e3, goal="50", note="two cores")
    yield Row("the same", "CPU ms", polled["cpu"] * 1e3)

    for form in _hostile.FORMS:
        path = _hostile.write(CACHE / "hostile", form)
        spent = median_child(HOSTILE, str(path), repeats=1)
        yield Row(f"100 MB made to mislead: {form}", "wall s", spent["wall"], goal="2")
        path.unlink()


if __name__ == "__main__":
    show("Reading", rows())
    sys.exit(0)
