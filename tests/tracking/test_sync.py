"""Uploads and samples in the background."""

import subprocess
import sys
import time

import pytest

import tfruns_rs as tfr
from tfruns_rs.tracking import _nodes, _sync
from tracking.destinations import resolve


@pytest.fixture(autouse=True)
def _quick(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_sync, "INTERVAL_SECS", 0.05)


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_run_is_uploaded_while_it_runs_and_at_its_end(destination):
    run = tfr.create_run(name="live", auto_upload=True)
    run.log("train", {"loss": 1}, step=1)
    wait_for(lambda: run.sync_status.uploads > 0)
    assert resolve(destination, "/me/default/live") == run.alternative_name
    run.log("train", {"loss": 2}, step=2)
    run.finish()
    status = run.sync_status
    assert (status.state, status.last_error) == ("stopped", None)
    assert status.bytes_sent > 0
    again = tfr.load_run("default/live", runs_dir="elsewhere")
    assert again.status == "Complete"
    assert again.metrics == run.metrics


def test_trouble_stays_in_the_status(destination, monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(type(destination), "create", full)
        run = tfr.create_run(name="live", auto_upload=True)
        wait_for(lambda: run.sync_status.last_error)
        assert "No space left on device" in run.sync_status.last_error
        for step in range(100):
            run.log("train", {"loss": step}, step=step)
    wait_for(lambda: run.sync_status.uploads > 0)
    assert run.sync_status.last_error is None
    run.finish()
    assert resolve(destination, "/me/default/live") == run.alternative_name


def test_a_run_that_was_never_finished_arrives_as_an_error(destination):
    script = (
        "import sys, tfruns_rs as tfr\n"
        "tfr.login(sys.argv[1], user='me')\n"
        "run = tfr.create_run(name='live', auto_upload=True)\n"
        "run.log('train', {'loss': 1}, step=1)\n"
        "raise ValueError('diverged')\n"
    )
    subprocess.run([sys.executable, "-c", script, destination.root], check=False, stderr=subprocess.DEVNULL)
    assert _nodes.current(destination, "/me/default/live") is not None
    again = tfr.load_run("default/live", runs_dir="elsewhere-too")
    assert again.status == "Error"


def test_without_a_destination_no_run_is_made(tmp_path):
    with pytest.raises(RuntimeError, match="login"):
        tfr.create_run(auto_upload=True)
    assert not (tmp_path / "runs").exists()


def test_system_metrics_are_sampled_on_request():
    pytest.importorskip("psutil")
    run = tfr.create_run(system_metrics=0.02)
    wait_for(lambda: len(run.metrics.get("system", [])) > 3)
    run.finish()
    samples = run.metrics["system"]
    assert samples[0]["value"]["process_memory_bytes"] > 1e6
    assert [entry["sequence"]["step"] for entry in samples] == list(range(len(samples)))


def test_a_run_knows_its_machine_and_its_sources(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.invalid"]
    with tfr.create_run() as run:
        assert run.git["commit"] is None
    for command in (
        ["init", "-q", "-b", "trunk"],
        ["remote", "add", "origin", "https://user:token@host/x.git"],
    ):
        subprocess.run([*git, *command], check=True)
    (tmp_path / "a.py").write_text("1")
    subprocess.run([*git, "add", "a.py"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "first"], check=True)
    with tfr.create_run() as run:
        head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
        assert run.git["commit"] == head.strip()
        assert (run.git["branch"], run.git["is_dirty"]) == ("trunk", False)
        assert run.git["remote_url"] == "https://host/x.git"
        assert run.platform["pypkgs"]["polars"]
        assert run.platform["cpu"]["count"] > 0
        assert run.platform["memory_bytes"] > 1e8
    (tmp_path / "a.py").write_text("2")
    with tfr.create_run() as run:
        assert run.git["is_dirty"] is True
