"""A working directory for each test, and the scripts that R's tests tune."""

from pathlib import Path

import pytest

from tfruns_rs import _core

TRAIN = """
from tfruns_rs import flag_numeric, flags
FLAGS = flags(flag_numeric("learning_rate", 0.01), flag_numeric("max_steps", 5000))
"""


@pytest.fixture(autouse=True)
def workdir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _core.forget_runs()
    for name in ("TFRUNS_RUN_DIR", "TFRUNS_RUN_CONTEXT", "TFRUNS_RUNS_DIR", "TFRUNS_SWEEP"):
        monkeypatch.delenv(name, raising=False)
    Path("train.py").write_text(TRAIN)
    return tmp_path
