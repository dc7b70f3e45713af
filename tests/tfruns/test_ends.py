"""However a recorded script ends: exits, errors, signals, timeouts, kills."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tfruns.scripts import only_run, script, wait_for
from tfruns_rs import (
    collect_events,
    ls_runs,
    training_run,
)
from tfruns_rs.errors import TrainingRunError

pytestmark = pytest.mark.usefixtures("workdir")


def test_an_exit_is_explained_by_its_last_words():
    script("import argparse; argparse.ArgumentParser().parse_args()")
    with pytest.raises(TrainingRunError, match="exited with code 2") as caught:
        training_run(args=["--what"], echo=False)
    assert only_run().error_traceback.endswith("error: unrecognized arguments: --what")
    assert caught.value.__notes__ == [only_run().error_traceback]


def test_an_exception_is_recorded_and_raised():
    script("def inner():\n    raise ValueError('Training error occurred')\ninner()\n")
    with pytest.raises(TrainingRunError, match="Training error occurred") as caught:
        training_run(echo=False)
    info = only_run()
    assert caught.value.returncode == 1
    assert Path(caught.value.run_dir) == Path.cwd() / info.run_dir
    assert (info.status, info.completed, info.exit_code) == ("failed", False, 1)
    assert info.error_message == "Training error occurred"
    lines = info.error_traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert 'File "train.py", line 3, in <module>' in lines[1]
    assert "_runner" not in info.error_traceback
    assert info.end is not None
    assert "Traceback" in (Path(info.run_dir) / "tfruns.d/stderr").read_text()


@pytest.mark.parametrize(
    ("text", "status", "message", "code", "sent"),
    [
        ("import sys; sys.exit(3)", "failed", "The script exited with code 3", 3, None),
        ("import sys; sys.exit('why')", "failed", "The script exited with code 1", 1, None),
        ("import sys; sys.exit()", "completed", None, None, None),
        ("import os; os._exit(4)", "failed", "The script exited with code 4", 4, None),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
            "failed",
            "killed by SIGKILL",
            None,
            "SIGKILL",
        ),
        ("import ctypes; ctypes.string_at(0)", "failed", "ended by SIGSEGV", None, "SIGSEGV"),
        ("raise KeyboardInterrupt", "interrupted", None, None, "SIGINT"),
        ("syntax error here", "failed", "invalid syntax (train.py, line 1)", 1, None),
    ],
)
def test_every_end_is_recorded(text, status, message, code, sent):
    script(text)
    if status == "completed":
        training_run(echo=False)
    else:
        with pytest.raises(TrainingRunError):
            training_run(echo=False)
    info = only_run()
    assert info.status == status
    assert info.get("exit_code") == code
    assert info.get("signal") == sent
    assert info.end is not None
    if message is None:
        assert info.get("error_message") is None
    else:
        assert message in info.error_message


def test_a_timeout_asks_then_ends():
    script(
        "import time\n"
        "try:\n"
        "    print('on', flush=True)\n"
        "    time.sleep(60)\n"
        "finally:\n"
        "    print('cleaned', flush=True)\n"
    )
    began = time.monotonic()
    with pytest.raises(TrainingRunError, match=r"timeout of 1 s"):
        training_run(timeout=1, echo=False)
    assert time.monotonic() - began < 8
    assert only_run().output == "on\ncleaned"
    assert only_run().status == "failed"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a fork")
def test_a_timeout_asks_the_processes_of_the_script_too():
    """They write what they have logged before they are killed."""
    script(
        "import os, time\n"
        "import tfruns_rs as tfr\n"
        "writer = tfr.EventWriter('logs', shared=True, flush_secs=1000)\n"
        "writer.add_scalar('parent', 1)\n"
        "if os.fork() == 0:\n"
        "    writer.add_scalar('child', 1)\n"
        "time.sleep(60)\n"
    )
    with pytest.raises(TrainingRunError, match="timeout"):
        training_run(timeout=2, echo=False)
    assert sorted(collect_events("logs", type="scalar")["tag"]) == ["child", "parent"]


def test_what_a_script_leaves_running_is_not_waited_for():
    script("import subprocess\nsubprocess.Popen(['sleep', '30'])\nprint('done')\n")
    began = time.monotonic()
    assert training_run(echo=False)["output"][0] == "done"
    assert time.monotonic() - began < 10


DRIVER = """
from tfruns_rs import training_run
training_run("train.py", echo=False)
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "failed")])
def test_a_signal_to_the_parent_ends_the_script_and_is_recorded(number, status):
    script("import time\nprint('on', flush=True)\ntime.sleep(60)\n")
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], stderr=subprocess.PIPE)
    wait_for(lambda: Path("runs").exists() and list(Path("runs").glob("*/tfruns.d/alive.json")))
    wait_for(lambda: "on" in next(Path("runs").glob("*/tfruns.d/properties/output")).read_text())
    assert only_run().status == "running"
    driver.send_signal(number)
    driver.communicate(timeout=30)
    info = only_run()
    assert (info.status, info.signal, info.completed) == (status, number.name, False)
    assert info.end is not None


def test_a_run_whose_processes_are_killed_is_killed():
    script("import time, os\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)\n")
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], stderr=subprocess.DEVNULL)
    wait_for(lambda: Path("pid").exists() and Path("pid").read_text())
    assert only_run().status == "running"
    driver.kill()
    driver.wait()
    assert only_run().status == "running"
    os.kill(int(Path("pid").read_text()), signal.SIGKILL)
    wait_for(lambda: only_run().status == "killed")
    assert ls_runs()["status"].to_list() == ["killed"]
