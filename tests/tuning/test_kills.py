"""SIGKILL at every step of the protocol, then `resume`: each combination has exactly one completed run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from tfruns_rs import ls_runs, tuning_run
from tfruns_rs.tfruns import _child

FLAGS = {"x": [1, 2, 3]}
SCRIPT = """
import os, sys, time
from pathlib import Path
from tfruns_rs import flag_integer, flags, write_run_metadata
F = flags(flag_integer("x", 0))
Path(os.environ["TEST_DIR"], f"began-{F.x}-{os.getpid()}").touch()
while F.x == 2 and not Path(os.environ["TEST_DIR"], "fast").exists():
    time.sleep(0.1)
write_run_metadata("evaluation", {"y": 10 * F.x})
"""

# Where the owner of the second combination dies.
STEPS = {
    "directory made": "_claims._core = Core()",
    "beat begun": "_claims.create = before(_claims.create)",
    "claimed": "_claims.create = after(_claims.create)",
    "started": "_trial._run = before(_trial._run)",
    "ran": "_recording.Recording._refusal = before(_recording.Recording._refusal)",
    "committed": "_claims.Claims.commit = after(_claims.Claims.commit)",
    "recorded": "_recording.Recording.ended = after(_recording.Recording.ended)",
    "ended": "_claims.Claims.release = before(_claims.Claims.release)",
}
KILLER = """
import os, signal, sys
from tfruns_rs import _core, tuning_run
from tfruns_rs.tfruns import _recording
from tfruns_rs.tuning import _claims, _trial

calls = 0

def die():
    global calls
    calls += 1
    if calls == 2:
        os.kill(os.getpid(), signal.SIGKILL)

def before(function):
    def replaced(*args, **keywords):
        die()
        return function(*args, **keywords)
    return replaced

def after(function):
    def replaced(*args, **keywords):
        result = function(*args, **keywords)
        die()
        return result
    return replaced

class Core:
    def __getattr__(self, name):
        return before(_core.Heartbeat) if name == "Heartbeat" else getattr(_core, name)

def objective(x):
    return 10 * x

STEP
tuning_run(objective, flags={"x": [1, 2, 3]}, echo=False)
"""


def objective(x):
    return 10 * x


def completed(expected):
    """The completed runs of the one sweep, by combination; at most one each."""
    runs = ls_runs().filter(pl.col("completed"))
    assert runs["sweep"].n_unique() == 1
    assert sorted(runs["flag_x"]) == expected
    return runs


@pytest.mark.parametrize("step", STEPS)
def test_killed_at(step):
    line = STEPS[step].rpartition("; ")[2]
    killed = subprocess.run(
        [sys.executable, "-c", KILLER.replace("STEP", line)], capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    runs = tuning_run(objective, flags=FLAGS, echo=False, resume=True)
    assert completed([1, 2, 3])["run_dir"].sort().equals(runs["run_dir"].sort())
    assert runs.sort("flag_x")["eval_value"].to_list() == [10, 20, 30]
    assert runs["status"].to_list() == ["completed"] * 3
    assert runs["end"].null_count() == 0


def lives(pid):
    return _child._start(pid) is not None


def wait_for(pattern, deadline_secs=60):
    deadline = time.monotonic() + deadline_secs
    while not (found := list(Path().glob(pattern))):
        assert time.monotonic() < deadline, f"no {pattern}"
        time.sleep(0.05)
    return found[0]


def fast_dir():
    Path("again").mkdir(exist_ok=True)
    Path("again/fast").touch()
    return Path("again").absolute()


PARENT = """
from tfruns_rs import tuning_run
tuning_run("train.py", flags={"x": [1, 2, 3]}, workers=2, confirm=False)
"""


@pytest.fixture
def parent(monkeypatch, workdir):
    """A process that tunes with two workers and hangs in the second combination."""
    Path("train.py").write_text(SCRIPT)
    monkeypatch.setenv("TEST_DIR", str(workdir))
    process = subprocess.Popen([sys.executable, "-c", PARENT], stderr=subprocess.PIPE)
    wait_for("began-2-*")
    wait_for("began-3-*")
    yield process
    process.kill()
    process.communicate()


def test_a_killed_parent_leaves_a_sweep_that_goes_on(parent):
    parent.kill()
    parent.wait()
    (orphan,) = (int(path.name.rpartition("-")[2]) for path in Path().glob("began-2-*"))
    assert lives(orphan)
    runs = tuning_run("train.py", flags=FLAGS, workers=2, resume=True, env={"TEST_DIR": str(fast_dir())})
    completed([1, 2, 3])
    assert runs.sort("flag_x")["eval_y"].to_list() == [10, 20, 30]
    assert not lives(orphan)
    assert list(fast_dir().glob("began-1-*")) == [], "finished combinations do not run again"


def test_a_killed_worker_is_a_failed_run_that_resume_runs_again(parent):
    (worker,) = (int(path.name.rpartition("-")[2]) for path in Path().glob("began-2-*"))
    os.kill(worker, signal.SIGKILL)
    _, shown = parent.communicate(timeout=60)
    assert parent.returncode == 1
    assert b"killed by SIGKILL" in shown
    assert b"The sweep goes on with resume=" in shown
    Path("fast").touch()
    tuning_run("train.py", flags=FLAGS, resume=True)
    completed([1, 2, 3])
    assert ls_runs()["status"].sort().to_list() == ["completed"] * 3 + ["failed"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_parent_stops_its_runs_and_can_go_on(parent, number):
    (worker,) = (int(path.name.rpartition("-")[2]) for path in Path().glob("began-2-*"))
    parent.send_signal(number)
    _, shown = parent.communicate(timeout=60)
    assert b"The sweep goes on with resume=" in shown
    assert not lives(worker)
    assert "interrupted" in ls_runs()["status"].to_list()
    Path("fast").touch()
    tuning_run("train.py", flags=FLAGS, resume=True)
    completed([1, 2, 3])
