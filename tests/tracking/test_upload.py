"""Uploads to a shared directory: names, strategies, what is sent, and what a reader sees."""

import contextlib
import inspect
import json
import os
from pathlib import Path

import pytest

import tfruns_rs as tfr
from tfruns_rs.tracking import _nodes
from tracking.destinations import everything, resolve

STRATEGIES = ["skip", "error", "new", "replace"]


def test_22_defaults_are_the_originals(destination, new_run):
    parameters = inspect.signature(tfr.Run.upload).parameters
    assert [(name, parameters[name].default) for name in list(parameters)[1:4]] == [
        ("folder", "default"),
        ("make_folder", False),
        ("conflict_strategy", "new"),
    ]
    run = new_run()
    assert run.upload() is None
    assert resolve(destination, "/me/default/mnist") == run.alternative_name


@pytest.mark.parametrize(
    ("folder", "path"), [("a/b", "/me/a/b/mnist"), ("/a/b", "/a/b/mnist"), ("/a/b/", "/a/b/mnist")]
)
def test_23_a_relative_folder_is_the_users(destination, new_run, folder, path):
    run = new_run()
    run.upload(folder, make_folder=True)
    assert run.remote[-1]["path"] == path
    assert resolve(destination, path) == run.alternative_name


@pytest.mark.parametrize("folder", ["../x", "/a//b", "a/./b", "/a/.tfruns", "a\\b", "x.node", ""])
def test_23_a_folder_that_is_none_is_refused(destination, new_run, folder):
    before = everything(destination)
    with pytest.raises(ValueError, match="no folder"):
        new_run().upload(folder, make_folder=True)
    assert everything(destination) == before


def test_24_a_missing_folder_is_made_only_on_request(destination, new_run):
    run = new_run()
    before = everything(destination)
    with pytest.raises(ValueError, match="make_folder=True"):
        run.upload("team/project")
    assert everything(destination) == before
    run.upload("team/project", make_folder=True)
    assert {"me/.folder.json", "me/team/.folder.json", "me/team/project/.folder.json"} <= set(
        everything(destination)
    )
    run.upload()  # the own default needs no request


def test_25_skip_changes_nothing(destination, new_run):
    new_run().upload()
    before, late = everything(destination), new_run()
    late.upload(conflict_strategy="skip")
    assert everything(destination) == before
    assert late.remote == []


def test_26_error_raises_and_names_the_holder(destination, new_run):
    first, late = new_run(), new_run()
    first.upload()
    before = everything(destination)
    with pytest.raises(RuntimeError, match=first.alternative_name) as caught:
        late.upload(conflict_strategy="error")
    assert isinstance(caught.value, tfr.errors.ConflictError)
    assert everything(destination) == before
    assert late.remote == []


def test_27_new_uploads_under_the_alternative_name_once(destination, new_run):
    first, late = new_run(), new_run()
    first.upload()
    for _ in range(3):
        late.upload()
        assert sorted(name for name in destination.names("me/default") if name.endswith(".node")) == [
            "mnist.node",
            f"{late.alternative_name}.node",
        ]
    assert resolve(destination, "/me/default/mnist") == first.alternative_name
    assert resolve(destination, f"/me/default/{late.alternative_name}") == late.alternative_name
    assert len(late.remote) == 1


def test_28_replace_takes_over_the_name(destination, new_run):
    first, late = new_run(), new_run()
    first.upload()
    late.upload(conflict_strategy="replace")
    assert resolve(destination, "/me/default/mnist") == late.alternative_name
    assert tfr.load_run("default/mnist", runs_dir="elsewhere-28").alternative_name == late.alternative_name


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_30_the_same_run_is_updated_in_place_and_only_changes_are_sent(destination, strategy):
    run = tfr.create_run(name="mnist")
    Path(run.local, "weights.bin").write_bytes(os.urandom(100_000))
    run.log("train", {"loss": 0.1}, step=1)
    run.upload()
    run.log("train", {"loss": 0.2}, step=2)
    blobs = everything(destination, ".tfruns/blobs")
    run.upload(conflict_strategy=strategy)
    fresh = set(everything(destination, ".tfruns/blobs")) - set(blobs)
    assert 1 <= len(fresh) <= 2  # the event file
    assert sorted(destination.names("me/default")) == [".folder.json", "mnist.node"]
    run.finish()
    run.upload(conflict_strategy=strategy)
    assert resolve(destination, "/me/default/mnist") == run.alternative_name
    assert tfr.load_run("default/mnist", runs_dir="elsewhere").metrics == run.metrics


def test_31_an_unknown_strategy_is_refused_before_anything_happens(destination, new_run):
    before = everything(destination)
    with pytest.raises(ValueError, match="skip, error, new, replace"):
        new_run().upload(conflict_strategy="zzz")
    assert everything(destination) == before


def test_33_artifacts_and_edges_go_along_once(destination, new_run, tmp_path):
    run = new_run()
    (tmp_path / "data.csv").write_text("1,2\n")
    data, model = tfr.create_artifact("data"), tfr.create_artifact("model")
    data.add_file(tmp_path / "data.csv")
    model.add_file(f"{run.local}/weights.bin")
    run.mark_input(data)
    run.mark_output(model)
    run.upload()
    assert resolve(destination, "/me/default/data") == data.alternative_name
    assert resolve(destination, "/me/default/model") == model.alternative_name
    edges = everything(destination, ".tfruns/graph")
    assert {tuple(json.loads(edge)[end]["id"] for end in ("from", "to")) for edge in edges.values()} == {
        (data.alternative_name, run.alternative_name),
        (run.alternative_name, model.alternative_name),
    }
    before = everything(destination)
    run.upload()
    assert everything(destination) == before
    run.log_after = run.labels = ["again"]
    run.upload()
    assert everything(destination, ".tfruns/graph") == edges
    assert destination.names("me/default/model.node") == ["00000000.json"]


def test_33_an_unrelated_artifact_of_the_same_name_does_not_lose_the_edge(destination, new_run, tmp_path):
    (tmp_path / "x").write_text("x")
    taken = tfr.create_artifact("model")
    taken.add_file(tmp_path / "x")
    taken.upload()
    run, model = new_run(), tfr.create_artifact("model")
    model.add_reference("s3://elsewhere/model", "model")
    run.mark_output(model)
    run.upload(conflict_strategy="skip")
    assert resolve(destination, f"/me/default/{model.alternative_name}") == model.alternative_name
    assert len(everything(destination, ".tfruns/graph")) == 1


class FailingDestination:
    """A destination whose n-th operation fails."""

    def __init__(self, inner, number):
        self.inner, self.left = inner, number

    def __getattr__(self, name):
        value = getattr(self.inner, name)
        if name not in {"create", "read", "stream", "exists", "names"}:
            return value

        def operation(*args):
            self.left -= 1
            if self.left == 0:
                raise OSError(5, "Input/output error")
            return value(*args)

        return operation


def test_34_history_is_written_only_after_success(destination, new_run, monkeypatch):
    run = new_run()
    login = tfr.tracking._login._login
    failed = 0
    for number in range(1, 200):
        broken = login._replace(destination=FailingDestination(destination, number))
        monkeypatch.setattr(tfr.tracking._login, "_login", broken)
        with contextlib.suppress(tfr.errors.UploadError):
            run.upload()
            break
        assert tfr.load_run(run.local).remote == []
        failed += 1
    assert failed > 10
    entry = run.remote[-1]
    assert entry["action"] == "upload"
    assert entry["timestamp"] > run.end_timestamp
    assert (entry["host"], entry["path"]) == (destination.url, "/me/default/mnist")
    assert entry["id"] == run.alternative_name
    assert len(run.remote) == 1
    assert resolve(destination, "/me/default/mnist") == run.alternative_name


def test_35_a_download_is_the_original(destination, new_run, tmp_path, monkeypatch):
    run = new_run(hparams={"lr": 0.1, "nested": {"on": True}})
    run.upload()
    platform, git = run.platform, run.git
    monkeypatch.setattr("tfruns_rs.tracking._create_run.write_environment", None)
    again = tfr.load_run("/me/default/mnist", runs_dir=tmp_path / "other machine")
    assert again.metrics == run.metrics
    assert again.hparams == run.hparams
    assert (again.platform, again.git) == (platform, git)
    assert [entry["action"] for entry in again.remote] == ["download"]
    assert again.status == "Complete"
    once_more = tfr.load_run("/me/default/mnist", runs_dir=tmp_path / "other machine")
    assert once_more.local == again.local
    again.upload()
    assert destination.names("me/default/mnist.node") == ["00000000.json"]


@pytest.mark.usefixtures("destination")
def test_35_a_download_keeps_what_has_gone_on_and_refuses_what_went_apart(new_run, tmp_path):
    run = new_run()
    run.upload()
    run.labels = ["ahead"]
    with pytest.warns(UserWarning, match="ahead of the destination"):
        assert tfr.load_run("default/mnist").labels == ["ahead"]
    other = tfr.load_run("default/mnist", runs_dir=tmp_path / "other")
    other.labels = ["apart"]
    other.upload()
    with pytest.raises(RuntimeError, match="both changed"):
        tfr.load_run("default/mnist")
    assert tfr.load_run(run.local).labels == ["ahead"]


def test_35_damage_at_the_destination_is_no_run(destination, new_run, tmp_path):
    run = new_run()
    run.upload()
    manifest = _nodes.current(destination, "/me/default/mnist").pointer["manifest"]
    digest = next(
        file["chunks"][0][0]
        for file in _nodes.read_manifest(destination, manifest)["files"]
        if file["path"] == "weights.bin"
    )
    Path(destination.path(_nodes.blob_path(digest))).write_bytes(b"other bytes")
    with pytest.raises(RuntimeError, match="damaged"):
        tfr.load_run("default/mnist", runs_dir=tmp_path / "other")
    assert list((tmp_path / "other").iterdir()) == []


@pytest.mark.parametrize("path", ["../evil", "/etc/x", "a/../../b", "a//b", "c:x", "a\\b", ""])
def test_a_hostile_manifest_is_refused(path):
    digest = "0" * 64
    with pytest.raises(ValueError, match="manifest"):
        _nodes.check_manifest(
            {"directory": "d", "files": [{"path": path, "size": 0, "chunks": [[digest, 0]]}]}
        )


@pytest.mark.usefixtures("destination")
def test_there_is_nothing_at_the_path():
    with pytest.raises(FileNotFoundError, match="there is no default/nothing"):
        tfr.load_run("default/nothing")


def test_nobody_is_logged_in(new_run):
    with pytest.raises(RuntimeError, match="login"):
        new_run().upload()
    with pytest.warns(UserWarning, match="without login"):
        tfr.logout()


def test_keys_and_hidden_files_stay_behind(destination, new_run):
    run = new_run()
    Path(run.local, ".env").write_text("TOKEN=secret")
    Path(run.local, "server.pem").write_text("secret")
    with pytest.warns(UserWarning, match=r"look like keys: server\.pem"):
        run.upload()
    assert not [path for path, data in everything(destination).items() if b"secret" in data]


def test_many_runs_go_in_one_call_and_the_second_time_nothing_is_sent(destination, new_run, monkeypatch):
    runs = [new_run(name=f"run-{n}") for n in range(5)]
    for path in Path("runs").rglob("*"):
        if path.is_file():
            os.utime(path, ns=(path.stat().st_mtime_ns - 10**10,) * 2)
    frame = tfr.upload("runs")
    assert frame["action"].to_list() == ["created"] * 5
    assert frame["bytes_sent"].min() > 5000
    monkeypatch.setattr(type(destination), "create", None)
    again = tfr.upload("runs")
    assert again["action"].to_list() == ["unchanged"] * 5
    assert again["bytes_sent"].sum() == 0
    monkeypatch.undo()
    runs[3].labels = ["changed"]
    tfr.login(destination.root, user="me")
    os.environ["TFRUNS_RUNS_DIR"] = "runs"
    assert tfr.upload(Path(runs[0].local).parent)["action"].to_list() == [
        "updated" if run is runs[3] else "unchanged" for run in runs
    ]
    with pytest.raises(FileNotFoundError):
        tfr.upload("nowhere")


def test_runs_that_started_in_the_same_second_are_told_apart(destination):
    for _ in range(3):
        tfr.training_run(lambda: None, runs_dir="recorded", echo=False, artifacts_dir=None)
    same = ("2026-11-24T10-00-00Z", "2026-11-24T10-00-00Z-001", "2026-11-24T10-00-00Z-002")
    for name in same:  # R's: no name of their own, so that of the script
        about = {"script": "train.R", "start": 1795514400.5, "end": 1795514401.5, "completed": True}
        tfr.write_run_metadata("properties", about, f"r/{name}")
    assert tfr.upload("recorded")["action"].to_list() == ["created"] * 3
    reports = tfr.upload("r")
    assert reports["action"].to_list() == ["created", "renamed", "renamed"]
    assert reports["path"].n_unique() == 3
    for path, local in reports.select("path", "local").iter_rows():
        assert resolve(destination, path) == tfr.load_run(local).alternative_name
    assert set(tfr.upload("r")["action"]) == set(tfr.upload("recorded")["action"]) == {"unchanged"}
