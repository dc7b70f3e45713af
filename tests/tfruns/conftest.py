"""Runs for the tests of this directory."""

import shutil
from pathlib import Path

import pytest

from tfruns_rs import _core

DATA = Path(__file__).parent.parent / "data" / "tfruns"


@pytest.fixture
def r_runs(tmp_path, monkeypatch):
    """The runs that R wrote, in a working directory of their own."""
    shutil.copytree(DATA / "runs", tmp_path / "runs")
    (tmp_path / "runs/2024-01-01T10-25-00Z/tfruns.d").mkdir(parents=True)
    (tmp_path / "runs/not_a_run").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    _core.forget_runs()
    for name in (
        "TFRUNS_RUN_DIR",
        "TFRUNS_RUN_CONTEXT",
        "TFRUNS_RUNS_DIR",
        "TFRUNS_CONFIG",
        "R_CONFIG_ACTIVE",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def workdir(tmp_path, monkeypatch):
    """A working directory of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MPLBACKEND", raising=False)
    return tmp_path
