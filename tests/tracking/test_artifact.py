"""Artifacts, and marking them."""

import hashlib
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

import tfruns_rs as tfr


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A directory `a` with two files, which is where the test is."""
    monkeypatch.chdir(tmp_path)
    Path("a/sub").mkdir(parents=True)
    Path("a/1.txt").write_text("one")
    Path("a/sub/2.txt").write_text("two")
    return tmp_path


@pytest.fixture
def artifact(tree):  # noqa: ARG001 - it is where the test is
    return tfr.create_artifact("data", labels=["x"], description="y")


@pytest.mark.parametrize(
    ("obj_path", "found"),
    [
        (None, "1.txt"),
        ("b", "b"),
        ("/b", "b"),
        ("b/", "b/1.txt"),
        ("b/c", "b/c"),
        ("/", "1.txt"),
        ("", "1.txt"),
    ],
)
def test_38_where_a_file_goes(artifact, obj_path, found):
    artifact.add_file("a/1.txt", obj_path)
    assert list(artifact.objects) == [found]
    assert Path(artifact.local, found).read_text() == "one"


@pytest.mark.parametrize(
    ("dir_path", "obj_path", "root"),
    [("a", None, "a"), ("a/", None, "a"), ("a", "b/", "b/a"), ("a", "b/a", "b/a")],
)
def test_38_where_a_directory_goes(artifact, dir_path, obj_path, root):
    assert artifact.add_dir(dir_path, obj_path) == 2
    assert sorted(artifact.objects) == [f"{root}/1.txt", f"{root}/sub/2.txt"]


@pytest.mark.parametrize(
    "path",
    [
        "metadata.yaml",
        "references.yaml",
        ".artifact.json",
        "../x",
        "a/../../x",
        "a//b",
        "C:/x",
        "a\\b",
        "./x",
        "a\0",
    ],
)
def test_38_paths_that_leave_or_collide_are_refused(artifact, path):
    before = sorted(Path(artifact.local).rglob("*"))
    with pytest.raises(ValueError, match=r"no path inside|reserved"):
        artifact.add_file("a/1.txt", path)
    with pytest.raises(ValueError, match=r"no path inside|reserved"):
        artifact.add_reference("s3://b/x", path)
    assert sorted(Path(artifact.local).rglob("*")) == before
    assert artifact.objects == {}


def test_38_a_path_is_a_file_or_a_reference(artifact):
    artifact.add_file("a/1.txt")
    artifact.add_reference("s3://b/2.txt")
    with pytest.raises(ValueError, match="is a file"):
        artifact.add_reference("s3://b/1.txt")
    with pytest.raises(ValueError, match="is a reference"):
        artifact.add_file("a/sub/2.txt")
    with pytest.raises(ValueError, match="in its way"):
        artifact.add_file("a/1.txt", "1.txt/below")
    assert artifact.objects["2.txt"] == {"path": "2.txt", "uri": "s3://b/2.txt"}


def test_38_the_checksum_is_of_the_bytes(artifact):
    data = os.urandom(3_000_000)
    Path("big").write_bytes(data)
    artifact.add_file("big")
    assert artifact.objects["big"] == {
        "path": "big",
        "size_bytes": len(data),
        "checksum": hashlib.md5(data).hexdigest(),  # noqa: S324
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    Path("big").write_bytes(b"changed later")
    assert artifact.verify().is_empty()
    assert Path(artifact.local, "big").stat().st_nlink == 1


def test_a_damaged_object_is_found(artifact):
    artifact.add_dir("a")
    Path(artifact.local, "a/1.txt").write_text("two")
    Path(artifact.local, "a/sub/2.txt").unlink()
    assert artifact.verify()["path"].to_list() == ["a/1.txt", "a/sub/2.txt"]


def test_a_missing_file_is_told(artifact):
    for add in (artifact.add_file, artifact.add_dir):
        with pytest.raises(RuntimeError, match="there is no"):
            add("nothing")


def test_what_is_no_file_is_left_out_with_a_warning(artifact, tmp_path):
    Path("outside").write_text("secret")
    Path("a/out").symlink_to(tmp_path / "outside")
    Path("a/inside").symlink_to("1.txt")
    os.mkfifo("a/pipe")
    with pytest.warns(UserWarning, match="left out"):
        assert artifact.add_dir("a") == 3
    assert sorted(artifact.objects) == ["a/1.txt", "a/inside", "a/sub/2.txt"]


def test_a_frozen_artifact_takes_the_same_again_and_nothing_new(artifact):
    artifact.add_file("a/1.txt")
    artifact.freeze()
    artifact.add_file("a/1.txt")
    for change in (
        lambda: artifact.add_file("a/sub/2.txt"),
        lambda: artifact.add_file("a/sub/2.txt", "1.txt"),
        lambda: artifact.add_reference("s3://b/x"),
    ):
        with pytest.raises(RuntimeError, match="frozen"):
            change()
    assert tfr.load_artifact(artifact.local).is_frozen


def test_an_artifact_loads_as_it_was(artifact):
    artifact.add_dir("a")
    again = tfr.load_artifact(artifact.alternative_name)
    assert again.to_dict() == artifact.to_dict()
    assert again.objects == artifact.objects
    assert again.frame().schema.names() == ["path", "size_bytes", "checksum", "sha256", "uri"]
    with pytest.raises(FileNotFoundError):
        tfr.load_artifact("a")


@pytest.fixture
def run(tree):  # noqa: ARG001 - it is where the test is
    with tfr.create_run() as run:
        yield run


def test_18_marking_twice_is_one_entry_on_the_disk(run, artifact):
    artifact.add_file("a/1.txt")
    for _ in range(2):
        run.mark_output(artifact)
    record = json.loads(Path(run.local, "tfruns.d/run.json").read_text())
    assert record["associations"]["output"] == [
        {
            "kind": "Artifact",
            "name": artifact.alternative_name,
            "localDir": artifact.local,
            "fingerprint": artifact.fingerprint(),
        }
    ]
    assert artifact.is_frozen


def test_19_input_and_output_are_apart(run, artifact):
    run.mark_input(artifact)
    run.mark_output(artifact)
    assert [len(entries) for entries in run.associations.values()] == [1, 1]


@pytest.mark.parametrize(
    "thing", ["a string that is no resource", 3, None, object(), ["x"], SimpleNamespace(kind="cat")]
)
def test_20_what_is_no_resource_is_refused(run, thing):
    with pytest.raises(TypeError, match="is no resource"):
        run.mark_input(thing)
    assert run.associations == {"input": [], "output": []}


def test_20_paths_and_urls_say_what_they_are(run):
    run.mark_input(Path("a"))
    run.mark_input(tfr.Url("s3://bucket/data.parquet"))
    assert [(entry["kind"], entry["path"]) for entry in run.associations["input"]] == [
        ("Path", str(Path("a").absolute())),
        ("Url", "s3://bucket/data.parquet"),
    ]


def test_21_assets_and_their_references(run):
    model = SimpleNamespace(kind="Model", id="42", path="/user/folder/model")
    branch = SimpleNamespace(kind="branch", name="main", asset=model)
    commit = SimpleNamespace(kind="commit", id="abc", asset=model)
    for resource in (model, branch, commit, model, branch, commit):
        run.mark_input(resource)
    assert run.associations["input"] == [
        {"kind": "Model", "id": "42", "path": "/user/folder/model"},
        {"kind": "branch", "id": "42:main", "path": "/user/folder/model:main"},
        {"kind": "commit", "id": "42:abc", "path": "/user/folder/model:abc"},
    ]


def test_a_run_may_be_an_input(run):
    with tfr.create_run(name="first") as first:
        pass
    run.mark_input(first)
    assert run.associations["input"][0]["kind"] == "Run"
