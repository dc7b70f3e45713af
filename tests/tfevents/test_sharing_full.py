"""A shared file that can't grow: what was written down beside it is completed when it can."""

import os
import resource
import signal
import subprocess
import sys

import pytest

from interop.python_loader import event_files, raw_scalars

RUNS = 40  # more than are written down at once

SCRIPT = f"""
import os, resource, sys
import tfruns_rs as tfr

def log(runs, steps, value):
    for run in runs:
        for step in steps:
            writer.add_scalar("x", value, step, run=run)

runs = [f"r{{i:02}}" for i in range({RUNS})]
writer = tfr.EventWriter(sys.argv[1], shared=True, flush_secs=1000)
log(runs, [0], 0.5)
log(runs[:1], range(1, 3000), 0.5)
writer.flush()
(first,) = [file for file in writer.files if "/r00/" in file]
log(runs, range(3000, 3010), 0.1)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(first) + 100, hard))
try:
    writer.flush()
except OSError:
    print("full")
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
writer.flush()
writer.close()
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no limit to a file's size")
def test_a_batch_that_was_cut_is_completed_before_the_next_is_written_down(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, os.fspath(tmp_path)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
    )
    assert done.stdout == "full\n"
    assert len(event_files(tmp_path)) == RUNS
    points = raw_scalars(tmp_path)
    assert len(points) == len(set(points)) == RUNS + 2999 + 10 * RUNS
