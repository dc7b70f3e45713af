"""`tfruns run` and `rerun`, as processes and in this one."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

import tfruns_rs as tfr
from cli.command import TFRUNS

SCRIPT = """
import sys
import tfruns_rs as tfr
F = tfr.flags(tfr.flag_numeric("rate", 0.1), tfr.flag_string("api_key", ""), tfr.flag_integer("n", 1))
print("rate", F.rate, "n", F.n, F.api_key == "hunter2")
tfr.log_event(loss=F.rate)
sys.exit(F.n - 1)
"""


@pytest.fixture(autouse=True)
def _script():
    Path("train.py").write_text(SCRIPT)


def test_run_records_flags_labels_and_notes(call):
    call(
        "run", "-q", "train.py", "-f", "rate=0.5", "-f", "api_key=hunter2",
        "-l", "base", "--note", "first", "-p", "team=vision",
    )  # fmt: skip
    run = tfr.latest_run()
    assert run.flag_rate == 0.5
    assert run.output == "rate 0.5 n 1 True"
    assert (run.labels, run.description, run.team) == ("base", "first", "vision")
    for words in (["ls"], ["ls", "--json"], ["show"], ["show", "--json"], ["events"]):
        assert "hunter2" not in call(*words).output


def test_the_words_after_dashes_are_the_scripts(call):
    call("run", "-q", "train.py", "--", "--rate", "0.25")
    assert tfr.latest_run().flag_rate == 0.25
    assert "after --" in call("run", "train.py", "--rate", "0.25", code=2).stderr
    call("run", "-q")
    assert tfr.latest_run().script == "train.py"


def test_exit_codes_are_those_of_what_ran(call):
    call("run", "-q", "train.py", "-f", "n=4", code=3)
    call("run", "-q", "--", "sh", "-c", "exit 7", code=7)
    call("run", "-q", "--", "sh", "-c", "kill -9 $$", code=137)
    call("run", "-q", "--", "sh", "-c", "true")
    call("run", "-q", "nowhere.py", code=3)
    states = sorted(row["status"] for row in json.loads(call("ls", "--json").stdout))
    assert states == ["completed", "failed", "failed", "failed"]


def test_any_command_is_a_run(call):
    call("run", "-q", "-f", "lr=0.1", "--pass-flags", "argv", "--", "echo", "--data", "x")
    run = tfr.latest_run()
    assert run.output == "--data x --lr=0.1"
    assert run.flag_lr == 0.1
    assert run.script == "echo"


def test_tune(call):
    words = ("tune", "train.py", "-f", "rate=0.5,0.25", "-f", "n=1,2", "--keep-going", "-j", "2", "--json")
    rows = json.loads(call(*words, code=4).stdout)
    assert sorted((row["flag_rate"], row["flag_n"], row["completed"]) for row in rows) == [
        (0.25, 1, True),
        (0.25, 2, False),
        (0.5, 1, True),
        (0.5, 2, False),
    ]
    (sweep,) = json.loads(call("sweeps", "--json").stdout)
    assert (sweep["total"], sweep["completed"], sweep["failed"]) == (4, 2, 2)
    Path("grid.csv").write_text("rate\n0.75\n")
    (row,) = json.loads(call("tune", "train.py", "--combinations", "grid.csv", "--json").stdout)
    assert row["flag_rate"] == 0.75
    call("tune", "train.py", "-f", "n=4", code=3)
    call("tune", "train.py", "-f", "n", code=2)


def test_rerun(call):
    call("run", "-q", "train.py", "-f", "rate=0.5")
    first = tfr.latest_run()
    call("rerun", "-q")
    again = tfr.latest_run()
    assert again.run_dir != first.run_dir
    assert (again.flag_rate, again.rerun_of) == (0.5, Path(first.run_dir).name)
    call("rerun", "-q", "-f", "rate=0.75")
    assert tfr.latest_run().flag_rate == 0.75
    call("run", "-q", "--", "echo", "hello")
    call("rerun", "-q")
    assert tfr.latest_run().output == "hello"
    call("run", "-q", "train.py", "-f", "api_key=hunter2")
    assert "api_key" in call("rerun", "-q", code=1).stderr
    call("rerun", "-q", "-f", "api_key=hunter2")


def test_rerun_of_what_can_not_be(call, runs):
    assert "does not tell" in call("rerun", runs[0], code=1).stderr


def test_interrupting_a_run_records_it():
    Path("slow.py").write_text("import time\nprint('on', flush=True)\ntime.sleep(60)\n")
    with subprocess.Popen(
        [*TFRUNS, "run", "slow.py"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "on\n"
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert tfr.latest_run().status == "interrupted"


@pytest.mark.skipif(shutil.which("tensorboard") is None, reason="needs tensorboard")
def test_tensorboard_shows_chosen_runs(runs):
    command = [*TFRUNS, "tensorboard", "latest", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        from urllib.request import urlopen

        address = ""
        deadline = time.monotonic() + 60
        while not address and time.monotonic() < deadline:
            line = process.stderr.readline()
            address = next((word for word in line.split() if word.startswith("http://localhost")), "")
        found = []
        while not found and time.monotonic() < deadline:
            with urlopen(f"{address}data/runs") as answer:  # noqa: S310 - our own server
                found = json.load(answer)
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)
    assert found == [f"{runs[1].name}/train"]


def test_autolog_reaches_the_script(call):
    Path("watched.py").write_text(
        "import os\nprint('watched' if 'TFRUNS_AUTOLOG' in os.environ else 'not')\n"
    )
    call("run", "-q", "watched.py", "--autolog")
    assert tfr.latest_run().output == "watched"
    call("rerun", "-q")
    assert tfr.latest_run().output == "not"
    call("rerun", "-q", "--autolog")
    assert tfr.latest_run().output == "watched"
    call("tune", "watched.py", "-f", "n=1", "--autolog")
    assert tfr.latest_run().output == "watched"
