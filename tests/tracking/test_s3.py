"""Uploads to a server that speaks S3, a process of its own on the loopback device."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

import tfruns_rs as tfr
from tfruns_rs.tracking import _login
from tracking.destinations import resolve

pytest.importorskip("obstore")
pytest.importorskip("moto.server")

KEY, SECRET = "an-access-key-id", "a-very-secret-access-key"
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (tmp_path_factory.mktemp("s3") / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=5).close()  # noqa: S310
                break
            except OSError:
                assert process.poll() is None
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()
        log.close()


@pytest.fixture
def options(server, tmp_path):
    """Options for a bucket of its own."""
    bucket = f"bucket-{tmp_path.name.lower().replace('_', '-')}"[:60].rstrip("-")
    request = urllib.request.Request(f"{server}/{bucket}", method="PUT")  # noqa: S310
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
    return bucket, {
        "endpoint": server,
        "access_key_id": KEY,
        "secret_access_key": SECRET,
        "region": "us-east-1",
        "client_options": {"allow_http": True},
    }


@pytest.fixture
def bucket(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, storage_options = options
    tfr.login(f"s3://{name}/team", user="me", storage_options=storage_options)
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


@pytest.mark.parametrize(
    ("strategy", "statuses", "nodes"),
    [("error", [0, 7, 7], 1), ("new", [0, 0, 0], 3), ("skip", [0, 3, 3], 1), ("replace", [0, 0, 0], 1)],
)
def test_32_of_uploads_at_once_each_strategy_keeps_its_word(options, tmp_path, strategy, statuses, nodes):
    (tmp_path / "work").mkdir()
    name, storage_options = options
    done = subprocess.run(
        [sys.executable, HERE / "contest.py", "race", f"s3://{name}", tmp_path / "work", strategy, "3", "2"],
        env={
            **os.environ,
            "PYTHONPATH": str(HERE.parent),
            "TFRUNS_RUNS_DIR": "runs",
            "STORAGE_OPTIONS": json.dumps(storage_options),
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    for told in json.loads(done.stdout.splitlines()[-1]):
        assert (told["statuses"], told["nodes"], told["holder_won"]) == (statuses, nodes, True)


def test_37_credentials_are_in_no_message_and_no_record(options, new_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, storage_options = options
    run = new_run()
    messages = []
    tfr.login(f"s3://{KEY}:{SECRET}@{name}/team?token={SECRET}", user="me", storage_options=storage_options)
    run.upload()
    messages += [repr(run.remote), Path(run.local, "tfruns.d/run.json").read_text()]
    with pytest.raises(tfr.errors.ConflictError) as conflict:
        new_run().upload(conflict_strategy="error")
    for url, more in [
        (f"s3://{KEY}:{SECRET}@no-such-bucket-here/team?token={SECRET}", {}),
        (f"s3://{name}", {"endpoint": f"http://{KEY}:{SECRET}@127.0.0.1:9"}),
        (f"ftp://{KEY}:{SECRET}@{name}", {}),
    ]:
        options = {**storage_options, **more, "client_options": {"allow_http": True, "timeout": "2s"}}
        with pytest.raises((tfr.errors.UploadError, ValueError)) as caught:
            tfr.login(url, storage_options=options, timeout=2)
        messages.append("".join(map(str, [caught.value, repr(caught.value), caught.value.__context__])))
    messages += [str(conflict.value)]
    assert len(messages) == 6
    for message in messages:
        assert KEY not in message
        assert SECRET not in message
