import json
import signal
from pathlib import Path

import pytest

from tfruns_rs import (
    collect_hparams,
    latest_run,
    log_event,
    ls_runs,
    training_run,
    with_logdir,
    write_run_metadata,
)
from tfruns_rs.errors import TrainingRunError
from tfruns_rs.tfruns import _projection
from tfruns_rs.tfruns._projection import MAX_ROWS, project_metrics


@pytest.fixture(autouse=True)
def workdir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def metrics(run):
    return json.loads(Path(run, "tfruns.d/metrics.json").read_text())


def logged(run, steps, **series):
    Path(run, "tfruns.d").mkdir(parents=True, exist_ok=True)
    with with_logdir(Path(run, "logs")):
        for step in steps:
            log_event(step=step, **{name: {"loss": value(step)} for name, value in series.items()})
    return project_metrics(str(run))


LOGGER = """
from tfruns_rs import flush, log_event
for i in range(1, 4):
    log_event(train={"loss": 1 / i}, val={"loss": 2 / i})
"""


def test_a_script_that_only_logs_events_has_metrics_by_type():
    Path("train.py").write_text(LOGGER)
    row = training_run(echo=False)
    assert (row["metric_loss"][0], row["metric_val_loss"][0]) == (1 / 3, 2 / 3)
    assert row["steps_completed"][0] == 3
    assert metrics(row["run_dir"][0])["loss"] == [1, 1 / 2, 1 / 3]
    assert latest_run().metrics.columns == ["epoch", "loss", "val_loss"]


def test_of_a_series_that_ranks_logged_apart_the_first_rank_stands_for_all():
    series = {"train": 0, "train@b-10": 10, "train@b-2": 2, "val@b-10": 10, "val@a-9": 9, "mail@home": 1}
    assert logged(
        "runs/one", range(3), **{run: lambda step, of=of: step + of / 100 for run, of in series.items()}
    )
    assert metrics("runs/one") == {
        "epoch": [0, 1, 2],
        "loss": [0, 1, 2],
        "mail@home_loss": [0.01, 1.01, 2.01],
        "val_loss": [0.09, 1.09, 2.09],
    }


def test_runs_of_torch_share_their_columns():
    for number, name in enumerate(["Nov21_07-07-03_host", "Nov22_08-08-04_host_comment"]):
        run = f"runs/{number}"
        assert logged(run, range(2), **{name: lambda step: step, f"{name}/val": lambda step: -step})
        assert list(metrics(run)) == ["epoch", "loss", "val_loss"]
    assert logged("runs/own", range(2), exp01_a=lambda step: step)
    assert list(metrics("runs/own")) == ["epoch", "exp01_a_loss"]


def test_also_after_sigkill():
    Path("train.py").write_text(LOGGER + "flush()\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    with pytest.raises(TrainingRunError):
        training_run(echo=False)
    row = ls_runs().row(0, named=True)
    assert (row["metric_loss"], row["signal"]) == (1 / 3, signal.SIGKILL.name)


def test_functions_log_into_their_run():
    def train():
        log_event(loss=0.5)

    row = training_run(train, echo=False)
    assert row["metric_loss"][0] == 0.5
    assert not Path("logs").exists()


def test_columns_have_one_length_and_nan_is_a_word():
    assert logged("run", range(4), train=lambda step: float("nan") if step == 3 else step)
    with with_logdir("run/logs"):
        log_event(val={"loss": 7}, step=1)
        log_event({"other/acc": 1, "epoch": 3}, step=2)
    project_metrics("run")
    assert metrics("run") == {
        "epoch": [0, 1, 2, 3],
        "other_acc": [None, None, 1, None],
        "loss": [0, 1, 2, "NaN"],
        "val_loss": [None, 7, None, None],
    }


def test_long_series_are_thinned_and_keep_their_last_value():
    logged("run", range(0, 30_000, 10), train=float)
    with with_logdir("run/logs"):
        for step in (5, 29_000):
            log_event(val={"loss": step}, step=step)
    project_metrics("run")
    found = metrics("run")
    assert len(found["epoch"]) == MAX_ROWS
    assert found["loss"][-1] == 29_990
    assert [value for value in found["val_loss"] if value is not None] == [5, 29_000]


def test_what_a_user_writes_wins_for_its_columns():
    logged("run", range(3), train=float, val=float)
    write_run_metadata("metrics", {"loss": [9, 8, 7]}, "run")
    assert metrics("run") == {"loss": [9, 8, 7]}
    logged("run", range(3, 4), train=float, val=float)
    assert metrics("run")["loss"] == [9, 8, 7, None]
    assert metrics("run")["val_loss"] == [0, 1, 2, 3]
    logged("run", range(4, 5), train=float, val=float)
    assert metrics("run")["loss"][:3] == [9, 8, 7]
    assert metrics("run")["val_loss"] == [0, 1, 2, 3, 4]


def test_nothing_new_is_not_written_again():
    assert logged("run", range(2), train=float)
    before = Path("run/tfruns.d/metrics.json").stat().st_mtime_ns
    assert not project_metrics("run")
    assert Path("run/tfruns.d/metrics.json").stat().st_mtime_ns == before
    assert not project_metrics("elsewhere")


def test_flags_are_hyperparameters_of_tensorboard():
    Path("train.py").write_text(
        "import tfruns_rs as tfr\ntfr.flags(tfr.flag_numeric('lr', 0.1), tfr.flag_string('api_key', 'abc'))\n"
    )
    run = training_run(echo=False)["run_dir"][0]
    found = collect_hparams(f"{run}/logs")
    assert "abc" not in str(found.to_dicts())
    text = str(found.to_dicts())
    assert "lr" in text
    assert "0.1" in text
    Path("train.py").write_text("import sys\n")
    run = training_run(flags={"lr": 0.25}, pass_flags="argv", echo=False)["run_dir"][0]
    assert "0.25" in str(collect_hparams(f"{run}/logs").to_dicts())


def test_a_projection_that_fails_is_no_failed_training(monkeypatch):
    def full_disk(_run_dir):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_projection, "project_metrics", full_disk)
    with pytest.warns(RuntimeWarning, match=r"metrics.json of .* lags behind .*No space left"):
        run = training_run(lambda: log_event(loss=0.5), echo=False, view=False)
    assert run["status"].item() == "completed"
