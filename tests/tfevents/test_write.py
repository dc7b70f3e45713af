"""`write_events`: the inverse of `collect_events`."""

import math
import struct

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboardX import SummaryWriter

import tfruns_rs as tfr

TYPES = (pl.String, pl.String, pl.Int64, pl.Float64, pl.Float64)
ROWS = st.lists(
    st.tuples(
        st.sampled_from([".", "train", "a/b"]),
        st.text(min_size=1, max_size=20),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False, width=64),
        st.floats(allow_nan=True),
    ),
    max_size=50,
)


def ordered(frame):
    """The frame by run, each run's rows in their order: what a logdir keeps."""
    return frame.sort("run", maintain_order=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(rows=ROWS)
def test_collecting_what_was_written_gives_the_same_rows(rows, tmp_path_factory):
    logdir = tmp_path_factory.mktemp("logdir")
    schema = dict(zip(("run", "tag", "step", "wall_time", "value"), TYPES, strict=True))
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    tfr.write_events(frame, logdir)
    again = tfr.collect_events(logdir, type="scalar")
    assert_frame_equal(ordered(again), ordered(frame), check_exact=True)


def test_collect_write_collect_is_identity(tmp_path):
    with tfr.with_logdir(tmp_path / "a"):
        for step in range(200):
            tfr.log_event(train={"loss": 1 / (step + 1), "acc": step}, valid={"loss": math.inf})
    first = tfr.collect_events(tmp_path / "a", type="scalar")
    files = tfr.write_events(first, tmp_path / "b")
    assert len(files) == 2
    assert_frame_equal(tfr.collect_events(tmp_path / "b", type="scalar"), first, check_exact=True)


def test_summaries_of_every_kind_read_back_the_same(tmp_path):
    with SummaryWriter(str(tmp_path / "a")) as writer:
        writer.add_scalar("old/scalar", 0.5, 1)
        writer.add_histogram("old/histogram", [1.0, 2.0, 3.0], 2)
        writer.add_text("old/text", "hello", 3)
    with tfr.with_logdir(tmp_path / "a"):
        described = tfr.summary_metadata("scalars", display_name="Loss", description="of the model")
        tfr.log_event(
            loss=tfr.summary_scalar(0.1, metadata=described),
            text="hello",
            histogram=tfr.summary_histogram([1.0, 2.0, 4.0], buckets=3),
            tensor=tfr.summary_tensor([[1, 2], [3, 4]]),
        )
    first = tfr.collect_events(tmp_path / "a", type="summary")
    assert first.height == 7
    tfr.write_events(first, tmp_path / "b")
    second = tfr.collect_events(tmp_path / "b", type="summary")
    by = ["tag", "step"]
    assert_frame_equal(second.sort(by), first.sort(by), check_exact=True)


def test_tensorboard_reads_what_was_written(tmp_path):
    frame = pl.DataFrame({"tag": ["a", "b", "a"], "step": [1, 1, 2], "value": [0.1, 2.0, 0.3]})
    tfr.write_events(frame.lazy(), tmp_path)
    accumulator = EventAccumulator(str(tmp_path), size_guidance={"tensors": 0, "scalars": 0}).Reload()
    points = [(event.step, event.value) for event in accumulator.Scalars("a")]
    assert points == [
        (step, struct.unpack("f", struct.pack("f", value))[0]) for step, value in [(1, 0.1), (2, 0.3)]
    ]


def test_a_changed_value_wins_over_its_summary(tmp_path):
    with tfr.with_logdir(tmp_path / "a"):
        tfr.log_event(loss=1.0)
    frame = tfr.collect_events(tmp_path / "a", type="summary").with_columns(value=pl.col("value") * 2)
    tfr.write_events(frame, tmp_path / "b")
    assert tfr.collect_events(tmp_path / "b", type="scalar")["value"].to_list() == [2.0]


def test_runs_beyond_the_number_of_descriptors(tmp_path):
    frame = pl.DataFrame({"run": [f"r{i}" for i in range(2000)]}).with_columns(
        tag=pl.lit("t"), step=0, value=1.0
    )
    assert len(tfr.write_events(frame, tmp_path)) == 2000
    assert tfr.collect_events(tmp_path, type="scalar").height == 2000


def test_what_a_logdir_held_stays(tmp_path):
    frame = pl.DataFrame({"tag": ["t"], "step": [0], "value": [1.0]})
    for _ in range(2):
        tfr.write_events(frame, tmp_path)
    assert tfr.collect_events(tmp_path, type="scalar").height == 2


def test_other_arrow_frames_are_taken(tmp_path):
    tfr.write_events(pa.table({"tag": ["t", "u"], "step": [1, 2], "value": [0.5, 1.5]}), tmp_path)
    assert tfr.collect_events(tmp_path, type="scalar")["tag"].to_list() == ["t", "u"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"step": [0], "value": [1.0]}, "no column `tag`"),
        ({"tag": ["t"], "value": [1.0]}, "no column `step`"),
        ({"tag": ["t"], "step": [0]}, "no column `value`"),
        ({"tag": ["t"], "step": [None], "value": [1.0]}, "`step`"),
        ({"tag": ["t"], "step": [0], "value": [None]}, "row 0: `value` is null"),
        ({"tag": [""], "step": [0], "value": [1.0]}, "row 0: `tag` is empty"),
        ({"tag": ["t"], "step": [0], "value": ["x"]}, "wrong type"),
        ({"tag": ["t"], "step": [0], "value": [1.0], "run": ["../x"]}, "row 0: `run`"),
        ({"tag": ["t"], "step": [0], "value": [1.0], "wall_time": [math.nan]}, "row 0: `wall_time`"),
    ],
)
def test_what_cannot_be_written_is_named(columns, message, tmp_path):
    with pytest.raises(tfr.errors.InvalidEventError, match=message):
        tfr.write_events(pl.DataFrame(columns), tmp_path)


def test_a_logdir_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    frame = pl.DataFrame({"tag": ["t"], "step": [0], "value": [1.0]})
    with pytest.raises(OSError, match="file"):
        tfr.write_events(frame, tmp_path / "file")


def test_a_step_that_is_no_whole_number_is_refused(tmp_path):
    frame = pl.DataFrame({"tag": "loss", "step": [1.0, 2.0], "value": [0.5, 0.25]})
    tfr.write_events(frame, tmp_path / "whole")
    assert tfr.collect_events(tmp_path / "whole", type="scalar")["step"].to_list() == [1, 2]
    with pytest.raises(tfr.errors.InvalidEventError, match="a step that is no whole number"):
        tfr.write_events(frame.with_columns(pl.col("step") / 2), tmp_path)
