"""Destinations and runs that the tests of uploads share."""

import os
from pathlib import Path

import pytest

import tfruns_rs as tfr
from tfruns_rs.tracking import _login


@pytest.fixture(autouse=True)
def _nobody_logged_in(monkeypatch, tmp_path):
    monkeypatch.delenv("TFRUNS_REMOTE", raising=False)
    monkeypatch.setenv("TFRUNS_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setenv("TFRUNS_ARTIFACTS_DIR", str(tmp_path / "artifacts"))
    yield
    _login._login = None


@pytest.fixture
def destination(tmp_path):
    tfr.login(tmp_path / "shared", user="me")
    return _login.current_login().destination


@pytest.fixture
def new_run():
    """Makes finished runs with a metric and a file."""

    def make(name="mnist", **kwargs):
        with tfr.create_run(name=name, **kwargs) as run:
            run.log("train", {"loss": 0.1}, step=1, epoch=1)
            Path(run.local, "weights.bin").write_bytes(os.urandom(5000))
        return run

    return make
