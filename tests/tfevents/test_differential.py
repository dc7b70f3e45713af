"""Our rows against TensorBoard's own loader of event files, over generated and damaged files."""

import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.compat.proto.event_pb2 import SessionLog
from tensorboard.util import tensor_util

import tfruns_rs as tfr
from tfevents.records import FILE_NAME, Value, metadata, record

TAGS = st.sampled_from(["loss", "val/accuracy", "", "a tag that is longer than a view", "é"])
FLOATS = st.floats(width=32)


@st.composite
def values(draw):
    """A value in one of the forms that scalars and other things come in."""
    value = Value(tag=draw(TAGS))
    form = draw(st.sampled_from(["simple", "tensor", "vector", "text", "histo", "image", "nothing"]))
    if form == "simple":
        value.simple_value = draw(FLOATS)
    elif form == "tensor":
        dtype = draw(st.sampled_from(["float32", "float64", "int64"]))
        number = draw(st.integers(-(2**31), 2**31 - 1))
        value.tensor.CopyFrom(tensor_util.make_tensor_proto(number, dtype=dtype))
        value.metadata.CopyFrom(metadata("scalars"))
    elif form == "vector":
        value.tensor.CopyFrom(
            tensor_util.make_tensor_proto(draw(st.lists(FLOATS, min_size=1)), dtype="float32")
        )
    elif form == "text":
        value.tensor.CopyFrom(tensor_util.make_tensor_proto(draw(st.text()).encode(), dtype="string"))
        value.metadata.CopyFrom(metadata("text"))
    elif form == "histo":
        value.histo.bucket.extend(draw(st.lists(st.floats(), max_size=3)))
    elif form == "image":
        value.image.encoded_image_string = draw(st.binary(max_size=20))
    return value


@st.composite
def events(draw):
    event = event_pb2.Event(wall_time=draw(st.floats(0, 2e9)), step=draw(st.integers(-(2**63), 2**63 - 1)))
    form = draw(st.sampled_from(["summary", "summary", "summary", "version", "session", "graph", "nothing"]))
    if form == "summary":
        event.summary.CopyFrom(summary_pb2.Summary(value=draw(st.lists(values(), max_size=3))))
    elif form == "version":
        event.file_version = "brain.Event:2"
    elif form == "session":
        event.session_log.status = SessionLog.START
    elif form == "graph":
        event.graph_def = draw(st.binary(max_size=10))
    return event


def expected(path):
    """What TensorBoard's loader reads, event by event and scalar by scalar."""
    rows, scalars = [], []
    for payload in RawEventFileLoader(str(path)).Load():
        event = event_pb2.Event.FromString(payload)
        what = event.WhichOneof("what") or "none"
        rows.append((event.step, event.wall_time, what, [value.tag for value in event.summary.value]))
        for value in event.summary.value:
            if value.HasField("simple_value"):
                number = value.simple_value
            elif value.metadata.plugin_data.plugin_name == "scalars":
                number = float(tensor_util.make_ndarray(value.tensor).item())
            else:
                continue
            scalars.append((value.tag, event.step, bits(number)))
    return rows, scalars


def bits(number):
    return struct.pack("<d", number if number == number else float("nan"))  # noqa: PLR0124 - NaN


def found(path):
    frame = tfr.collect_events(path, on_corrupt="skip")
    tags = [
        [value["tag"] for value in cell] if cell is not None else [] for cell in frame["summary"].to_list()
    ]
    rows = list(zip(frame["step"], frame["wall_time"], frame["what"], tags, strict=True))
    scalars = tfr.collect_events(path, type="scalar", on_corrupt="skip").select("tag", "step", "value").rows()
    return rows, [(tag, step, bits(value)) for tag, step, value in scalars]


@settings(max_examples=80, deadline=None)
@given(events=st.lists(events(), max_size=12))
def test_whole_files(tmp_path_factory, events):
    path = tmp_path_factory.mktemp("logs") / FILE_NAME
    path.write_bytes(b"".join(record(event.SerializeToString()) for event in events))
    rows, scalars = expected(path)
    got_rows, got_scalars = found(path)
    assert got_rows == rows
    assert [one for one in got_scalars if one in scalars] == scalars
    assert len(rows) == len(events)


@settings(max_examples=80, deadline=None)
@given(
    events=st.lists(events(), min_size=1, max_size=8),
    place=st.floats(0, 1, exclude_max=True),
    change=st.sampled_from(["cut", "flip", "zero", "insert", "remove"]),
)
def test_damaged_files(tmp_path_factory, events, place, change):
    content = bytearray(b"".join(record(event.SerializeToString()) for event in events))
    at = int(place * len(content))
    if change == "cut":
        del content[at:]
    elif change == "flip":
        content[at] ^= 1 << (at % 8)
    elif change == "zero":
        content[at : at + 16] = bytes(len(content[at : at + 16]))
    elif change == "insert":
        content[at:at] = b"some bytes that are no record"
    else:
        del content[at : at + 5]
    path = tmp_path_factory.mktemp("logs") / FILE_NAME
    path.write_bytes(content)
    rows, _ = expected(path)
    got_rows, _ = found(path)
    # TensorBoard's loader stops at the first damage, where we go on.
    assert got_rows[: len(rows)] == rows
    assert len(got_rows) <= len(events)
    if change in ("flip", "cut"):
        assert len(got_rows) >= len(events) - 1 or change == "cut"
