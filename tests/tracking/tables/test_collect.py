"""One pass over a dataset."""

import json

import numpy as np
import polars as pl
import pytest

import tfruns_rs as tfr
from tfruns_rs.errors import BatchError
from tfruns_rs.tracking.tables import metric_infos


def evaluation(run):
    return json.loads((run / "tfruns.d/evaluation.json").read_bytes())


class Squares:
    """A dataset as torch has them: a length and items."""

    def __len__(self):
        return 10

    def __getitem__(self, item):
        if item >= 10:
            raise IndexError(item)
        return {"x": item, "y": item * item}


def test_a_dataset_of_items(run):
    batches = []

    def measure(batch, output):
        batches.append(len(batch))
        return {"loss": [abs(item["y"] - guess) for item, guess in zip(batch, output, strict=True)]}

    table = tfr.collect_metrics(
        Squares(),
        measure,
        run=run,
        batch_size=4,
        predictor=lambda batch: [item["x"] for item in batch],
        constants={"epoch": 3},
        split="val",
    )
    assert batches == [4, 4, 2]
    rows = table.read()
    assert rows["example_id"].to_list() == list(range(10))
    assert rows["loss"].to_list() == [x * x - x for x in range(10)]
    assert rows["epoch"].to_list() == [3] * 10
    assert metric_infos(run) == [table.info(run)]
    assert table.stream_name == "val"
    assert evaluation(run) == {"val_loss_avg": 24.0}


def test_a_loader_has_batches_of_its_own(run):
    loader = ((np.arange(n), np.ones(n)) for n in (3, 2))
    table = tfr.collect_metrics(loader, lambda batch: {"score": batch[0] * 0.5}, run=run)
    assert table.read()["score"].to_list() == [0.0, 0.5, 1.0, 0.0, 0.5]
    with pytest.raises(ValueError, match="of its own"):
        tfr.collect_metrics(iter([]), len, run=run, batch_size=3)


def test_the_url_of_a_table_is_dataset_and_foreign_table(run, images):
    table = tfr.collect_metrics(
        images,
        lambda frame: frame.select(correct=pl.col("label") == "a"),
        run=run,
        batch_size=3,
        split="train",
    )
    assert table.join_foreign().filter("correct").collect()["image"].to_list() == ["0.png", "1.png"]
    assert evaluation(run) == {"train_correct_avg": 0.25}


def test_arrays_and_frames_are_sliced(run):
    for dataset in (
        np.arange(5),
        list(range(5)),
        pl.DataFrame({"x": range(5)}),
        pl.LazyFrame({"x": range(5)}),
    ):
        table = tfr.collect_metrics(
            dataset,
            lambda batch: {"loss": batch["x"] if isinstance(batch, pl.DataFrame) else batch},
            run=run,
            batch_size=2,
        )
        assert table.read()["loss"].to_list() == [0, 1, 2, 3, 4]


def test_averages_add_to_the_evaluation_and_leave_out_what_is_no_number(run):
    for split, values in (("train", [1.0, 2.0]), ("val", [float("nan"), 3.0])):
        tfr.collect_metrics(values, lambda batch: {"loss": batch, "label": [1, 2]}, run=run, split=split)
    assert evaluation(run) == {"train_loss_avg": 1.5, "val_loss_avg": 3.0}


def test_what_is_no_dataset_and_what_is_no_batch(run):
    with pytest.raises(TypeError, match="neither"):
        tfr.collect_metrics(3, len, run=run)
    with pytest.raises(BatchError, match="mapping"):
        tfr.collect_metrics([1], lambda batch: batch, run=run)
    with pytest.raises(ValueError, match="no batch"):
        tfr.collect_metrics([], lambda batch: {"loss": batch}, run=run)
    with pytest.raises(ValueError, match="batch_size"):
        tfr.collect_metrics([1], len, run=run, batch_size=0)
    assert not (run / "metrics_tables").exists()


def test_a_bar_is_shown_when_asked(run, capsys):
    tfr.collect_metrics([1.0], lambda batch: {"loss": batch}, run=run, split="val", progress=True)
    assert "metrics of val" in capsys.readouterr().err
    tfr.collect_metrics([1.0], lambda batch: {"loss": batch}, run=run, split="val")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("given", "message"),
    [({"loss": [1.0]}, "1 rows for 3 examples"), ({"loss": 1.0}, "'loss'"), (None, "what fn gave")],
)
def test_what_does_not_fit_the_examples_is_an_error_that_says_so(run, given, message):
    with pytest.raises(BatchError, match=message):
        tfr.collect_metrics([1, 2, 3], lambda _batch: given, run=run)
    assert not list((run / "metrics_tables").glob("*"))
