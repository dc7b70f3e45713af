"""Two runs, example by example."""

import math

import polars as pl
import pytest

import tfruns_rs as tfr
from tfruns_rs.errors import MetricsTableError


def scored(run, foreign="", **columns):
    run.mkdir(exist_ok=True)
    with tfr.MetricsTableWriter(run, foreign) as writer:
        writer.add_batch(columns)
    return run


@pytest.fixture
def two(run, images):
    a = scored(run.with_name("a"), images, example_id=[0, 1, 2, 3, 4], loss=[1.0, 1.0, 1.0, 1.0, 1.0])
    b = scored(run.with_name("b"), images, example_id=[1, 2, 3, 4, 5], loss=[0.5, 3.0, 1.0, math.nan, 1.0])
    return a, b


def test_what_got_worse_most_comes_first(two):
    found = tfr.compare_examples(*two)
    assert found.columns == ["metric", "example_id", "a", "b", "delta", "change"]
    assert found.drop("metric", "delta").rows() == [
        (4, 1.0, pytest.approx(math.nan, nan_ok=True), "worse"),
        (2, 1.0, 3.0, "worse"),
        (3, 1.0, 1.0, "same"),
        (1, 1.0, 0.5, "better"),
        (0, 1.0, None, "only_a"),
        (5, None, 1.0, "only_b"),
    ]
    assert found["delta"].to_list()[1:4] == [2.0, 0.0, -0.5]


def test_large_is_better_where_the_name_or_the_user_says_so(run, images):
    a = scored(run.with_name("a"), images, example_id=[0, 1], accuracy=[0.0, 1.0], heat=[1, 2])
    b = scored(run.with_name("b"), images, example_id=[0, 1], accuracy=[1.0, 0.0], heat=[2, 1])
    found = tfr.compare_examples(a, b)
    assert found.select("metric", "example_id", "change").rows() == [
        ("accuracy", 1, "worse"),
        ("accuracy", 0, "better"),
    ]
    with pytest.raises(MetricsTableError, match="better="):
        tfr.compare_examples(a, b, metrics=["heat"])
    found = tfr.compare_examples(a, b, metrics=["heat"], better={"heat": "min"})
    assert found["change"].to_list() == ["worse", "better"]
    with pytest.raises(MetricsTableError, match="no metric of both"):
        tfr.compare_examples(a, b, metrics=["absent"])


def test_small_differences_can_count_as_none(two):
    assert tfr.compare_examples(*two, tolerance=1.0)["change"].to_list().count("same") == 2


def test_the_last_row_about_an_example_counts(run, images):
    a = scored(run.with_name("a"), images, example_id=[0, 0], loss=[9.0, 1.0])
    scored(a, images, example_id=[0], loss=[2.0])
    b = scored(run.with_name("b"), images, example_id=[0], loss=[2.0])
    assert tfr.compare_examples(a, b).row(0)[2:] == (2.0, 2.0, 0.0, "same")


def test_columns_of_the_foreign_table_come_along_and_tell_examples_apart(two):
    found = tfr.compare_examples(*two, columns=["label"])
    assert found.filter(pl.col("example_id") == 2)["label"].item() == "b"
    found = tfr.compare_examples(*two, on="image")
    assert found.filter(pl.col("image") == "2.png")["change"].item() == "worse"


def test_runs_about_different_tables_are_not_compared_by_row(two, run, tmp_path):
    pl.DataFrame({"image": ["5.png", "1.png"]}).write_parquet(tmp_path / "other.parquet")
    other = scored(run.with_name("c"), "other.parquet", example_id=[0, 1], loss=[0.0, 2.0])
    with pytest.raises(MetricsTableError, match="different tables"):
        tfr.compare_examples(two[1], other)
    found = tfr.compare_examples(two[1], other, on="image").filter(pl.col("change") != "only_a")
    assert found.select("image", "change").rows() == [("1.png", "worse"), ("5.png", "better")]


def test_frames_and_tables_can_be_compared(two):
    frame = pl.DataFrame({"example_id": [1], "loss": [0.25]})
    found = tfr.compare_examples(tfr.MetricsTable(two[1] / "metrics_tables/metrics_0000"), frame)
    assert found.filter(pl.col("change") == "better").row(0) == ("loss", 1, 0.5, 0.25, -0.25, "better")


def test_nothing_to_compare_is_an_error(run, two):
    with pytest.raises(MetricsTableError, match="refers to no metrics table"):
        tfr.compare_examples(run, two[0])
    with pytest.raises(MetricsTableError, match="no column 'name'"):
        tfr.compare_examples(pl.DataFrame({"loss": [1.0]}), two[0], on="name")
