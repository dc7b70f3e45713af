"""Uploads to an MLflow server, a process of its own with SQLite."""

import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

import tfruns_rs as tfr

if "TFRUNS_TEST_REMOTE" not in os.environ:  # as `make test-remote` sets it: there nothing is skipped
    pytest.importorskip("mlflow")
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    command += [
        "--backend-store-uri",
        f"sqlite:///{root}/mlflow.db",
        "--artifacts-destination",
        f"{root}/files",
    ]
    log = (root / "log").open("w")
    process = subprocess.Popen(command, cwd=root, stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(1200):
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5).close()  # noqa: S310
                break
            except OSError:
                assert process.poll() is None, (root / "log").read_text()
                time.sleep(0.1)
        yield url
    finally:
        os.killpg(process.pid, 15)
        process.wait()
        log.close()


@pytest.fixture
def client(server, tmp_path, monkeypatch):
    from mlflow.tracking import MlflowClient

    monkeypatch.chdir(tmp_path)
    tfr.login(f"mlflow+{server}", user=tmp_path.name)
    return MlflowClient(tracking_uri=server)


def runs_of(client, tmp_path):
    experiment = client.get_experiment_by_name(f"/{tmp_path.name}/default")
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def test_a_run_arrives_whole_and_once(client, new_run, tmp_path):
    run = new_run(hparams={"net": {"width": 8}})
    for _ in range(2):
        run.upload()
    (found,) = runs_of(client, tmp_path).values()
    assert (found.info.run_name, found.info.status) == ("mnist", "FINISHED")
    assert found.data.params == {"net.width": "8"}
    assert found.data.tags["tfruns.alternative_name"] == run.alternative_name
    (point,) = client.get_metric_history(found.info.run_id, "train/loss")
    assert (point.value, point.step) == (0.1, 1)
    listed = {file.path for file in client.list_artifacts(found.info.run_id, "tfruns")}
    assert {"tfruns/weights.bin", "tfruns/tfruns.d", "tfruns/logs"} <= listed
    assert [entry["id"] for entry in run.remote] == [found.info.run_id]


def test_the_strategies(client, new_run, tmp_path):
    first, late = new_run(), new_run()
    first.upload()
    late.upload(conflict_strategy="skip")
    assert late.remote == []
    with pytest.raises(RuntimeError, match=first.alternative_name):
        late.upload(conflict_strategy="error")
    late.upload()
    assert set(runs_of(client, tmp_path)) == {"mnist", late.alternative_name}
    third = new_run()
    third.upload(conflict_strategy="replace")
    holder = runs_of(client, tmp_path)["mnist"]
    assert holder.data.tags["tfruns.alternative_name"] == third.alternative_name
    with pytest.raises(ValueError, match="make_folder"):
        first.upload("elsewhere")


def test_a_server_that_is_not_there(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RuntimeError) as caught:
        tfr.login("mlflow+http://user:a-password@127.0.0.1:9", timeout=2)
    assert "a-password" not in str(caught.value)
