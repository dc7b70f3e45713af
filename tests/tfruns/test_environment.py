"""What is written down of where runs ran, by a process that starts many of them."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tfruns_rs as tfr
from tfruns_rs.tfruns import _environment, _json

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git")


@pytest.fixture(autouse=True)
def _place(tmp_path, monkeypatch):
    for name in ("author", "committer"):
        monkeypatch.setenv(f"GIT_{name.upper()}_NAME", "x")
        monkeypatch.setenv(f"GIT_{name.upper()}_EMAIL", "x@example.org")
    monkeypatch.chdir(tmp_path)


def git(*arguments: str) -> str:
    command = [shutil.which("git"), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def started(runs_dir: str = "runs") -> tuple[dict, Path]:
    """A run from start to end; what it wrote down, and where its metadata are."""
    run = tfr.create_run(runs_dir=runs_dir)
    run.finish()
    meta = Path(run.local) / "tfruns.d"
    return json.loads((meta / "environment.json").read_text()), meta


def repository() -> None:
    git("init", "-q", "-b", "trunk")
    Path("train.py").write_text("print(1)\n")
    Path(".gitignore").write_text("runs/\n")
    git("add", ".")
    git("commit", "-qm", "first")


def test_each_run_of_a_process_has_the_work_tree_it_started_in():
    repository()
    about, meta = started()
    assert about["git"]["commit"] == git("rev-parse", "HEAD")
    assert not about["git"]["dirty"]
    assert not (meta / "git.diff").exists()

    for text in ("print(2)\n", "print(3)\n"):  # of one length, as fast as one can
        Path("train.py").write_text(text)
        about, meta = started()
        assert about["git"]["changed"] == ["train.py"]
        assert f"+{text}" in (meta / "git.diff").read_text()

    git("commit", "-qam", "second")
    Path("notes ü.txt").write_text("x")
    about, meta = started()
    assert about["git"]["commit"] == git("rev-parse", "HEAD")
    assert (about["git"]["changed"], about["git"]["untracked"]) == ([], ["notes ü.txt"])
    assert about["git"]["dirty"]


def test_the_branch_the_remote_and_a_new_repository_are_those_of_the_moment():
    assert started()[0]["git"] is None
    repository()
    assert started()[0]["git"]["branch"] == "trunk"
    git("remote", "add", "origin", "https://me:token@example.org/x.git")
    assert started()[0]["git"]["remote"] == "https://example.org/x.git"
    git("remote", "set-url", "origin", "https://example.org/y.git")
    git("checkout", "-q", "-b", "other")
    about = started()[0]["git"]
    assert (about["remote"], about["branch"]) == ("https://example.org/y.git", "other")
    git("checkout", "-q", "--detach")
    git("mv", "train.py", "fit.py")
    about = started()[0]["git"]
    assert (about["branch"], about["changed"]) == ("HEAD", ["train.py -> fit.py"])


def test_a_work_tree_without_a_commit_has_nothing_to_tell():
    git("init", "-q")
    assert started()[0]["git"] is None


def test_what_a_linked_work_tree_says_is_its_own():
    repository()
    git("worktree", "add", "-q", "-b", "beside", "tree")
    about = _environment.record_environment(str(Path("run").absolute()), [], str(Path("tree").absolute()))
    assert about["git"]["branch"] == "beside"
    assert Path(about["git"]["root"]) == Path("tree").resolve()


def test_git_is_asked_once_for_a_run_and_never_outside_a_work_tree(monkeypatch):
    asked: list[str] = []
    run_git = _environment._run_git
    monkeypatch.setattr(
        _environment, "_run_git", lambda place, *words: asked.append(words[0]) or run_git(place, *words)
    )
    started()
    assert asked == []
    repository()
    started()
    asked.clear()
    started()
    assert asked == ["status"]
    Path("train.py").write_text("print(2)\n")
    asked.clear()
    started()
    assert asked == ["status", "diff"]


def test_a_package_that_is_installed_meanwhile_is_seen(tmp_path, monkeypatch):
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    assert "justnow" not in started()[0]["packages"]
    (site / "justnow-1.5.dist-info").mkdir()
    packages = started()[0]["packages"]
    assert packages["justnow"] == "1.5"


def test_objects_of_texts_look_like_all_others():
    texts = {"a": "1", "b, c": 'x, "y": z', "ü": "\n"}
    plain = _json.dumps({"packages": {**texts, "number": 1}, "last": {"deeper": {**texts, "number": 1}}})
    quick = _json.dumps({"packages": texts, "last": {"deeper": texts}})
    assert quick.decode() == re.sub(r',\n +"number": 1', "", plain.decode())
    assert json.loads(quick)["last"]["deeper"] == texts
