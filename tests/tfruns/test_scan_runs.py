from pathlib import Path

import polars as pl
import pytest

from tfruns_rs import ls_runs, scan_metrics, scan_runs, write_run_metadata


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(5):
        run = f"runs/{number}"
        write_run_metadata(
            "properties", {"start": number, "note": "x" * number, "completed": number > 1}, run
        )
        write_run_metadata("flags", {"lr": number / 10}, run)
        write_run_metadata("metrics", {"epoch": [10, 20], "loss": [number, None]}, run)
    return tmp_path / "runs"


@pytest.mark.usefixtures("runs")
def test_all_of_it_is_ls_runs():
    assert scan_runs().collect().equals(ls_runs())
    assert scan_runs(best={"loss": "min"}).collect().equals(ls_runs(best={"loss": "min"}))
    assert scan_runs("missing").collect().is_empty()


@pytest.mark.usefixtures("runs")
def test_conditions_and_columns():
    query = scan_runs().filter(pl.col("flag_lr") > 0.1, pl.col("completed")).select("note", "metric_loss")
    assert query.collect().rows() == [("xxxx", 4.0), ("xxx", 3.0), ("xx", 2.0)]
    assert scan_runs().select("run_dir").head(2).collect().rows() == [("runs/4",), ("runs/3",)]
    assert scan_runs().select(pl.len()).collect().item() == 5
    assert scan_runs().filter(pl.col("run_dir") == "runs/2").select("metrics").collect().item() == (
        "runs/2/tfruns.d/metrics.json"
    )
    assert scan_runs().sort("start").last().select("note").collect().item() == "xxxx"


def test_only_the_files_of_the_query_are_opened(runs):
    for broken in ("metrics.json", "properties/note"):
        path = runs / "3/tfruns.d" / broken
        path.unlink()
        path.symlink_to("/etc/hostname")
    schema = {"flag_lr": pl.Float64, "metric_loss": pl.Float64, "problem": pl.String, "later": pl.Int64}
    lazy = scan_runs(schema=schema)
    assert lazy.select("flag_lr", "problem").collect()["problem"].null_count() == 5
    assert lazy.select("metric_loss", "problem").collect()["problem"].null_count() == 4
    far = lazy.filter(pl.col("run_dir") != "runs/3").select("metric_loss", "problem", "later").collect()
    assert far["problem"].null_count() == 4
    assert far["later"].to_list() == [None] * 4
    assert lazy.collect().columns == ["run_dir", *schema]


@pytest.mark.usefixtures("runs")
def test_a_changed_directory_changes_nothing(monkeypatch):
    lazy, metrics = scan_runs(), scan_metrics(ls_runs())
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert lazy.collect()["run_dir"].to_list() == [f"runs/{number}" for number in (4, 3, 2, 1, 0)]
    assert metrics.collect().height == 10


@pytest.mark.usefixtures("runs")
def test_metrics_are_long():
    lazy = scan_metrics(ls_runs())
    frame = lazy.collect()
    assert frame.schema == {"run_dir": pl.String, "metric": pl.String, "epoch": pl.Int64, "value": pl.Float64}
    assert frame.rows()[:2] == [("runs/4", "loss", 10, 4.0), ("runs/4", "loss", 20, None)]
    kept = lazy.filter(pl.col("run_dir") == "runs/1", pl.col("value").is_not_null()).select("value").collect()
    assert kept.rows() == [(1.0,)]
    assert lazy.head(3).collect().height == 3
    assert scan_metrics([]).collect().is_empty()
