"""Uploads to object stores, each served by a process of its own on the loopback device."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tfruns_rs as tfr
from tfruns_rs.tracking import _login
from tracking import stores
from tracking.destinations import resolve

pytest.importorskip("obstore")

HERE = Path(__file__).parent
THOROUGH = "TFRUNS_TEST_REMOTE" in os.environ  # all that is slow, and nothing skipped: `make test-remote`


@pytest.fixture(scope="module", params=["s3", "gcs", "azure"])
def server(request, tmp_path_factory):
    """Makes buckets: their address, and the options to open them with."""
    if request.param == "s3" and not THOROUGH:
        pytest.importorskip("moto.server")
    if request.param == "azure" and not THOROUGH and stores.AZURITE is None:
        pytest.skip("Azurite is not installed; `make test-remote` does that")
    with getattr(stores, request.param)(tmp_path_factory.mktemp(request.param)) as bucket:
        yield bucket


@pytest.fixture
def options(server, tmp_path):
    """A bucket of its own."""
    name = re.sub("[^a-z0-9]+", "-", tmp_path.name.lower())
    return server(f"bucket-{name}"[:60].rstrip("-"))


@pytest.fixture
def bucket(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url, storage_options = options
    tfr.login(f"{url}/team", user="me", storage_options=storage_options)
    return _login.current_login().destination


def test_a_run_goes_up_and_comes_down(bucket, new_run, tmp_path):
    run = new_run(hparams={"lr": 0.1})
    artifact = tfr.create_artifact("model")
    artifact.add_file(f"{run.local}/weights.bin")
    run.mark_output(artifact)
    run.upload()
    assert resolve(bucket, "/me/default/mnist") == run.alternative_name
    assert resolve(bucket, "/me/default/model") == artifact.alternative_name
    assert len(bucket.names(".tfruns/graph")) == 1
    again = tfr.load_run("default/mnist", runs_dir=tmp_path / "other")
    assert (again.metrics, again.hparams, again.git) == (run.metrics, run.hparams, run.git)
    model = tfr.load_artifact("default/model", artifacts_dir=tmp_path / "other artifacts")
    assert model.objects == artifact.objects
    assert model.verify().is_empty()


def test_an_endpoint_of_the_environment_need_not_be_encrypted(options, new_run, tmp_path, monkeypatch):
    url, storage_options = options
    if not url.startswith("s3:"):
        pytest.skip("AWS_ENDPOINT_URL is for S3 alone")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", storage_options["endpoint"])
    keys = {name: storage_options[name] for name in ("access_key_id", "secret_access_key", "region")}
    tfr.login(f"{url}/team", user="me", storage_options=keys)
    assert tfr.upload(new_run().local)["action"].to_list() == ["created"]


def test_a_large_file_goes_in_pieces_and_only_its_new_ones_are_sent_again(bucket, new_run, monkeypatch):
    monkeypatch.setattr(bucket, "chunk_bytes", 1 << 20)
    run = new_run()
    data = os.urandom(3_500_000)
    Path(run.local, "weights.bin").write_bytes(data)
    frame = tfr.upload(run.local)
    assert frame["bytes_sent"][0] > len(data)
    Path(run.local, "weights.bin").write_bytes(data + b"more")
    frame = tfr.upload(run.local)
    assert frame["action"][0] == "updated"
    assert frame["bytes_sent"][0] == 3_500_004 - 3 * (1 << 20)
    assert resolve(bucket, "/me/default/mnist") == run.alternative_name


@pytest.mark.parametrize(
    ("strategy", "action"), [("skip", "skipped"), ("new", "renamed"), ("replace", "replaced")]
)
def test_the_strategies(bucket, new_run, strategy, action):
    first, late = new_run(), new_run()
    first.upload()
    frame = tfr.upload(late.local, conflict_strategy=strategy)
    assert frame["action"].to_list() == [action]
    holder = late if strategy == "replace" else first
    assert resolve(bucket, "/me/default/mnist") == holder.alternative_name


@pytest.mark.usefixtures("bucket")
def test_error_refuses(new_run):
    new_run().upload()
    with pytest.raises(RuntimeError, match="has another 'mnist'"):
        new_run().upload(conflict_strategy="error")


def contest(options, tmp_path, mode, *arguments):
    (tmp_path / "work").mkdir()
    url, storage_options = options
    done = subprocess.run(
        [sys.executable, HERE / "contest.py", mode, url, tmp_path / "work", *arguments],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(HERE.parent), *sys.path[1:]]),
            "TFRUNS_RUNS_DIR": "runs",
            "STORAGE_OPTIONS": json.dumps(storage_options),
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_29_a_replace_killed_at_any_step_leaves_one_whole_run(options, tmp_path):
    told = contest(options, tmp_path, "kill", "1" if THOROUGH else "17")
    assert told["steps"] > 50
    assert told["old"] >= 3
    assert told["new"] >= 1


@pytest.mark.parametrize(
    ("strategy", "statuses", "nodes"),
    [("error", [0, 7, 7], 1), ("new", [0, 0, 0], 3), ("skip", [0, 3, 3], 1), ("replace", [0, 0, 0], 1)],
)
def test_32_of_uploads_at_once_each_strategy_keeps_its_word(options, tmp_path, strategy, statuses, nodes):
    for told in contest(options, tmp_path, "race", strategy, "3", "10" if THOROUGH else "1"):
        assert (told["statuses"], told["nodes"], told["holder_won"]) == (statuses, nodes, True)


def test_37_credentials_are_in_no_message_and_no_record(options, new_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url, storage_options = options
    scheme, _, name = url.partition("://")
    secret = stores.SECRET
    run = new_run()
    messages = []
    tfr.login(
        f"{scheme}://user:{secret}@{name}/team?token={secret}", user="me", storage_options=storage_options
    )
    run.upload()
    messages += [repr(run.remote), Path(run.local, "tfruns.d/run.json").read_text()]
    with pytest.raises(tfr.errors.ConflictError) as conflict:
        new_run().upload(conflict_strategy="error")
    nobody = {
        key: re.sub(r"(https?://)127\.0\.0\.1:\d+", rf"\1user:{secret}@127.0.0.1:9", value)
        for key, value in storage_options.items()
        if isinstance(value, str)
    }
    wrong = {key: value.replace(secret, "d3Jvbmc=") for key, value in nobody.items()}
    for where, more in [
        (f"{scheme}://user:{secret}@{name}?token={secret}", nobody),
        (f"{scheme}://{name}", {**nobody, "no_such_option": secret}),
        (f"{scheme}://{name}", {**wrong, "api_token": secret}),
        (f"ftp://user:{secret}@{name}", {}),
    ]:
        more["client_options"] = {"allow_http": True, "timeout": "2s"}
        with pytest.raises((tfr.errors.UploadError, ValueError)) as caught:
            tfr.login(where, storage_options={**more, "retry_config": {"max_retries": 0}}, timeout=2)
        messages.append("".join(map(str, [caught.value, repr(caught.value), caught.value.__context__])))
    messages += [str(conflict.value)]
    assert len(messages) == 7
    for message in messages:
        assert secret not in message


def test_a_store_that_ignores_conditions_is_refused(tmp_path):
    with stores.gcs(tmp_path, "racy") as bucket:
        url, storage_options = bucket("test")
        with pytest.raises(tfr.errors.UploadError, match="ignores the condition that a file is new"):
            tfr.login(url, storage_options=storage_options)
        tfr.login(url, storage_options=storage_options, allow_racy=True)
