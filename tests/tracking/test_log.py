"""`Run.log`, and what it gives back."""

import math
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tfruns_rs as tfr

EM = Path(__file__).parents[1] / "data" / "em" / "mnist_240102_030405_abc123"


@pytest.fixture
def run(tmp_path):
    with tfr.create_run(name="mnist", runs_dir=tmp_path / "runs") as run:
        yield run


def values(run, kind="train"):
    return [entry["value"] for entry in run.metrics[kind]]


def test_11_a_call_is_one_entry(run):
    assert run.log("train", {"loss": 1}, step=3) is None
    (entry,) = run.metrics["train"]
    stamp = entry["sequence"].pop("timestamp")
    assert entry == {"value": {"loss": 1.0}, "sequence": {"epoch": None, "step": 3}}
    assert run.start_timestamp <= stamp


def test_12_epochs_and_order_survive(run):
    for step in range(50):
        run.log("train", {"loss": 1 / (step + 3), "acc": step}, step=step, epoch=step // 10)
    before = run.metrics
    assert [entry["sequence"]["epoch"] for entry in before["train"]] == [step // 10 for step in range(50)]
    assert [entry["value"] for entry in before["train"]] == [
        {"loss": 1 / (step + 3), "acc": float(step)} for step in range(50)
    ]
    run.finish()
    assert tfr.load_run(run.local).metrics == before


def test_12_calls_of_one_step_stay_apart(run):
    for value in (1.0, 2.0):
        run.log("train", {"loss": value}, step=1)
    run.log("train", {"other": 3.0}, step=1)
    assert values(run) == [{"loss": 1.0}, {"loss": 2.0}, {"other": 3.0}]


def test_13_aliases_are_told_and_custom_types_kept(run, tmp_path):
    aliases = {
        "train": ["train", "training"],
        "val": ["val", "validate", "validation"],
        "test": ["test", "testing", "eval", "evaluate", "evaluation"],
        "bleu/dev": ["bleu/dev"],
    }
    for kinds in aliases.values():
        for kind in kinds:
            run.log(kind, {"x": 0.5}, step=1)
    frame = run.metrics_frame()
    assert frame.schema == {
        "type": pl.String,
        "name": pl.String,
        "step": pl.Int64,
        "epoch": pl.Int64,
        "timestamp": pl.Datetime("us", "UTC"),
        "value": pl.Float64,
        "canonical_type": pl.String,
    }
    told = dict(frame.select("type", "canonical_type").iter_rows())
    assert told == {kind: canonical for canonical, kinds in aliases.items() for kind in kinds}
    assert set(run.metrics) == set(told)
    run.finish()
    again = tfr.load_run(run.local)
    assert again.metrics == run.metrics
    exported = tfr.load_run(again.export_em(tmp_path / "em"))
    assert exported.metrics == run.metrics
    assert exported.to_dict() == again.to_dict()


class Tensor:
    """A scalar of a library that is not here, as torch and jax make them."""

    def __init__(self, value):
        self.value = value

    def item(self):
        if isinstance(self.value, list):
            raise RuntimeError("a Tensor with 2 elements cannot be converted")  # noqa: TRY004 - as torch does
        return self.value


@pytest.mark.parametrize(
    "value",
    [
        3,
        np.float32(3),
        np.int64(3),
        np.array(3.0),
        np.array([3]),
        np.array([[3.0]]),
        Tensor(3),
        pl.Series([3.0]),
    ],
)
def test_14_single_numbers_of_any_kind(run, value):
    run.log("train", {"x": value}, step=1)
    assert values(run) == [{"x": 3.0}]


@pytest.mark.parametrize("value", [[1, 2], "x", "1", None, np.zeros(2), Tensor([1, 2]), {}, 1j, b"1"])
def test_14_anything_else_records_nothing(run, value):
    with pytest.raises(TypeError, match="'bad'"):
        run.log("train", {"good": 1, "bad": value}, step=1)
    assert run.metrics == {}


def test_15_what_is_not_finite_survives(run):
    run.log("train", {"a": math.nan, "b": math.inf, "c": -math.inf}, step=1)
    run.finish()
    a, b, c = values(tfr.load_run(run.local))[0].values()
    assert math.isnan(a)
    assert (b, c) == (math.inf, -math.inf)


def test_listings_have_the_last_value(run):
    for step in range(3):
        run.log("train", {"loss": 1 / (step + 1)}, step=step, epoch=step)
        run.log("val", {"loss": 2 / (step + 1)}, step=step, epoch=step)
    run.finish()
    info = tfr.run_info(run.local)
    assert (info.metric_loss, info.metric_val_loss) == (1 / 3, 2 / 3)


def test_values_are_exact_and_tensorboard_sees_them(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run.log("train", {"loss": 0.1}, step=1, epoch=1)
    run.finish()
    assert values(run) == [{"loss": 0.1}]
    seen = EventAccumulator(f"{run.local}/logs/train").Reload()
    assert [event.value for event in seen.Scalars("loss")] == [np.float32(0.1)] or [
        float(event.tensor_proto.float_val[0]) for event in seen.Tensors("loss")
    ] == [np.float32(0.1)]


@pytest.mark.parametrize("kind", ["", "..", "a/../b", "/a", "a//b"])
def test_a_type_that_leaves_the_run_is_refused(run, kind):
    with pytest.raises(ValueError, match="type of metrics"):
        run.log(kind, {"x": 1}, step=1)
    assert run.metrics == {}


def test_nothing_is_no_metric(run):
    with pytest.raises(ValueError, match="no metrics"):
        run.log("train", {}, step=1)
    with pytest.raises(TypeError, match="name"):
        run.log("train", {"": 1}, step=1)
    with pytest.raises(ValueError, match="64 bits"):
        run.log("train", {"x": 1}, step=1 << 63)


def test_after_the_end_it_is_logged_with_a_warning(run):
    run.finish()
    with pytest.warns(UserWarning, match="has ended"):
        run.log("test", {"acc": 1}, step=1)
    assert values(run, "test") == [{"acc": 1.0}]


def test_events_of_log_event_are_metrics_too(run):
    tfr.log_event(train={"loss": 0.25}, step=7)
    run.log("train", {"loss": 0.5}, step=8)
    tfr.flush()
    assert [(entry["value"], entry["sequence"]["step"]) for entry in run.metrics["train"]] == [
        ({"loss": 0.25}, 7),
        ({"loss": 0.5}, 8),
    ]


def test_what_was_flushed_survives_a_kill(tmp_path):
    script = (
        "import os, signal, sys, tfruns_rs as tfr\n"
        "run = tfr.create_run(runs_dir=sys.argv[1])\n"
        "for step in range(100): run.log('train', {'loss': step / 7}, step=step, epoch=step)\n"
        "len(run.metrics)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path], check=False)
    run = tfr.load_run(next(tmp_path.iterdir()))
    assert values(run) == [{"loss": step / 7} for step in range(100)]
    assert run.effective_status == "killed"


def test_36_a_directory_of_em_loads():
    run = tfr.load_run(EM)
    assert run.alternative_name == "mnist_240102_030405_abc123"
    assert run.hparams == {"batch_size": 32, "optimizer": {"name": "adam", "learning_rate": 0.001}}
    assert values(run)[0] == {"accuracy": 0.91, "loss": 1e-5}
    assert math.isnan(values(run)[1]["accuracy"])
    assert run.metrics["val"][0]["sequence"] == {
        "epoch": None,
        "step": 200,
        "timestamp": "2024-01-02T03:06:06.000000+08:00",
    }
    assert run.associations["input"][0]["name"] == "data_240101_000000_xyz789"
    assert run.platform["pypkgs"] == {"keras": "2.9.0"}
    assert run.remote[0]["action"] == "upload"
    assert run.metrics_frame().height == 5


def utc(stamp):
    return datetime.fromisoformat(stamp).astimezone(UTC).strftime("%Y-%m-%dT%H:%M")


def test_runs_of_r_load_with_their_metrics():
    runs = Path(__file__).parents[1] / "data" / "tfruns" / "runs"
    loaded = [tfr.load_run(path.parent) for path in sorted(runs.glob("*/tfruns.d"))]
    assert [(run.name, utc(run.start_timestamp), run.metrics_frame().height) for run in loaded] == [
        ("train", "2024-01-01T10:00", 12),
        ("train", "2024-01-01T10:05", 12),
        ("err", "2024-01-01T10:10", 0),
        ("train", "2024-01-01T10:05", 3),
        ("train", "2024-01-01T10:10", 4),
        ("train", "2017-12-08T20:46", 0),
    ]
    assert loaded[3].metrics["train"][0]["value"] == {"loss": 2.0}
