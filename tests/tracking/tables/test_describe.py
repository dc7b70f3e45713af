"""What reports show of a table."""

import json
import math

import numpy as np
import pytest

import tfruns_rs as tfr
from tfruns_rs.tracking.tables import describe_table
from tfruns_rs.tracking.tables._direction import better_of


def test_a_table_in_a_few_numbers(run, images):
    values = np.random.default_rng(0).normal(size=8)
    with tfr.MetricsTableWriter(
        run, images, "Images", {"loss": tfr.ColumnSchema("Loss", unit="nats")}
    ) as writer:
        writer.add_batch(
            {
                "example_id": range(8),
                "loss": values,
                "hit": [True, False] * 4,
                "note": ["</script>"] * 8,
                "vector": np.zeros((8, 3)),
            }
        )
    found = describe_table(writer.table, worst=2, buckets=5)
    json.dumps(found, allow_nan=False)
    assert (found["name"], found["row_count"], found["stream_name"]) == ("metrics_0000", 8, "default_stream")
    assert found["file_size"] == writer.table.file_size
    assert found["foreign"]["display_name"] == "Images"
    columns = {column["name"]: column for column in found["columns"]}
    assert columns["loss"] == {"name": "loss", "display_name": "Loss", "unit": "nats", "dtype": "Float64"}
    assert [metric["name"] for metric in found["metrics"]] == ["loss", "hit"]
    loss = found["metrics"][0]
    assert (loss["count"], loss["nulls"], loss["nans"], loss["better"]) == (8, 0, 0, "min")
    assert loss["mean"] == pytest.approx(values.mean())
    assert loss["std"] == pytest.approx(values.std(ddof=1))
    assert loss["quantiles"][0.25] == pytest.approx(np.quantile(values, 0.25))
    counts, edges = np.histogram(values, bins=5)
    assert loss["histogram"]["counts"] == counts.tolist()
    assert loss["histogram"]["edges"] == pytest.approx(edges)
    assert [row["example_id"] for row in loss["worst"]] == np.argsort(-values)[:2].tolist()
    assert loss["worst"][0]["note"] == "</script>"
    assert "vector" not in loss["worst"][0]


def test_values_that_are_no_numbers(run):
    with tfr.MetricsTableWriter(run) as writer:
        writer.add_batch(
            {
                "loss": [math.nan, math.inf, -1.0, None, 3.0],
                "accuracy": [math.nan, 1.0, 0.5, -math.inf, None],
                "flat_score": [2.0] * 5,
                "empty": [math.nan] * 5,
            }
        )
    found = describe_table(writer.table)
    json.dumps(found, allow_nan=False)
    loss, accuracy, flat, empty = found["metrics"]
    assert (loss["count"], loss["nulls"], loss["nans"], loss["min"], loss["max"]) == (4, 1, 1, -1.0, 3.0)
    assert sum(loss["histogram"]["counts"]) == 2
    assert [row["loss"] for row in loss["worst"]] == [None, None, 3.0, -1.0]
    assert [row["accuracy"] for row in accuracy["worst"]] == [None, None, 0.5, 1.0]
    assert flat["histogram"] == {"edges": [2.0, 2.0], "counts": [5]}
    assert empty["histogram"] == {"edges": [], "counts": []}
    assert empty["mean"] is None


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("loss", "min"),
        ("val/loss", "min"),
        ("valLoss", "min"),
        ("train_RMSE", "min"),
        ("accuracy", "max"),
        ("top5_acc", "max"),
        ("F1", "max"),
        ("mIoU", "max"),
        ("blossom", None),
        ("heat", None),
        ("x", None),
    ],
)
def test_the_better_side_by_name(name, side):
    assert better_of(name) == side
