import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import polars as pl
import pytest

from tfruns.scripts import only_run, script, wait_for
from tfruns_rs import (
    flag_numeric,
    flags,
    is_run_active,
    ls_runs,
    run_dir,
    run_info,
    training_run,
    write_run_metadata,
)
from tfruns_rs.errors import RunBusyError, RunNotFoundError, TrainingRunError

pytestmark = pytest.mark.usefixtures("workdir")


def test_a_script_that_knows_nothing_of_us_is_recorded(capfd):
    script(
        "import sys\nprint('hello')\nprint('trouble', file=sys.stderr)\nopen('model.bin', 'w').write('m')\n"
    )
    row = training_run(properties={"team": "a", "n": 3}, context="test")
    assert isinstance(row, pl.DataFrame)
    info = row.row(0, named=True)
    assert info["status"] == "completed"
    assert (info["script"], info["context"], info["type"], info["team"], info["n"]) == (
        "train.py",
        "test",
        "training",
        "a",
        "3",
    )
    assert info["output"] == "hello"
    assert info["completed"] is True
    assert info["start"] < info["end"]
    assert info["run_dir"].startswith("runs/")
    assert ls_runs().select(row.columns).equals(row)
    run = Path(info["run_dir"])
    assert (run / "tfruns.d/stderr").read_text() == "trouble\n"
    assert (run / "model.bin").read_text() == "m"
    assert (run / "plots").is_dir()
    shown = capfd.readouterr()
    assert shown.out == "hello\n"
    assert f"Using run directory {run}" in shown.err
    assert "trouble" in shown.err
    assert f"Run completed: {run}" in shown.err


def test_a_property_does_not_get_into_the_console():
    script("print('hello')")
    assert training_run(properties={"output": "mine"}, echo=False)["output"][0] == "hello"


def test_echo_false_only_keeps_the_console(capfd):
    script("print('hello')")
    assert training_run(echo=False)["output"][0] == "hello"
    assert "hello" not in capfd.readouterr().out


def test_c_code_and_children_are_captured():
    script("import os, subprocess\nos.write(1, b'raw\\n')\nsubprocess.run(['echo', 'child'])\n")
    assert training_run(echo=False)["output"][0] == "raw\nchild"


def test_the_script_is_main():
    script(
        "import sys, pickle\n"
        "class A: pass\n"
        "assert __name__ == '__main__'\n"
        "assert sys.modules['__main__'].A is A\n"
        "pickle.loads(pickle.dumps(A()))\n"
        "print(sys.argv, __file__)\n"
        "import beside\n"
    )
    script("print('imported')", "beside.py")
    output = training_run(args=["--x", "1"], echo=False)["output"][0]
    assert output == "['train.py', '--x', '1'] train.py\nimported"


def test_artifacts_are_what_the_script_made_or_changed():
    Path("data").mkdir()
    Path("data/same.txt").write_text("same")
    Path("data/changed.txt").write_text("old")
    other = Path("runs/other/tfruns.d")
    other.mkdir(parents=True)
    script(
        "import os\n"
        "os.makedirs('deep/er'); os.makedirs('runs/Nov21_host'); os.makedirs('runs/junk')\n"
        "for place in ('runs/train', os.environ['TFRUNS_RUN_DIR'] + '/logs/train'):\n"
        "    os.makedirs(place); open(place + '/events.out.tfevents.2.x', 'w').write('e')\n"
        "open('deep/er/new.txt', 'w').write('new')\n"
        "open('data/changed.txt', 'w').write('newer')\n"
        "open('runs/Nov21_host/events.out.tfevents.1.x', 'w').write('e')\n"
        "open('runs/junk/x', 'w').write('x')\n"
        "open('runs/other/x', 'w').write('x')\n"
        "open('.hidden', 'w').write('x')\n"
        "os.symlink('/etc/hostname', 'link')\n"
        "open(os.path.join(os.environ['TFRUNS_RUN_DIR'], 'own.txt'), 'w').write('own')\n"
    )
    run = Path(training_run(echo=False)["run_dir"][0])
    found = sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())
    assert [path for path in found if not path.startswith("tfruns.d")] == [
        "data/changed.txt",
        "deep/er/new.txt",
        "logs/Nov21_host/events.out.tfevents.1.x",
        "logs/train-001/events.out.tfevents.2.x",
        "logs/train/events.out.tfevents.2.x",
        "own.txt",
        "runs/junk/x",
    ]
    assert not Path("runs/Nov21_host").exists()
    script("open('extra.txt', 'w').write('x')")
    run = Path(training_run(echo=False, artifacts_dir=None)["run_dir"][0])
    assert not (run / "extra.txt").exists()


def test_big_artifacts_are_listed(monkeypatch):
    from tfruns_rs.tfruns import _artifacts

    monkeypatch.setattr(_artifacts, "MAX_FILE_BYTES", 10)
    monkeypatch.setattr(_artifacts, "MAX_RUN_BYTES", 12)
    script("for name, n in (('a', 8), ('b', 11), ('c', 8)): open(name, 'w').write('x' * n)")
    run = Path(training_run(echo=False)["run_dir"][0])
    assert (run / "a").exists()
    listed = json.loads((run / "tfruns.d/artifacts.json").read_text())
    assert {name: entry["bytes"] for name, entry in listed.items()} == {"b": 11, "c": 8}
    assert len(listed["b"]["sha256"]) == 64


def test_sources_environment_and_git_are_kept():
    git = [shutil.which("git"), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    Path("pkg").mkdir()
    script("import pkg.model\nimport json\n")
    script("", "pkg/__init__.py")
    script("x = 1\n", "pkg/model.py")
    script("x = 1\n", "pkg/unused.py")
    script("x = 1\n", "ignored.py")
    Path(".gitignore").write_text("ignored.py\n")
    Path(".env").write_text("PASSWORD=hunter22\n")
    Path("conf.toml").write_text("a = 1\n")
    subprocess.run([git[0], "init", "-q", "-b", "trunk"], check=True)
    subprocess.run(
        [git[0], "remote", "add", "origin", "https://me:token@example.org/x.git?key=1"], check=True
    )
    subprocess.run([*git, "add", "-f", "train.py", ".env"], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    script("import pkg.model\nimport json # changed\n")
    Path(".env").write_text("PASSWORD=other\n")
    run = Path(training_run(echo=False, sources=["*.toml", ".e*"], args=["--api-key=abc"])["run_dir"][0])
    with tarfile.open(run / "tfruns.d/source.tar.gz") as archive:
        names = [name for name in archive.getnames() if "." in name]
    assert names == ["source/conf.toml", "source/pkg/__init__.py", "source/pkg/model.py", "source/train.py"]
    environment = json.loads((run / "tfruns.d/environment.json").read_text())
    assert environment["git"]["branch"] == "trunk"
    assert len(environment["git"]["commit"]) == 40
    assert environment["git"]["dirty"]
    assert environment["git"]["remote"] == "https://example.org/x.git"
    assert environment["packages"]["polars"] == pl.__version__
    assert "runs/" not in environment["git"]["untracked"]
    assert ".gitignore" in environment["git"]["untracked"]
    diff = (run / "tfruns.d/git.diff").read_text()
    assert "+import json # changed" in diff
    everything = b"".join(path.read_bytes() for path in (run / "tfruns.d").rglob("*") if path.is_file())
    for secret in (b"hunter22", b"PASSWORD", b"token@", b"key=abc"):
        assert secret not in everything


def test_plots_are_kept():
    script(
        "import matplotlib.pyplot as plt\n"
        "plt.plot([1, 2]); plt.show()\n"
        "plt.figure(); plt.plot([2, 1])\n"
        "plt.figure()\n"
    )
    run = Path(training_run(echo=False)["run_dir"][0])
    assert sorted(path.name for path in (run / "plots").iterdir()) == ["Rplot001.png", "Rplot002.png"]
    header = (run / "plots/Rplot001.png").read_bytes()[:24]
    assert (int.from_bytes(header[16:20]), int.from_bytes(header[20:24])) == (1200, 715)


def test_progress_bars_keep_their_last_state():
    script(
        "import sys\n"
        "for i in range(5): sys.stdout.write(f'\\r{i}/4')\n"
        "print()\n"
        "print('crlf\\r')\n"
        "print('end', end='')\n"
    )
    assert training_run(echo=False)["output"][0] == "4/4\ncrlf\nend"


def test_a_command_is_recorded():
    row = training_run(command=["sh", "-c", "echo $0 $TFRUNS_RUN_DIR; exit 0"], args=["word"], echo=False)
    assert row["script"][0] == "sh"
    assert row["output"][0] == f"word {Path.cwd() / row['run_dir'][0]}"
    with pytest.raises(TrainingRunError, match="code 5"):
        training_run(command=["sh", "-c", "exit 5"], echo=False)
    with pytest.raises(FileNotFoundError):
        training_run(command=["no-such-command"], echo=False)
    assert sorted(ls_runs()["status"]) == ["completed", "failed", "failed"]


def test_functions_and_envir_run_here(capsys):
    seen = {}

    def train(lr):
        assert is_run_active()
        seen["dir"] = run_dir()
        found = flags(flag_numeric("lr", 0.1))
        print("training", lr, found.lr)  # noqa: T201 - what is captured
        os.write(1, b"raw\n")
        write_run_metadata("evaluation", {"acc": 1})

    row = training_run(train, flags={"lr": 0.5})
    assert not is_run_active()
    assert seen["dir"] == Path.cwd() / row["run_dir"][0]
    assert sorted(row["output"][0].splitlines()) == ["raw", "training 0.5 0.5"]
    assert (row["flag_lr"][0], row["eval_acc"][0]) == (0.5, 1)
    assert "training" in capsys.readouterr().out
    script("y = x + 1\nprint(y)\n")
    envir = {"x": 1}
    training_run("train.py", envir=envir, echo=False)
    assert envir["y"] == 2


def test_errors_in_this_process_are_raised_as_they_are():
    def train():
        raise KeyError("gone")

    with pytest.raises(KeyError):
        training_run(train)
    info = only_run()
    assert (info.status, info.error_message) == ("failed", "'gone'")
    assert not is_run_active()


def test_runs_nest():
    def inner():
        write_run_metadata("properties", {"who": "inner"})

    def outer():
        training_run(inner, run_dir="runs/inner")
        write_run_metadata("properties", {"who": "outer"})

    training_run(outer, run_dir="runs/outer")
    runs = {row["run_dir"]: row for row in ls_runs().iter_rows(named=True)}
    assert (runs["runs/inner"]["who"], runs["runs/outer"]["who"]) == ("inner", "outer")
    assert (runs["runs/inner"]["parent"], runs["runs/outer"]["parent"]) == ("outer", None)
    assert all(row["completed"] and row["end"] for row in runs.values())


def test_a_script_that_changes_directory_changes_nothing(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    script(
        "import os, tfruns_rs as tfr\n"
        "os.chdir('elsewhere')\n"
        "tfr.flags(tfr.flag_numeric('lr', 1))\n"
        "tfr.write_run_metadata('properties', {'a': 1})\n"
    )
    row = training_run(echo=False)
    assert (row["flag_lr"][0], row["a"][0]) == (1, "1")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_run_is_resumed_only_on_request():
    script("print('first'); raise ValueError('broken')")
    with pytest.raises(TrainingRunError):
        training_run(run_dir="runs/a", echo=False)
    start = run_info("runs/a").start
    script("print('second')")
    with pytest.raises(FileExistsError, match="resume"):
        training_run(run_dir="runs/a")
    with pytest.raises(RunNotFoundError):
        training_run(run_dir="runs/b", resume=True)
    training_run(run_dir="runs/a", resume=True, echo=False)
    info = run_info("runs/a")
    assert (info.status, info.completed, info.start) == ("completed", True, start)
    assert info.get("error_message") is None
    assert info.get("exit_code") is None
    first, separator, second = (line for line in info.output.splitlines() if line)
    assert (first, second) == ("first", "second")
    assert "resumed" in separator
    sessions = json.loads(Path("runs/a/tfruns.d/run.json").read_text())["sessions"]
    assert [session["completed"] for session in sessions] == [False, True]
    assert sessions[0]["error"]["message"] == "broken"


def test_a_resumed_run_keeps_what_its_flags_were():
    script("import tfruns_rs as tfr\ntfr.flags(tfr.flag_numeric('lr', 0.1))\n")
    training_run(run_dir="runs/a", flags={"lr": 0.5}, echo=False)
    row = training_run(run_dir="runs/a", resume=True, echo=False)
    assert row["flag_lr"].to_list() == [0.1], "the flags of this call"
    sessions = json.loads(Path("runs/a/tfruns.d/run.json").read_text())["sessions"]
    assert [session.get("flags") for session in sessions] == [{"lr": 0.5}, None]


def test_a_running_run_is_not_resumed():
    script("import time\nprint('on', flush=True)\ntime.sleep(60)\n")
    child = subprocess.Popen(
        [sys.executable, "-c", "import tfruns_rs; tfruns_rs.training_run(run_dir='runs/a', echo=False)"],
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: Path("runs/a/tfruns.d/alive.json").exists())
        before = Path("runs/a/tfruns.d/alive.json").read_bytes()
        with pytest.raises(RunBusyError, match="runs/a is running"):
            training_run(run_dir="runs/a", resume=True, echo=False)
        assert json.loads(before)["pid"] == json.loads(Path("runs/a/tfruns.d/alive.json").read_bytes())["pid"]
    finally:
        child.terminate()
        child.wait()
    script("")
    assert training_run(run_dir="runs/a", resume=True, echo=False)["completed"][0]


def test_the_run_of_a_rank_is_its_own(monkeypatch):
    script(
        "import tfruns_rs as tfr\n"
        "tfr.flags(tfr.flag_numeric('lr', 1))\n"
        "tfr.write_run_metadata('properties', {'own': 1})\n"
    )
    monkeypatch.setenv("SLURM_PROCID", "1")
    for in_process in (False, True):
        row = training_run(flags={"lr": 2}, in_process=in_process, echo=False)
        assert (row["flag_lr"][0], row["own"][0]) == (2, "1")
    # Ranks that a launcher inside the run starts are its ranks.
    row = training_run(command=["env", "RANK=1", sys.executable, "train.py"], echo=False)
    assert not {"flag_lr", "own"} & set(row.columns)


def test_what_was_said_before_belongs_to_the_script():
    script("import tfruns_rs as tfr; tfr.write_run_metadata('properties', {'b': 3})")
    write_run_metadata("properties", {"a": 1, "b": 2})
    row = training_run(echo=False)
    assert (row["a"][0], row["b"][0]) == ("1", "3")
    assert "a" not in training_run(echo=False).columns


def test_a_hidden_directory_of_an_existing_place_is_used():
    Path("out").mkdir()
    Path("out/kept.txt").write_text("x")
    script("")
    training_run(run_dir="out", echo=False)
    assert run_info("out").completed
    assert Path("out/kept.txt").exists()


def test_consoles_are_capped():
    from tfruns_rs.tfruns._capture import Console

    console = Console("console", cap_bytes=4000)
    for number in range(2000):
        console.feed(f"line {number}\n".encode())
    console.close()
    text = Path("console").read_text()
    assert len(text) < 4200
    assert text.startswith("line 0\n")
    assert text.endswith("line 1999\n")
    assert "bytes are not kept" in text


def test_threads_run_side_by_side():
    script("import os, sys; print(os.environ['TFRUNS_RUN_DIR'])")
    rows = {}

    def run(number):
        rows[number] = training_run(echo=False, artifacts_dir=None)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row["output"][0] for row in rows.values()) == sorted(
        str(Path.cwd() / row["run_dir"][0]) for row in rows.values()
    )
    assert len({row["run_dir"][0] for row in rows.values()}) == 3
