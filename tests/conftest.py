"""What all tests share."""

import pytest

from tfruns_rs.tfevents import _logdir


@pytest.fixture(autouse=True)
def _default_logdir(monkeypatch):
    """A default logdir that a test sets for the process is that test's own."""
    monkeypatch.setattr(_logdir, "_of_process", _logdir._of_process)
