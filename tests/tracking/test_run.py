"""Runs as objects."""

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import tfruns_rs as tfr
from tfruns_rs.tracking._run import Run

METADATA = {
    "name": "default",
    "labels": [],
    "description": "",
    "startTimestamp": "2026-01-01T00:00:00.000000+00:00",
    "endTimestamp": None,
    "status": "Running",
    "alternativeName": "default_260101_000000_abc123",
    "associations": {},
    "remote": [],
}
ARTIFACT = {
    "name": "a",
    "labels": [],
    "description": "",
    "createdTimestamp": "2026-01-01T00:00:00.000000+00:00",
    "alternativeName": "a_260101_000000_abc123",
    "remote": [],
}
ATTRIBUTES = [
    "name",
    "labels",
    "description",
    "start_timestamp",
    "end_timestamp",
    "status",
    "alternative_name",
    "associations",
    "hparams",
    "metrics",
    "platform",
    "git",
    "remote",
    "local",
]


@pytest.fixture
def run(tmp_path):
    run = tfr.create_run(name="mnist", hparams={"lr": 0.01}, runs_dir=tmp_path / "runs")
    yield run
    if run.status == "Running":
        run.finish()


def record_of(run):
    return json.loads(Path(run.local, "tfruns.d/run.json").read_text())


def test_01_a_run_in_memory_needs_only_its_metadata():
    run = Run(METADATA)
    for name in ATTRIBUTES:
        getattr(run, name)
    assert run.local is None
    assert run.metrics == {}


def test_02_a_missing_key_is_named():
    with pytest.raises(KeyError, match="alternativeName, remote"):
        Run({key: value for key, value in METADATA.items() if key not in {"remote", "alternativeName"}})


def test_03_associations_and_remote_start_empty(run):
    assert run.associations == {"input": [], "output": []}
    assert run.remote == []


def test_04_a_document_parsed_again_is_the_same(run):
    run.mark_input(tfr.Artifact(ARTIFACT))
    before = run.to_dict()
    assert run.parse_from_dict(json.loads(json.dumps(before))) is None
    assert run.to_dict() == before
    assert tfr.load_run(run.local).to_dict() == before


def test_05_the_document_has_the_original_keys(run):
    assert set(run.to_dict()) == {"kind", *METADATA}
    assert run.to_dict()["kind"] == "Run"


def test_06_the_directory_is_a_stamp_and_the_record_holds_the_identity(run):
    assert re.search(r"/\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ(-\d{3})?$", run.local)
    assert record_of(run)["alternative_name"] == run.alternative_name


def test_07_the_alternative_name_has_a_time_and_chance(run, tmp_path):
    assert re.fullmatch(r"mnist_\d{6}_\d{6}_[a-z0-9]{6}", run.alternative_name)
    with tfr.create_run(name="mnist", runs_dir=tmp_path / "runs") as other:
        assert other.alternative_name != run.alternative_name
        assert other.local != run.local


def test_08_a_run_runs_until_it_is_finished(run):
    assert (run.status, run.end_timestamp) == ("Running", None)
    run.finish()
    assert run.status == "Complete"
    assert run.end_timestamp >= run.start_timestamp
    assert tfr.load_run(run.local).to_dict() == run.to_dict()
    assert tfr.ls_runs(runs_dir=Path(run.local).parent)["status"].to_list() == ["completed"]


def test_09_a_second_finish_is_refused(run):
    run.finish()
    before = run.to_dict()
    with pytest.raises(RuntimeError, match="ended before"):
        run.finish()
    assert run.to_dict() == before


@pytest.mark.parametrize(
    ("end", "status", "effective"),
    [
        ("pass", "Error", "failed"),
        ("raise ValueError('diverged')", "Error", "failed"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "Error", "killed"),
        ("import os; os.fork() or sys.exit()\nos.wait(); run.finish()", "Complete", "completed"),
    ],
)
def test_10_a_process_that_ends_without_finish_is_an_error(tmp_path, end, status, effective):
    script = (
        "import sys, tfruns_rs as tfr\nrun = tfr.create_run(runs_dir=sys.argv[1])\n"
        f"print(run.local, flush=True)\n{end}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False
    )
    run = tfr.load_run(done.stdout.split()[0])
    assert (run.status, run.effective_status) == (status, effective)
    assert (run.end_timestamp is None) == (effective == "killed")
    if "diverged" in end:
        assert tfr.run_info(run.local).error_message == "diverged"


def test_an_exception_ends_the_run_as_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), tfr.create_run(runs_dir=tmp_path) as run:
        1 / 0  # noqa: B018
    assert run.status == "Error"
    info = tfr.run_info(run.local)
    assert info.error_message == "division by zero"
    assert "ZeroDivisionError" in info.error_traceback
    assert tfr.active_run() is None


def test_16_step_is_required_and_may_be_a_whole_float():
    run = Run(METADATA)
    with pytest.raises(TypeError, match="step"):
        run.log("train", {"loss": 1})
    run.log("train", {"loss": 1}, 3.0)
    assert run.metrics["train"][0]["sequence"]["step"] == 3
    for step in (3.5, "3", None, float("nan")):
        with pytest.raises(TypeError, match="step is a whole number"):
            run.log("train", {"loss": 1}, step)
    assert len(run.metrics["train"]) == 1


def test_labels_and_description_are_written_at_once(run):
    run.labels = ["a", "b"]
    run.description = "first try"
    again = tfr.load_run(run.local)
    assert (again.labels, again.description) == (["a", "b"], "first try")
    with pytest.raises(TypeError):
        run.labels = "ab"


@pytest.mark.parametrize("name", ["", "-a", "a b", "a" * 41, "ä", "../x", "a/b"])
def test_a_name_is_checked_before_anything_is_made(tmp_path, name):
    with pytest.raises(ValueError, match="no name"):
        tfr.create_run(name=name, runs_dir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_configuration_file_wins(tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text(
        textwrap.dedent("""
        name: from-file
        hparams: {lr: 0.5}
        labels: [x]
    """)
    )
    with tfr.create_run(config, name="argument", description="kept", runs_dir=tmp_path) as run:
        assert (run.name, run.hparams.lr, run.labels) == ("from-file", 0.5, ["x"])
        assert run.description == "kept"
    config.write_text("nmae: x")
    with pytest.raises(ValueError, match="unknown nmae"):
        tfr.create_run(config)


def test_runs_nest_and_the_inner_one_is_active(tmp_path):
    with tfr.create_run(runs_dir=tmp_path) as outer:
        with tfr.create_run(runs_dir=tmp_path) as inner:
            assert tfr.active_run() is inner
            assert tfr.run_info(inner.local).parent == Path(outer.local).name
        assert tfr.active_run() is outer
    assert tfr.active_run() is None


def test_a_run_opened_for_reading_does_not_change(run):
    run.finish()
    again = tfr.load_run(run.local)
    for change in (
        lambda: again.log("train", {"loss": 1}, 1),
        lambda: again.hparams.update(lr=1),
        again.finish,
    ):
        with pytest.raises(RuntimeError, match="opened for reading"):
            change()
    assert again.hparams == {"lr": 0.01}


def test_resuming_keeps_the_first_session(run):
    run.fail("out of memory")
    first = run.git
    again = tfr.load_run(run.local, resume=True)
    assert (again.status, again.end_timestamp) == ("Running", None)
    assert again.effective_status == "running"
    with pytest.raises(RuntimeError, match="running already"):
        tfr.load_run(run.local, resume=True)
    again.hparams.lr = 0.02
    again.finish()
    sessions = record_of(run)["sessions"]
    assert [session["completed"] for session in sessions] == [False, True]
    assert sessions[0]["error"]["message"] == "out of memory"
    assert sessions[1]["host"] == run.platform["hostname"]
    assert tfr.load_run(run.local).git == first
    assert tfr.ls_runs(runs_dir=Path(run.local).parent)["status"].to_list() == ["completed"]


def test_there_is_no_such_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run"):
        tfr.load_run(tmp_path)
