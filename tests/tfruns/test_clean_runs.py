import subprocess
import sys
from pathlib import Path

import pytest

from tfruns_rs import (
    _core,
    clean_runs,
    collect_events,
    copy_run,
    copy_run_files,
    events_logdir,
    log_event,
    ls_runs,
    purge_runs,
    restore_runs,
    scan_events,
    with_logdir,
    write_run_metadata,
)


@pytest.fixture(autouse=True)
def workdir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", None)
    return tmp_path


def make(*names, **properties):
    for name in names:
        write_run_metadata("properties", {"completed": True, "end": 1, **properties}, name)
        Path(name, "model.bin").write_text(name)


def test_runs_go_to_the_archive_and_come_back():
    make("runs/a", "runs/b", "runs/c")
    done = clean_runs(["a", "runs/b"] if Path("a").exists() else ["runs/a", "runs/b"])
    assert done["ok"].to_list() == [True, True]
    assert done["to"].to_list() == ["runs/archive/a", "runs/archive/b"]
    assert sorted(ls_runs()["run_dir"]) == ["runs/c"]
    assert sorted(ls_runs(runs_dir="runs/archive")["run_dir"]) == ["runs/archive/a", "runs/archive/b"]
    assert restore_runs(["a"])["to"].to_list() == ["runs/a"]
    assert restore_runs(confirm=False)["ok"].to_list() == [True]
    assert len(ls_runs()) == 3
    assert Path("runs/a/model.bin").read_text() == "runs/a"


def test_events_of_archived_runs_are_read_only_where_the_archive_is_named():
    for name in ("kept", "archived"):
        make(f"runs/{name}")
        with with_logdir(f"runs/{name}/logs"):
            log_event(loss=1.0)
    connection = events_logdir("runs")
    assert len(connection.collect(type="scalar")) == 2
    clean_runs(["runs/archived"])
    seen = {
        "collect": collect_events("runs", type="scalar"),
        "scan": scan_events("runs").collect(),
        "archive": collect_events("runs/archive", type="scalar"),
    }
    runs = {how: frame["run"].to_list() for how, frame in seen.items()}
    assert runs == {"collect": ["kept/logs"], "scan": ["kept/logs"], "archive": ["archived/logs"]}
    restore_runs(["archived"])
    assert collect_events("runs", type="scalar").height == 2


def test_nothing_in_the_archive_is_replaced():
    for content in range(3):
        make("runs/a", number=content)
        clean_runs("runs/a")
    assert sorted(path.name for path in Path("runs/archive").iterdir()) == ["a", "a-001", "a-002"]
    make("runs/a")
    assert restore_runs("a")["ok"].to_list() == [False]
    assert Path("runs/archive/a").exists()


def test_the_archive_is_that_of_the_runs():
    make("elsewhere/a", "runs/a")
    clean_runs(ls_runs(runs_dir="elsewhere"))
    assert Path("elsewhere/archive/a").exists()
    assert Path("runs/a").exists()


def test_purging_removes_runs_for_good_and_nothing_else():
    make("runs/a", "runs/b", "runs/archive/c")
    Path("runs/archive/notes.txt").write_text("x")
    Path("runs/archive/plain").mkdir()
    Path("runs/archive/linked").symlink_to(Path("runs/b").absolute())
    done = purge_runs(confirm=False)
    assert dict(done.select("run_dir", "ok").iter_rows()) == {
        "runs/archive/c": True,
        "runs/archive/linked": False,
    }
    assert sorted(path.name for path in Path("runs/archive").iterdir()) == ["linked", "notes.txt", "plain"]
    assert Path("runs/b/model.bin").exists()


def test_without_names_and_a_terminal_nothing_happens():
    make("runs/a", "runs/archive/b")
    for call in (clean_runs, purge_runs, restore_runs):
        with pytest.raises(ValueError, match="confirm=False"):
            call()
    with pytest.raises(ValueError, match="confirm=False"):
        clean_runs("runs/a", confirm=True)
    assert Path("runs/a").exists()
    assert Path("runs/archive/b").exists()
    clean_runs(confirm=False)
    assert ls_runs().is_empty()
    assert clean_runs(confirm=False).is_empty()


@pytest.mark.parametrize(
    ("answer", "moved"), [("", 1), ("y", 1), ("Yes", 1), ("n", 0), ("what", 0), (EOFError, 0)]
)
def test_a_terminal_is_asked(monkeypatch, answer, moved):
    class Terminal:
        def isatty(self):
            return True

    def ask(question):
        assert question == "Move 1 run directory to runs/archive? [Y/n]: "
        if answer is EOFError:
            raise EOFError
        return answer

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("builtins.input", ask)
    make("runs/a")
    assert len(clean_runs()) == moved
    assert Path("runs/a").exists() != bool(moved)


def test_running_runs_stay_without_force():
    make("runs/a")
    Path("runs/a/tfruns.d/properties/end").unlink()
    write_run_metadata("properties", {"completed": False}, "runs/a")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    heart = _core.Heartbeat("runs/a/tfruns.d/alive.json", child.pid)
    try:
        assert ls_runs()["status"].to_list() == ["running"]
        done = clean_runs("runs/a")
        assert done["ok"].to_list() == [False]
        assert "running" in done["problem"][0]
        assert clean_runs("runs/a", force=True)["ok"].to_list() == [True]
        assert purge_runs(confirm=False)["ok"].to_list() == [False]
    finally:
        heart.stop()
        child.communicate()
    assert ls_runs(runs_dir="runs/archive")["status"].to_list() == ["killed"]
    assert purge_runs(confirm=False)["ok"].to_list() == [True]


def test_only_real_runs_are_moved():
    make("runs/a")
    Path("outside/x").mkdir(parents=True)
    Path("runs/fake").mkdir()
    Path("runs/fake/tfruns.d").symlink_to(Path("runs/a/tfruns.d").absolute())
    Path("runs/link").symlink_to(Path("runs/a").absolute())
    done = clean_runs(["runs/fake", "runs/link", "outside/x", "runs/missing"])
    assert not done["ok"].any()
    assert Path("runs/a").exists()
    assert Path("runs/fake").exists()


def test_copies_are_whole_and_replace_nothing():
    make("runs/a", "runs/b")
    Path("runs/a/logs").mkdir()
    Path("runs/a/logs/e").write_text("e")
    assert copy_run("runs/a")["to"].to_list() == ["a"]
    assert Path("a/logs/e").exists()
    again = copy_run("runs/a")
    assert again["ok"].to_list() == [False]
    assert "exists" in again["problem"][0]
    assert copy_run(ls_runs(), to="copies", rename=["x", "y"])["ok"].all()
    assert sorted(path.name for path in Path("copies").iterdir()) == ["x", "y"]
    copy_run_files("runs/a", rename="files")
    assert sorted(path.name for path in Path("files").iterdir()) == ["model.bin"]
    with pytest.raises(ValueError, match="same length"):
        copy_run("runs/a", rename=["x", "y"])
    with pytest.raises(ValueError, match="can't be"):
        copy_run("runs/a", rename="../x")
    assert copy_run("runs/missing")["ok"].to_list() == [False]
    assert copy_run([]).is_empty()
