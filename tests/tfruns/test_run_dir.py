import re
import subprocess
import sys

import pytest

from tfruns_rs import is_run_active, option_context, run_dir, unique_run_dir


def test_names_are_stamps_and_twins_are_numbered(tmp_path):
    made = [unique_run_dir(tmp_path / "runs").name for _ in range(30)]
    assert made == sorted(made)
    assert len(set(made)) == 30
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ(-\d{3})?", name) for name in made)


def test_seconds_scale_gives_decimals(tmp_path):
    assert re.fullmatch(r".*T\d\d-\d\d-\d\d\.\d{3}Z", unique_run_dir(tmp_path, 3).name)
    with pytest.raises(ValueError, match="seconds_scale"):
        unique_run_dir(tmp_path, 10)


def test_the_option_says_where(tmp_path):
    with option_context(runs_dir=tmp_path / "there"):
        assert unique_run_dir().parent == tmp_path / "there"


def test_a_place_that_is_none_is_the_systems_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        unique_run_dir(tmp_path / "file" / "runs")


def test_without_a_run_it_is_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_dir() == tmp_path
    assert not is_run_active()


def test_a_run_handed_over_by_a_parent_is_active(tmp_path, monkeypatch):
    monkeypatch.setenv("TFRUNS_RUN_DIR", str(tmp_path / "run"))
    assert run_dir() == tmp_path / "run"
    assert is_run_active()


MAKER = """
import sys
from tfruns_rs import unique_run_dir
for _ in range(int(sys.argv[2])):
    print(unique_run_dir(sys.argv[1]).name)
"""


def test_processes_never_share_a_directory_and_names_sort_as_created(tmp_path):
    makers = [
        subprocess.Popen([sys.executable, "-c", MAKER, tmp_path, "100"], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    made = [maker.communicate()[0].split() for maker in makers]
    assert all(maker.returncode == 0 for maker in makers)
    assert all(names == sorted(names) for names in made)
    names = [name for names in made for name in names]
    assert len(names) == len(set(names)) == 400
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    created = [(tmp_path / name).stat().st_ctime_ns for name in sorted(names)]
    assert created == sorted(created)
