import json
import pickle
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from tfruns_rs import as_run_dir, create_run, errors, latest_run, ls_runs, option_context, options, run_info

DATA = Path(__file__).parent.parent / "data/tfruns"
RENAMED = {"eval_": "eval_0", "NA.": "eval_1", "metric_f1.score": "metric_f1-score"}


@pytest.mark.usefixtures("r_runs")
@pytest.mark.parametrize(
    "path", sorted(DATA.glob("expected_run_info_*.json")), ids=lambda path: path.stem[18:]
)
def test_a_run_is_read_as_r_reads_it(path):
    expected = json.loads(path.read_text())
    info = run_info(expected["run_dir"][0])
    for name, value in expected.items():
        found = info[RENAMED.get(name, name)]
        if name == "metrics":
            frame = pl.DataFrame(value).rename({"f1.score": "f1-score"}, strict=False)
            assert found.columns == frame.columns
            assert found.cast(pl.Float64).equals(frame.cast(pl.Float64))
        elif isinstance(found, datetime):
            assert found.timestamp() == value[0]
        elif name == "epochs_completed" and "10-15-00Z" in info.run_dir:
            assert (found, value[0]) == (2, 1)
        else:
            assert found == value[0]


@pytest.mark.usefixtures("r_runs")
def test_a_run_is_a_mapping_with_attributes():
    info = run_info("2024-01-01T10-05-00Z")
    assert info.flag_units == info["flag_units"] == 32
    assert info.start == datetime(2024, 1, 1, 10, 5, 0, 125_000, UTC)
    assert "(metrics, 5 rows of loss, acc, val_loss, val_acc)" in repr(info)
    assert info.to_dict()["team"] == "a"
    assert pickle.loads(pickle.dumps(info)).note == "second run"  # noqa: S301 - our own bytes
    with pytest.raises(AttributeError, match="nothing"):
        _ = info.nothing
    with pytest.raises(AttributeError):
        info.note = "x"


@pytest.mark.usefixtures("r_runs")
def test_several_runs_are_a_list():
    runs = ls_runs(latest_n=2)
    infos = run_info(runs)
    assert [info.run_dir for info in infos] == runs["run_dir"].to_list()
    assert run_info([]) == []
    assert (run_info(runs["run_dir"].head(1)).metrics if "metrics" in run_info(infos[0]) else None) is None


@pytest.mark.usefixtures("r_runs")
def test_what_is_no_run_is_not_found():
    for path in ("runs/missing", "runs/not_a_run", "runs/stray.txt"):
        with pytest.raises(errors.RunNotFoundError, match=path):
            run_info(path)
    with pytest.raises(FileNotFoundError):
        run_info("missing")


@pytest.mark.usefixtures("r_runs")
def test_latest_run_goes_by_start():
    assert latest_run().run_dir == "runs/2024-01-01T10-10-00Z"


def test_without_runs_there_is_no_latest(tmp_path):
    assert latest_run(tmp_path) is None


@pytest.mark.usefixtures("r_runs")
def test_as_run_dir_takes_what_stands_for_runs():
    assert as_run_dir("runs/2024-01-01T10-05-00Z") == "runs/2024-01-01T10-05-00Z"
    assert as_run_dir("2024-01-01T10-05-00Z") == "runs/2024-01-01T10-05-00Z"
    assert as_run_dir("elsewhere") == "elsewhere"
    assert as_run_dir(["2024-01-01T10-05-00Z", "elsewhere"]) == ["2024-01-01T10-05-00Z", "elsewhere"]
    assert as_run_dir(ls_runs(latest_n=1)) == ["runs/2024-01-01T10-10-00Z"]
    assert as_run_dir(latest_run()) == "runs/2024-01-01T10-10-00Z"
    assert as_run_dir({"run_dir": ["a"]}) == ["a"]
    run = create_run()
    run.finish()
    assert as_run_dir(run) == run.local
    assert run_info(run).completed
    with pytest.raises(ValueError, match="run_dir"):
        as_run_dir(pl.DataFrame({"a": [1]}))
    with pytest.raises(TypeError):
        as_run_dir(1)


def test_options_are_looked_up_from_the_inside_out(tmp_path, monkeypatch):
    assert options.runs_dir == "runs"
    monkeypatch.setenv("TFRUNS_RUNS_DIR", "environment")
    assert options.runs_dir == "environment"
    options.runs_dir = "set"
    try:
        assert options.runs_dir == "set"
        with option_context(runs_dir=tmp_path):
            assert options.runs_dir == tmp_path
            assert ls_runs().is_empty()
        assert options.runs_dir == "set"
        options.runs_dir = None
        assert options.runs_dir == "environment"
    finally:
        del options.runs_dir
    with pytest.raises(AttributeError, match="run_dir"):
        options.run_dir = "x"
