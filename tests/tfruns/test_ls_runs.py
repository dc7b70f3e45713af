import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import polars.selectors as cs
import pytest

import tfruns_rs as tfr
from tfruns_rs import _core, ls_runs, run_info, unique_run_dir, write_run_metadata

DATA = Path(__file__).parent.parent / "data/tfruns"

# Where R differs on purpose: names are not mangled, lost evaluation names are numbers, the defaults of a
# run without properties are its own.
RENAMED = {"eval_": "eval_0", "NA.": "eval_1", "metric_f1.score": "metric_f1-score"}
# The last metric of this run is logged less often than the others; R counts that one.
FIXED = {("epochs_completed", "runs/2024-01-01T10-15-00Z"): 2}


def expected_runs():
    return json.loads((DATA / "expected_ls_runs.json").read_text())


@pytest.mark.usefixtures("r_runs")
def test_r_runs_are_listed_as_r_lists_them():
    runs = ls_runs()
    expected = expected_runs()
    assert runs["run_dir"].to_list() == expected["run_dir"]
    compared = 0
    for name, values in expected.items():
        column = runs[RENAMED.get(name, name)]
        if column.dtype == pl.Datetime("us", "UTC"):
            column = column.dt.epoch("ms")
        for run, found, value in zip(expected["run_dir"], column.to_list(), values, strict=True):
            wanted = FIXED.get((name, run), value)
            assert found == wanted, (name, run)
            compared += 1
    assert compared == 47 * 7


@pytest.mark.usefixtures("r_runs")
def test_columns_come_in_r_order():
    expected = (DATA / "expected_ls_runs_columns.txt").read_text().split()
    ours = [name for name in ls_runs().columns if name not in {"status", "problem", "eval_1"}]
    assert ours == [RENAMED.get(name, name) for name in expected if name != "NA."]


@pytest.mark.usefixtures("r_runs")
def test_types_are_fixed():
    schema = ls_runs().schema
    for name in ("start", "end", "cloudml_start"):
        assert schema[name] == pl.Datetime("us", "UTC")
    for name in ("samples", "epochs", "epochs_completed", "steps_completed", "batch_size", "flag_units"):
        assert schema[name] == pl.Int64
    for name in ("metric_loss", "eval_loss", "learning_rate", "flag_learning_rate", "cloudml_ml_units"):
        assert schema[name] == pl.Float64
    assert schema["flag_batch_norm"] == pl.Boolean
    assert schema["team"] == pl.String


@pytest.mark.usefixtures("r_runs")
def test_status_says_how_r_runs_are_doing():
    status = dict(ls_runs().select("run_dir", "status").iter_rows())
    assert status == {
        "runs/2024-01-01T10-00-00Z": "completed",
        "runs/2024-01-01T10-05-00Z": "completed",
        "runs/2024-01-01T10-10-00Z": "failed",
        "runs/2024-01-01T10-15-00Z": "unknown",
        "runs/2024-01-01T10-20-00Z": "completed",
        "runs/2024-01-01T10-25-00Z": "unknown",
        "runs/cloudml_2017_12_08_204130104": "completed",
    }
    assert ls_runs()["problem"].null_count() == 7


@pytest.mark.usefixtures("r_runs")
def test_order_by_names_and_selectors_puts_the_columns_first():
    runs = ls_runs(order=["eval_acc", "flag_learning_rate"], decreasing=[True, False])
    assert runs.columns[:3] == ["run_dir", "eval_acc", "flag_learning_rate"]
    assert runs["flag_learning_rate"].to_list()[:2] == [2e-05, 0.001]
    assert ls_runs(order=cs.starts_with("eval_")).columns[:5] == [
        "run_dir",
        "eval_0",
        "eval_1",
        "eval_loss",
        "eval_acc",
    ]
    with pytest.raises(pl.exceptions.ColumnNotFoundError, match="close to it: eval_acc"):
        ls_runs(order="eval_ac")


@pytest.mark.usefixtures("r_runs")
def test_missing_values_and_nan_are_last_in_both_directions():
    write_run_metadata("evaluation", {"x": float("nan")}, "runs/2024-01-01T10-00-00Z")
    write_run_metadata("evaluation", {"x": 1.0}, "runs/2024-01-01T10-05-00Z")
    for decreasing in (True, False):
        assert ls_runs(order="eval_x", decreasing=decreasing)["eval_x"][0] == 1.0


@pytest.mark.usefixtures("r_runs")
@pytest.mark.parametrize(
    ("subset", "count"),
    [
        (pl.col("eval_acc") > 0.8, 2),
        ("eval_acc > 0.8", 2),
        ("NOT completed", 2),
        ("flag_activation = 'relu' AND eval_acc > .8", 1),
        ("flag_units IN (16, 32)", 2),
        ("error_message IS NOT NULL", 1),
        ('"metric_f1-score" > 0', 1),
        ("start > '2024-01-01T10:10:00'", 1),
        ("start BETWEEN '2024-01-01 11:05:00.2+01:00' AND '2024-01-01T10:10:00'", 2),
        (lambda runs: runs["metric_loss"] < 1, 1),
        (lambda _: pl.col("team") == "a", 1),
        (lambda runs: runs.head(3), 3),
        (pl.col("start") > datetime(2024, 1, 1, 10, 5, tzinfo=UTC), 4),
    ],
)
def test_subset_keeps_only_what_is_true(subset, count):
    assert len(ls_runs(subset)) == count


@pytest.mark.usefixtures("r_runs")
@pytest.mark.parametrize(
    "text",
    [
        "eval_acc > (SELECT 1)",
        "run_dir IN (SELECT a FROM read_csv('/etc/passwd'))",
        "read_csv('x') = 1",
        "\"read_csv\"('x') = 1",
        "1 = 1; DROP TABLE x",
        "1 = 1 -- ",
        "1 = 1 /* */",
        "eval_acc >",
        "",
    ],
)
def test_sql_beyond_a_condition_is_refused(text):
    with pytest.raises(ValueError, match="condition"):
        ls_runs(text)


@pytest.mark.parametrize("text", ["!is.na(eval_acc)", "eval_acc > 0.9 & completed", "eval_acc >"])
def test_a_condition_in_another_language_is_told_what_it_is_to_be(text):
    with pytest.raises(ValueError, match=r"not a condition: .*SQL, with AND, OR, NOT"):
        ls_runs(text)


@pytest.mark.usefixtures("r_runs")
def test_an_unknown_column_is_an_error_that_helps():
    with pytest.raises(TypeError, match="an expression, SQL text or a function, not int"):
        ls_runs(5)
    with pytest.raises(pl.exceptions.ColumnNotFoundError, match="eval_acc"):
        ls_runs(pl.col("evalacc") > 1)


def test_no_runs_are_an_empty_typed_frame(tmp_path):
    for runs_dir in (tmp_path, tmp_path / "missing"):
        runs = ls_runs("eval_acc > 1", order="eval_acc", runs_dir=runs_dir)
        assert runs.is_empty()
        assert runs.schema["start"] == pl.Datetime("us", "UTC")


@pytest.mark.usefixtures("r_runs")
def test_latest_n_goes_by_start():
    assert ls_runs(latest_n=0).is_empty()
    assert ls_runs(latest_n=2)["run_dir"].to_list() == [
        "runs/2024-01-01T10-10-00Z",
        "runs/2024-01-01T10-20-00Z",
    ]
    assert len(ls_runs(latest_n=100)) == 7
    with pytest.raises(ValueError, match="latest_n"):
        ls_runs(latest_n=-1)


@pytest.mark.usefixtures("r_runs")
def test_best_gives_value_and_epoch():
    runs = ls_runs(best={"loss": "min", "mean_losses": "max", "nothing": "max"})
    row = runs.filter(pl.col("run_dir").str.ends_with("10-05-00Z")).row(0, named=True)
    assert (row["best_loss"], row["best_loss_epoch"]) == (3.3333, 3)
    row = runs.filter(pl.col("run_dir").str.ends_with("10-20-00Z")).row(0, named=True)
    assert (row["best_mean_losses"], row["best_mean_losses_epoch"]) == (9, 100)
    assert runs["best_nothing"].null_count() == 7
    with pytest.raises(ValueError, match="min"):
        ls_runs(best={"loss": "least"})


def faulty(runs):
    """Runs with one fault each, and what their problem text names."""
    broken = runs / "broken/tfruns.d"
    (broken / "properties").mkdir(parents=True)
    (broken / "flags.json").write_text('{"a": ')
    (broken / "properties/completed").write_text("TRUE\n")
    yield "broken", "flags.json", "completed"
    directory = runs / "directory/tfruns.d"
    (directory / "properties/note").mkdir(parents=True)
    yield "directory", "properties/note", "unknown"
    linked = runs / "linked/tfruns.d"
    (linked / "properties").mkdir(parents=True)
    (linked / "properties/note").symlink_to("/etc/hostname")
    (linked / "evaluation.json").symlink_to("/etc/hostname")
    yield "linked", "evaluation.json", "unknown"
    piped = runs / "piped/tfruns.d"
    (piped / "properties").mkdir(parents=True)
    os.mkfifo(piped / "properties/note")
    yield "piped", "properties/note", "unknown"
    nameless = runs / "nameless/tfruns.d"
    nameless.mkdir(parents=True)
    (nameless / "properties").write_text("x")
    yield "nameless", "properties", "invalid"
    taken = runs / "taken/tfruns.d"
    (taken / "properties").mkdir(parents=True)
    (taken / "properties/status").write_text("fine\n")
    (taken / "properties/epochs").write_text("many\n")
    yield "taken", "properties/status", "unknown"
    twice = runs / "twice/tfruns.d"
    twice.mkdir(parents=True)
    (twice / "flags.json").write_text('{"a": 1, "a": 2}')
    yield "twice", "flag_a", "unknown"
    deep = runs / "deep/tfruns.d"
    deep.mkdir(parents=True)
    (deep / "metrics.json").write_text("[" * 100_000)
    yield "deep", "metrics.json", "unknown"


def test_a_fault_costs_one_problem_text_and_hides_no_run(r_runs):
    faults = list(faulty(r_runs))
    (r_runs / "loop").symlink_to(r_runs)
    (r_runs / "self").symlink_to(r_runs / "self")
    runs = ls_runs()
    assert len(runs) == 7 + len(faults)
    for name, place, status in faults:
        row = runs.row(by_predicate=pl.col("run_dir") == f"runs/{name}", named=True)
        assert place in row["problem"]
        assert row["status"] == status
        assert run_info(f"runs/{name}").problem == row["problem"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_costs_one_problem_text(r_runs):
    (r_runs / "2024-01-01T10-00-00Z/tfruns.d/flags.json").chmod(0)
    assert "permission denied" in ls_runs()["problem"].drop_nulls()[0]


def test_names_that_are_no_text_are_shown(r_runs):
    (r_runs / os.fsdecode(b"\xff\xfe") / "tfruns.d").mkdir(parents=True)
    assert "the name is not UTF-8" in ls_runs()["problem"].drop_nulls().to_list()


def test_long_texts_are_cut_in_listings_and_whole_in_run_info(tmp_path):
    text = "é" * 100_000
    write_run_metadata("properties", {"output": text}, tmp_path / "a")
    write_run_metadata("error", {"message": text, "traceback": text}, tmp_path / "a")
    row = ls_runs(runs_dir=tmp_path).row(0, named=True)
    for name in ("output", "error_message", "error_traceback"):
        assert len(row[name].encode()) < 4200
        assert row[name].startswith("éé")
        assert "20000" in row[name][-30:]
        assert run_info(tmp_path / "a")[name] == text


def test_specials_and_diverged_metrics_are_kept(tmp_path):
    write_run_metadata("metrics", {"loss": [9.0, float("nan"), float("inf")], "acc": [0.5]}, tmp_path / "a")
    row = ls_runs(runs_dir=tmp_path, best={"loss": "min"}).row(0, named=True)
    assert row["metric_loss"] == float("inf")
    assert row["best_loss"] == 9
    assert row["steps_completed"] == 3


def test_a_change_shows_in_the_next_listing(tmp_path):
    run = unique_run_dir(tmp_path)
    write_run_metadata("properties", {"note": "a", "completed": True, "end": 1.0}, run)
    meta = run / "tfruns.d"
    past = time.time() - 100
    assert ls_runs(runs_dir=tmp_path)["note"][0] == "a"
    for content in ("b", "c"):
        (meta / "properties/note").write_text(f"{content}\n")
        os.utime(meta / "properties/note", (past, past))
        assert ls_runs(runs_dir=tmp_path)["note"][0] == content
    write_run_metadata("flags", {"lr": 1}, run)
    assert ls_runs(runs_dir=tmp_path)["flag_lr"][0] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="judged by /proc")
def test_life_is_judged_by_the_process_here_and_by_the_beat_elsewhere(tmp_path):
    def status():
        (listed,) = ls_runs(runs_dir=tmp_path)["status"]
        assert run_info(tmp_path / "run").status == listed
        return listed

    write_run_metadata("properties", {"start": 1, "completed": False}, tmp_path / "run")
    beat = tmp_path / "run/tfruns.d/alive.json"
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        heart = _core.Heartbeat(beat, child.pid)
        heart.stop()
        child.send_signal(signal.SIGSTOP)
        long_ago = time.time() - 86_400
        os.utime(beat, (long_ago, long_ago))
        assert status() == "running"
        elsewhere = json.loads(beat.read_text()) | {"host": "elsewhere", "boot_id": "another"}
    finally:
        child.kill()
        child.communicate()
    assert status() == "killed"
    beat.write_text(json.dumps(elsewhere))
    assert status() == "running"
    os.utime(beat, (long_ago, long_ago))
    assert status() == "stale"
    beat.write_text('{"half')
    assert status() == "unknown"
    assert "alive.json" in ls_runs(runs_dir=tmp_path)["problem"][0]


def test_each_file_of_a_run_is_opened_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    count = 20
    directories, documents = ("tfruns.d", "properties"), ("flags.json", "evaluation.json", "metrics.json")
    properties = {f"p{number}": number for number in range(12)} | {"start": 1, "end": 2, "completed": True}
    for number in range(count):
        run = f"runs/{number:02}"
        tfr.write_run_metadata("properties", properties, run)
        tfr.write_run_metadata("flags", {"lr": number}, run)
        tfr.write_run_metadata("evaluation", {"loss": 1.0}, run)
        tfr.write_run_metadata("metrics", {"loss": [1.0, 2.0]}, run)

    def opened_a_run(list_runs):
        before = _core.run_files_opened()
        assert list_runs().height == count
        # One is the directory of the runs itself, which a query in two steps lists twice.
        return (_core.run_files_opened() - before) // count

    assert opened_a_run(ls_runs) == len(properties) + len(documents) + len(directories)
    lazy = tfr.scan_runs(schema={"flag_lr": pl.Int64, "metric_loss": pl.Float64, "p3": pl.String})
    assert opened_a_run(lazy.select("run_dir").collect) == 1
    assert opened_a_run(lazy.select("flag_lr").collect) == 1 + 1
    assert opened_a_run(lazy.select("flag_lr", "metric_loss", "p3").collect) == 2 + 3
    few = lazy.filter(pl.col("flag_lr") == 7).select("metric_loss")
    before = _core.run_files_opened()
    assert few.collect().height == 1
    assert _core.run_files_opened() - before == 1 + count * (1 + 1) + 1 + (1 + 1)


def test_what_is_written_into_an_ended_run_shows_in_the_next_listing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    about = {"start": 1.0, "end": 2.0, "completed": True, "model": "a", "note": "a"}
    for name in ("one", "two"):
        write_run_metadata("properties", about, f"runs/{name}")
    time.sleep(3.2)  # until then files are young, and read again in any case
    ls_runs()
    before = _core.run_files_opened()
    assert ls_runs()["model"].to_list() == ["a", "a"]
    assert _core.run_files_opened() - before == 1, "nothing but the runs directory is opened"
    write_run_metadata("properties", {"model": "b"}, "runs/one")
    assert sorted(ls_runs()["model"]) == ["a", "b"]
    Path("runs/two/tfruns.d/properties/note").write_text("in place")
    assert sorted(ls_runs()["note"]) == ["a", "in place"]
