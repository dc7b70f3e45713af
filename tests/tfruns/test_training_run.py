import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import polars as pl
import pytest

from tfruns_rs import (
    collect_events,
    flag_numeric,
    flags,
    is_run_active,
    ls_runs,
    run_dir,
    run_info,
    training_run,
    write_run_metadata,
)
from tfruns_rs.errors import FlagsError, RunBusyError, RunNotFoundError, TrainingRunError


@pytest.fixture(autouse=True)
def workdir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MPLBACKEND", raising=False)
    return tmp_path


def script(text, name="train.py"):
    Path(name).write_text(text)
    return name


def only_run():
    (path,) = [path for path in Path("runs").iterdir() if path.name != "archive"]
    return run_info(path)


def listed(path):
    return run_info(path).status


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


def test_flags_reach_the_script_and_are_recorded():
    script(
        "from tfruns_rs import flags, flag_numeric, flag_string\n"
        "FLAGS = flags(flag_numeric('lr', 0.01), flag_string('act', 'relu'))\n"
        "print(FLAGS.lr, FLAGS.act)\n"
    )
    row = training_run(flags={"lr": 2e-5}, echo=False)
    assert row["output"][0] == "2e-05 relu"
    assert (row["flag_lr"][0], row["flag_act"][0]) == (2e-5, "relu")
    Path("other.yml").write_text("lr: 7\n")
    assert training_run(flags="other.yml", echo=False)["flag_lr"][0] == 7
    Path("flags.yml").write_text("default:\n  lr: 1\nbig:\n  lr: 9\n")
    assert training_run(config="big", echo=False)["flag_lr"][0] == 9


def test_flags_that_can_not_be_are_refused_before_a_run_is_made():
    script("")
    for wrong in ("missing.yml", ["a"], 3):
        with pytest.raises(FlagsError, match="flags must be"):
            training_run(flags=wrong)
    with pytest.raises(FileNotFoundError, match=r"The script 'missing.py' does not exist."):
        training_run("missing.py")
    for wrong in (
        {"command": ["true"], "file": "train.py"},
        {"command": ["true"], "envir": {}},
        {"envir": {}, "in_process": False},
        {"timeout": 1, "in_process": True},
        {"resume": True},
        {"pass_flags": "xml"},
        {"properties": {"a/b": 1}},
        {"view": "yes"},
        {"command": []},
    ):
        with pytest.raises(ValueError, match=r".+"):
            training_run(**wrong)
    for wrong in ({"command": "echo hi"}, {"file": 3}):
        with pytest.raises(TypeError, match=r"list of words|a script or a function"):
            training_run(**wrong)
    assert not Path("runs").exists()


def test_flags_nobody_takes_are_warned_of():
    script("")
    with pytest.warns(UserWarning, match="did not call flags"):
        training_run(flags={"lr": 1})
    with pytest.warns(UserWarning, match="the function takes none of them"):
        training_run(lambda: None, flags={"lr": 1}, echo=False)
    with pytest.warns(UserWarning, match="flags that the function does not take: zz") as warned:
        training_run(lambda lr: lr, flags={"lr": 1, "zz": 2, "none": None}, echo=False)
    assert len(warned) == 1
    assert warned[0].filename == __file__


def test_flags_are_passed_to_click():
    script(
        "import click\n"
        "@click.command()\n"
        "@click.option('--lr', type=float)\n"
        "@click.option('--fast/--no-fast', default=True)\n"
        "@click.option('--name')\n"
        "def main(**given): print(given)\n"
        "main()\n"
    )
    row = training_run(flags={"lr": 2e-5, "fast": False, "name": "a b=c"}, pass_flags="argv", echo=False)
    assert row["output"][0] == "{'lr': 2e-05, 'fast': False, 'name': 'a b=c'}"
    assert (row["flag_lr"][0], row["flag_fast"][0], row["flag_name"][0]) == (2e-5, False, "a b=c")


def test_flags_as_arguments_reach_flags_as_well():
    script(
        "import tfruns_rs as tfr\n"
        "print(dict(tfr.flags(tfr.flag_boolean('bn', True), tfr.flag_numeric('lr', 1))))\n"
    )
    row = training_run(flags={"bn": False, "lr": 3}, pass_flags="argv", echo=False)
    assert row["output"][0] == "{'bn': False, 'lr': 3.0}"


def test_flags_are_passed_to_hydra():
    pytest.importorskip("hydra")
    Path("conf").mkdir()
    script("lr: 0.1\nmodel:\n  name: a\n  layers: [1]\nflag: false\nnone: 1\n", "conf/config.yaml")
    script(
        "import hydra, json, pathlib\n"
        "from omegaconf import OmegaConf\n"
        "@hydra.main(config_path='conf', config_name='config', version_base=None)\n"
        "def main(config):\n"
        "    print(json.dumps(OmegaConf.to_container(config)))\n"
        "    place = hydra.core.hydra_config.HydraConfig.get().runtime.output_dir\n"
        "    pathlib.Path(place, 'model.bin').write_text('m')\n"
        "main()\n"
    )
    texts = [
        "it's a, b=c {x} \\ $HOME",
        "1e3",
        "true",
        "null",
        "123",
        "",
        "*",
        "[1]",
        "\u00fc",
        "a.b",
        "\\",
        "\\'\\\\",
    ]
    given = {
        "lr": 2e-5,
        "model.name": "x y",
        "model.layers": [1, 2],
        "flag": True,
        "none": None,
        "+texts": texts,
    }
    row = training_run(flags=given, pass_flags="hydra", echo=False)
    assert json.loads(row["output"][0]) == {
        "lr": 2e-5,
        "model": {"name": "x y", "layers": [1, 2]},
        "flag": True,
        "none": None,
        "texts": texts,
    }
    assert (row["flag_lr"][0], row["flag_model.name"][0], row["flag_flag"][0]) == (2e-5, "x y", True)
    assert [path.name for path in Path(row["run_dir"][0], "outputs").rglob("*.bin")] == ["model.bin"]


def test_flags_are_passed_to_foreign_parsers():
    script(
        "import argparse\n"
        "parser = argparse.ArgumentParser()\n"
        "parser.add_argument('--lr', type=float)\n"
        "parser.add_argument('--fast', action=argparse.BooleanOptionalAction)\n"
        "parser.add_argument('--name')\n"
        "print(parser.parse_args())\n"
    )
    row = training_run(
        flags={"lr": 0.5, "fast": False, "name": "a b", "none": None}, pass_flags="argv", echo=False
    )
    assert row["output"][0] == "Namespace(lr=0.5, fast=False, name='a b')"
    assert (row["flag_lr"][0], row["flag_fast"][0], row["flag_name"][0]) == (0.5, False, "a b")
    script("import sys\nprint(sys.argv[1:])")
    row = training_run(
        flags={"a.lr": 0.5, "b": None, "c": [1, "x y"], "d": True}, pass_flags="hydra", echo=False
    )
    assert row["output"][0] == """['a.lr=0.5', 'b=null', "c=[1,'x y']", 'd=true']"""


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


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


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
