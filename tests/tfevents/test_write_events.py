import math
import os

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import tfruns_rs as tfr
from tfevents.test_read import GOLDEN
from tfruns_rs.errors import InvalidEventError

NAMES = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "a/b", "."]),
        NAMES,
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False),
        st.floats(),
    ),
    max_size=30,
)
SCHEMA = {"run": pl.String, "tag": pl.String, "step": pl.Int64, "wall_time": pl.Float64, "value": pl.Float64}


@settings(max_examples=50, deadline=None)
@given(rows=ROWS)
def test_what_is_written_is_what_is_collected(tmp_path_factory, rows):
    logdir = tmp_path_factory.mktemp("logs")
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    paths = tfr.write_events(frame, logdir)
    assert len(paths) == frame["run"].n_unique()
    assert tfr.verify_events(logdir).is_empty()
    collected = tfr.collect_events(logdir, type="scalar")
    for run in frame["run"].unique():
        assert collected.filter(run=run).equals(frame.filter(run=run))
    assert collected.height == frame.height


def test_collect_write_collect(tmp_path):
    tfr.write_events(
        pl.DataFrame(
            {
                "run": ["train", "valid"] * 50,
                "tag": ["loss", "loss", "a tag that is longer than a view", "accuracy"] * 25,
                "step": range(100),
                "wall_time": [1e9 + i / 7 for i in range(100)],
                "value": [math.sin(i) for i in range(100)],
            }
        ),
        tmp_path / "first",
    )
    first = tfr.collect_events(tmp_path / "first", type="scalar")
    tfr.write_events(first, tmp_path / "second")
    assert tfr.collect_events(tmp_path / "second", type="scalar").equals(first)
    assert first.height == 100


def test_tensorboard_reads_it(tmp_path):
    frame = pl.DataFrame(
        {
            "run": ["."] * 3,
            "tag": ["x"] * 3,
            "step": [1, 2, 3],
            "wall_time": [5.0, 6.0, 7.0],
            "value": [0.5, 1, 2],
        }
    )
    tfr.write_events(frame, tmp_path)
    points = EventAccumulator(str(tmp_path)).Reload().Scalars("x")
    assert [(point.step, point.wall_time, point.value) for point in points] == frame.select(
        "step", "wall_time", "value"
    ).rows()


def test_summaries_of_every_kind(tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "events.out.tfevents.1700000000.v2").write_bytes(
        b"".join(bytes.fromhex(one["record"]) for one in GOLDEN.values())
    )
    first = tfr.collect_events(tmp_path / "r", type="summary")
    tfr.write_events(first, tmp_path / "copy")
    assert tfr.collect_events(tmp_path / "copy", type="summary").equals(first)
    assert first.height > 15


def test_types_are_made_to_fit(tmp_path):
    frame = pl.DataFrame(
        {"run": ["."], "tag": ["x"], "step": [1], "wall_time": [5], "value": [3]},
        schema_overrides={"step": pl.UInt8, "tag": pl.Categorical, "value": pl.Int16},
    ).with_columns(note=pl.lit("left out"))
    tfr.write_events(frame, tmp_path)
    assert tfr.collect_events(tmp_path, type="scalar").rows() == [(".", "x", 1, 5.0, 3.0)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"run": "../out"}, "component"),
        ({"run": "/out"}, "absolute"),
        ({"value": None}, "column value has nulls"),
        ({"wall_time": math.nan}, "no number"),
    ],
)
def test_bad_rows_leave_nothing_behind(tmp_path, change, message):
    row = {"run": "a", "tag": "x", "step": 1, "wall_time": 5.0, "value": 3.0, **change}
    with pytest.raises(InvalidEventError, match=message):
        tfr.write_events(pl.DataFrame([row], schema=SCHEMA), tmp_path / "logs")
    assert not (tmp_path / "logs").exists()
    with pytest.raises(InvalidEventError, match="no column value"):
        tfr.write_events(pl.DataFrame([row]).drop("value"), tmp_path / "logs")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(tmp_path):
    tmp_path.chmod(0o500)
    frame = pl.DataFrame([("a", "x", 1, 5.0, 3.0)], schema=SCHEMA, orient="row")
    with pytest.raises(PermissionError):
        tfr.write_events(frame, tmp_path)
