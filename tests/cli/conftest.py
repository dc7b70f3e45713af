"""Runs to look at, and the command as a person and a pipe call it."""

from inspect import signature

import pytest
from click.testing import CliRunner

from cli.command import make_run
from tfruns_rs import _core
from tfruns_rs.cli._app import tfruns

# Before click 8.2 the two streams are one, unless they are asked to be kept apart.
_APART = {"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}


@pytest.fixture(autouse=True)
def _fresh(tmp_path, monkeypatch):
    _core.forget_runs()
    monkeypatch.chdir(tmp_path)
    for name in ("TFRUNS_RUN_DIR", "TFRUNS_RUN_CONTEXT", "TFRUNS_RUNS_DIR", "TFRUNS_CONFIG", "TFRUNS_REMOTE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def call():
    """Calls the command in this process; its output is no terminal."""

    def called(*words, stdin=None, code=0):
        result = CliRunner(**_APART).invoke(tfruns, [str(word) for word in words], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return called


@pytest.fixture
def runs():
    """Three runs, the last the best."""
    return [make_run(loss, start=1_700_000_000.0 + 100 * loss, rate=loss) for loss in (3.0, 4.0, 2.0)]
