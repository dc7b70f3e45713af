import stat
import webbrowser
from pathlib import Path

import pytest

import tfruns_rs as tfr
from tfruns_rs.errors import RunNotFoundError
from tfruns_rs.views import _open
from views.made_runs import make_run, random_run


@pytest.fixture
def run(tmp_path):
    return random_run(tmp_path / "runs" / "2026-01-01T00-00-01Z", 1)


@pytest.fixture
def desk(monkeypatch):
    """A person in front of a screen, and what their browser was told to open."""
    for name in ("CI", "SSH_CONNECTION", "SSH_TTY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(_open.sys, "platform", "linux")
    shown = []

    class Browser(webbrowser.GenericBrowser):
        def open(self, url, new=0, autoraise=True):  # noqa: ARG002, FBT002 - webbrowser's signature
            shown.append(url)
            return True

    monkeypatch.setattr(webbrowser, "get", lambda: Browser("firefox"))
    return shown


def test_the_browser_opens_the_file(run, desk, capsys):
    path = tfr.view_run(run)
    assert desk == [path.as_uri()]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["SSH_CONNECTION", "CI", "SSH_TTY"])
def test_where_nobody_would_see_it_the_path_is_printed(run, desk, capsys, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    path = tfr.view_run(run)
    assert desk == []
    assert capsys.readouterr().out == f"{path}\n"


@pytest.mark.parametrize("browser", ["w3m", "/usr/bin/lynx", "www-browser"])
def test_no_text_browser_starts(run, desk, capsys, monkeypatch, browser):
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.GenericBrowser(browser))
    path = tfr.view_run(run)
    assert desk == []
    assert capsys.readouterr().out == f"{path}\n"


def test_a_viewer_gets_the_path(run, desk):
    shown = []
    path = tfr.view_run(run, viewer=shown.append)
    with tfr.option_context(viewer=shown.append):
        other = tfr.view_run(run)
    assert shown == [str(path), str(other)]
    assert desk == []


def test_an_automatic_name_can_not_be_foreseen_nor_read_by_others(run):
    one, two = tfr.save_run_view(run), tfr.save_run_view(run)
    assert one != two
    assert one.name == two.name == "run-2026-01-01T00-00-01Z.html"
    for path in (one, two):
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert list(path.parent.iterdir()) == [path]


def test_a_named_file_is_replaced_whole(run, tmp_path):
    target = tmp_path / "new" / "report.html"
    assert tfr.save_run_view(run, target) == target
    target.write_text("old")
    target.chmod(0o600)
    tfr.save_run_view(run, str(target))
    assert target.read_text().endswith("</html>")
    assert list(target.parent.iterdir()) == [target]


def test_the_latest_run_is_the_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunNotFoundError, match="no runs"):
        tfr.save_run_view()
    with pytest.raises(RunNotFoundError):
        tfr.save_run_view("missing")
    for second in (1, 2):
        make_run(tmp_path / "runs" / f"2026-01-01T00-00-0{second}Z", start=second)
    assert tfr.save_run_view().name == "run-2026-01-01T00-00-02Z.html"
    assert tfr.save_run_comparison().name.startswith("compare-runs-")


def test_a_training_run_leaves_its_report_in_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text("print('trained')")
    shown = []
    with tfr.option_context(viewer=shown.append):
        saved = tfr.training_run("train.py", view="save", echo=False)
        tfr.training_run("train.py", view=True, echo=False)
        tfr.training_run("train.py", view=False, echo=False)
        tfr.training_run("train.py", view="auto", echo=False)
    report = tmp_path / saved["run_dir"][0] / "tfruns.d" / "view.html"
    assert "trained" in report.read_text()
    assert len(shown) == 1
