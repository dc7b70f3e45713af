import json
import os
import signal
import stat
import subprocess
import sys
import tarfile
import time
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from tfruns_rs import ls_runs, run_info, write_run_data, write_run_metadata
from tfruns_rs.tfruns import _active


def read(run, name):
    return json.loads((run / "tfruns.d" / name).read_text())


def test_flags_and_evaluation_hold_what_r_can_read(tmp_path):
    flags = {
        "lr": 2e-5,
        "n": np.int64(3),
        "x": 0.1 + 0.2,
        "s": "é",
        "b": True,
        "none": None,
        "empty": [],
        "no": {},
    }
    write_run_metadata("flags", flags, tmp_path)
    assert read(tmp_path, "flags.json") == {"lr": 2e-5, "n": 3, "x": 0.1 + 0.2, "s": "é", "b": True}
    write_run_metadata(
        "evaluation", {"loss": float("nan"), "acc": np.float32(0.5), "up": float("inf")}, tmp_path
    )
    assert read(tmp_path, "evaluation.json") == {"loss": "NaN", "acc": 0.5, "up": "Inf"}
    write_run_metadata("flags", {}, tmp_path)
    assert read(tmp_path, "flags.json") == {}


def test_json_is_pretty_with_arrays_on_one_line(tmp_path):
    write_run_metadata("metrics", {"loss": [2, 1.5, None], "acc": [0.1]}, tmp_path)
    assert (tmp_path / "tfruns.d/metrics.json").read_text() == (
        '{\n  "loss": [2, 1.5, null],\n  "acc": [0.1, null, null]\n}\n'
    )


def test_secrets_are_masked(tmp_path):
    write_run_metadata("flags", {"api_key": "abc", "max_tokens": 3, "db_password": "x"}, tmp_path)
    assert read(tmp_path, "flags.json") == {"api_key": "***", "max_tokens": 3, "db_password": "***"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "TRUE\n"),
        (False, "FALSE\n"),
        (48000, "48000\n"),
        (1795244823.169581234, "1795244823.16958\n"),
        (1e20, "1e+20\n"),
        (None, ""),
        ("", ""),
        ("two\nlines", "two\nlines\n"),
        (["a", 1, True], "a\n1\nTRUE\n"),
        (np.float64(0.5), "0.5\n"),
        (float("nan"), "NaN\n"),
        (datetime(2024, 1, 1, tzinfo=UTC), "2024-01-01 00:00:00+00:00\n"),
    ],
)
def test_properties_are_text_as_r_writes_it(tmp_path, value, text):
    write_run_metadata("properties", {"p": value}, tmp_path)
    assert (tmp_path / "tfruns.d/properties/p").read_text() == text


def test_properties_add_up(tmp_path):
    write_run_metadata("properties", {"a": 1, "b": 1}, tmp_path)
    write_run_metadata("properties", {"b": 2}, tmp_path)
    assert {path.name: path.read_text() for path in (tmp_path / "tfruns.d/properties").iterdir()} == {
        "a": "1\n",
        "b": "2\n",
    }


@pytest.mark.parametrize(
    "name", ["", "..", ".hidden", "a/b", "a\\b", "a\nb", "con", "x" * 300, "a:b", "end."]
)
def test_names_that_are_no_file_names_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="can't be"):
        write_run_metadata("properties", {name: 1}, tmp_path)
    with pytest.raises(ValueError, match="can't be"):
        write_run_metadata(name, lambda _: None, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "metrics",
    [
        {"epoch": [1, 2], "loss": [0.5, None]},
        pl.DataFrame({"epoch": [1, 2], "loss": [0.5, None]}),
        {"epoch": np.array([1, 2]), "loss": (0.5,)},
        pl.DataFrame({"epoch": [1, 2], "loss": [0.5, None]}).to_arrow(),
    ],
    ids=["lists", "polars", "numpy", "pyarrow"],
)
def test_metrics_are_frames_or_mappings(tmp_path, metrics):
    write_run_metadata("metrics", metrics, tmp_path)
    assert read(tmp_path, "metrics.json") == {"epoch": [1, 2], "loss": [0.5, None]}
    assert run_info(tmp_path).metrics.to_dict(as_series=False) == {"epoch": [1, 2], "loss": [0.5, None]}


def test_numbers_survive_exactly(tmp_path):
    values = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, float("nan"), float("-inf")]
    write_run_metadata("metrics", {"x": values}, tmp_path / "run")
    assert repr(run_info(tmp_path / "run").metrics["x"].to_list()) == repr(values)
    write_run_metadata("evaluation", dict(zip("abcde", values, strict=False)), tmp_path / "run")
    row = ls_runs(runs_dir=tmp_path).row(0, named=True)
    assert [row[f"eval_{name}"] for name in "abcde"] == values[:5]


@pytest.mark.parametrize("kind", ["source", "sources"])
def test_sources_are_archived_under_source(tmp_path, kind):
    (tmp_path / "code").mkdir()
    (tmp_path / "code/train.py").write_text("x = 1\n")
    (tmp_path / "code/data.bin").write_text("no")
    write_run_metadata(kind, tmp_path / "code", tmp_path / "run")
    with tarfile.open(tmp_path / "run/tfruns.d/source.tar.gz") as archive:
        assert archive.getnames() == ["source", "source/train.py"]
        assert archive.extractfile("source/train.py").read() == b"x = 1\n"


def test_custom_types_write_into_the_metadata_directory(tmp_path):
    write_run_metadata("images", lambda data_dir: (data_dir / "one.txt").write_text("1"), tmp_path)
    assert (tmp_path / "tfruns.d/one.txt").read_text() == "1"
    for name in ("run.json", "artifacts.json", "git.diff"):
        with pytest.raises(ValueError, match="is the name of a file"):
            write_run_metadata(name, lambda _: None, tmp_path)
    with pytest.raises(TypeError, match="must be a function"):
        write_run_metadata("images", {"a": 1}, tmp_path)
    with pytest.raises(TypeError, match="mapping"):
        write_run_metadata("flags", [1], tmp_path)
    with pytest.raises(TypeError, match="frame"):
        write_run_metadata("metrics", 1, tmp_path)


def test_calls_before_a_run_are_made_when_it_starts(tmp_path):
    write_run_metadata("properties", {"a": 1})
    write_run_metadata("properties", {"a": 2, "b": 3})
    with pytest.warns(DeprecationWarning, match="write_run_metadata"):
        write_run_data("extra", lambda data_dir: (data_dir / "extra.txt").write_text("x"))
    run = _active.ActiveRun(str(tmp_path))
    _active.push(run)
    try:
        write_run_metadata("properties", {"c": 4})
    finally:
        _active.pop(run)
    names = sorted(path.name for path in (tmp_path / "tfruns.d").rglob("*"))
    assert names == ["a", "b", "c", "extra.txt", "properties"]
    assert (tmp_path / "tfruns.d/properties/a").read_text() == "2\n"


def test_only_the_first_rank_writes(tmp_path, monkeypatch):
    monkeypatch.setenv("TFRUNS_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("RANK", "1")
    write_run_metadata("flags", {"a": 1})
    assert not list(tmp_path.iterdir())


def test_modes_are_what_the_umask_leaves(tmp_path):
    before = os.umask(0o002)
    try:
        write_run_metadata("flags", {"a": 1}, tmp_path / "run")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "run/tfruns.d").stat().st_mode) == 0o775
    assert stat.S_IMODE((tmp_path / "run/tfruns.d/flags.json").stat().st_mode) == 0o664


WRITER = """
import sys
from tfruns_rs import write_run_metadata
n = 0
while True:
    n += 1
    write_run_metadata("metrics", {"loss": [n] * 5000}, sys.argv[1])
    write_run_metadata("properties", {"note": str(n) * 2000}, sys.argv[1])
"""


def test_a_killed_writer_leaves_nothing_half(tmp_path):
    for attempt in range(6):
        run = tmp_path / f"run{attempt}"
        writer = subprocess.Popen([sys.executable, "-c", WRITER, run])
        deadline = time.monotonic() + 20
        while not (run / "tfruns.d/properties/note").exists() and time.monotonic() < deadline:
            ls_runs(runs_dir=tmp_path)
        time.sleep(0.01 * attempt)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        metrics = run_info(run).metrics["loss"]
        assert len(metrics) == 5000
        assert metrics.n_unique() == 1
    runs = ls_runs(runs_dir=tmp_path)
    assert (len(runs), runs["problem"].null_count()) == (6, 6)
    assert not [name for name in runs.columns if "." in name]
