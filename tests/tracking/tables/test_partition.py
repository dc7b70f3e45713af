"""However the rows are cut into batches and parts, the table is the one Polars would have written."""

import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from polars.testing.parametric import dataframes

import tfruns_rs as tfr
from tfruns_rs.tracking.tables import _draft

DTYPES = [pl.Int8, pl.Int64, pl.UInt64, pl.Float32, pl.Float64, pl.Boolean, pl.String, pl.Binary, pl.Date]
DTYPES += [pl.Datetime, pl.Duration, pl.Time, pl.List, pl.Array, pl.Struct]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    frame=dataframes(
        min_cols=1, max_cols=4, min_size=1, max_size=30, allowed_dtypes=DTYPES, allow_chunks=True
    ),
    cuts=st.lists(st.integers(0, 30), max_size=5),
    part_bytes=st.sampled_from([1, 700, 1 << 24]),
)
def test_batches_and_parts_make_no_difference(frame, cuts, part_bytes):
    edges = [0, *sorted(cut for cut in cuts if cut < frame.height), frame.height]
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patched:
        patched.setattr(_draft, "_PART_BYTES", part_bytes)
        with tfr.MetricsTableWriter(directory) as writer:
            for start, end in pairwise(edges):
                writer.add_batch(frame[start:end])
        data = Path(writer.table.url) / "data.parquet"
        assert_frame_equal(pl.read_parquet(data), frame)
        assert writer.table.row_count == frame.height


MANY = """
import sys
import numpy as np
import tfruns_rs as tfr
rng = np.random.default_rng(0)
names = [f"images/sample_{number:08}.png" for number in range(1000)]
with tfr.MetricsTableWriter(sys.argv[1]) as writer:
    for number in range(3000):
        writer.add_batch({
            "loss": rng.random(1000), "name": names, "embedding": rng.random((1000, 16), np.float32)
        })
assert writer.table.row_count == 3_000_000
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow_with_the_table(run):
    peak = subprocess.run(
        [sys.executable, "-c", MANY, str(run)], stdout=subprocess.PIPE, check=True, text=True
    )
    assert int(peak.stdout) / 1024 < 300  # MiB in all; the rows alone are 330
