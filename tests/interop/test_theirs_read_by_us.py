"""Event files that others wrote are read by us with equal tags, steps, wall times and values."""

import json
import math
import struct
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto import (
    event_pb2,
    histogram_pb2,
    summary_pb2,
    tensor_pb2,
    tensor_shape_pb2,
    types_pb2,
)
from tensorboard.util import tensor_util

import tfruns_rs as tfr
from interop import foreign_files, python_loader
from interop.foreign_files import FILE_NAME, TYPED_SCALARS, Value, value_event, write_events, write_records
from interop.points import Point, comparable, rounded
from tfevents.wire import varint

GOLDEN = json.loads((Path(__file__).parent.parent / "data" / "tfevents_golden.json").read_text())
NUMBERS = [0.5, 1 / 3, -0.0, 1e-45, 3.4e38, math.inf, -math.inf, math.nan, -17.25]


def read(logdir) -> list[Point]:
    frame = tfr.collect_events(logdir, type="scalar")
    return [Point(*row) for row in frame.select("run", "tag", "step", "wall_time", "value").iter_rows()]


def summaries(logdir) -> list[dict]:
    return tfr.collect_events(logdir, type="summary").to_dicts()


@pytest.mark.parametrize("writer", foreign_files.WRITERS)
def test_scalars_of_every_writer(writer, tmp_path):
    points = [
        Point(run, tag, step, 1_700_000_000.123456 + step, value)
        for run in (".", "train", "deep/er")
        for tag in ("loss", "a/b_c", "x")
        for step, value in enumerate(NUMBERS)
    ]
    foreign_files.WRITERS[writer](tmp_path, points)
    assert comparable(read(tmp_path)) == comparable(rounded(points))


def test_order_within_a_run_is_that_of_its_file(tmp_path):
    points = [Point(".", f"tag{i % 3}", i // 3, 100.0 - i, float(i)) for i in range(30)]
    foreign_files.styled(tmp_path, points, foreign_files.tf2_style)
    assert read(tmp_path) == points


@pytest.mark.parametrize("step", [0, 1, -1, 2**31, 2**35 + 7, 2**63 - 1, -(2**63)])
def test_steps_of_any_size(step, tmp_path):
    write_events(tmp_path / FILE_NAME, [value_event(step, 2.0, Value(tag="loss", simple_value=1.0))])
    assert read(tmp_path) == [Point(".", "loss", step, 2.0, 1.0)]


# Each way to put one number into a tensor: the dtype, the field that holds it, and how it is stored there.
NUMERIC_FIELDS = {
    "float32": (types_pb2.DT_FLOAT, "float_val", 0.1),
    "float64": (types_pb2.DT_DOUBLE, "double_val", 0.1),
    "int32": (types_pb2.DT_INT32, "int_val", -5),
    "uint8": (types_pb2.DT_UINT8, "int_val", 200),
    "int16": (types_pb2.DT_INT16, "int_val", -300),
    "int8": (types_pb2.DT_INT8, "int_val", -7),
    "int64": (types_pb2.DT_INT64, "int64_val", -(2**40)),
    "bool": (types_pb2.DT_BOOL, "bool_val", True),
    "uint16": (types_pb2.DT_UINT16, "int_val", 60_000),
    "float16": (types_pb2.DT_HALF, "half_val", 0x3555),
    "bfloat16": (types_pb2.DT_BFLOAT16, "half_val", 0x3EAB),
    "uint32": (types_pb2.DT_UINT32, "uint32_val", 4_000_000_000),
    "uint64": (types_pb2.DT_UINT64, "uint64_val", 2**52),
}


def bytes_of(dtype: str, stored: float) -> bytes:
    """The little-endian element that a stored number stands for."""
    if dtype in {"float16", "bfloat16"}:
        return struct.pack("<H", stored)
    return np.array(stored, dtype).tobytes()


def number_of(dtype: str, stored: float) -> float:
    if dtype == "bfloat16":
        return struct.unpack("<f", struct.pack("<I", stored << 16))[0]
    return float(np.frombuffer(bytes_of(dtype, stored), dtype)[0])


@pytest.mark.parametrize("packed", ["field", "content"])
@pytest.mark.parametrize("dtype", NUMERIC_FIELDS)
def test_a_scalar_of_every_dtype(dtype, packed, tmp_path):
    code, field, stored = NUMERIC_FIELDS[dtype]
    holding = {field: [stored]} if packed == "field" else {"tensor_content": bytes_of(dtype, stored)}
    tensor = tensor_pb2.TensorProto(dtype=code, tensor_shape=tensor_shape_pb2.TensorShapeProto(), **holding)
    write_events(
        tmp_path / FILE_NAME, [value_event(1, 2.0, Value(tag="x", tensor=tensor, metadata=TYPED_SCALARS))]
    )
    assert read(tmp_path) == [Point(".", "x", 1, 2.0, number_of(dtype, stored))]
    if dtype not in {"bfloat16", "uint32", "uint64"}:  # unknown to TensorBoard's stub
        assert python_loader.raw_scalars(tmp_path) == read(tmp_path)


@pytest.mark.parametrize("dtype", NUMERIC_FIELDS)
def test_one_element_fills_the_whole_tensor(dtype, tmp_path):
    code, field, stored = NUMERIC_FIELDS[dtype]
    shape = tensor_shape_pb2.TensorShapeProto(dim=[{"size": 2}, {"size": 3}])
    tensor = tensor_pb2.TensorProto(dtype=code, tensor_shape=shape, **{field: [stored]})
    write_events(tmp_path / FILE_NAME, [value_event(1, 2.0, Value(tag="x", tensor=tensor))])
    (row,) = summaries(tmp_path)
    assert row["summary"]["kind"] == "tensor"
    assert row["summary"]["dtype"] == dtype
    assert row["summary"]["shape"] == [2, 3]
    assert row["summary"]["data"] == bytes_of(dtype, stored) * 6


@pytest.mark.parametrize(
    "array", [np.arange(6.0).reshape(2, 3), np.zeros((0, 3)), np.array([[b"a", b"bcd"]])]
)
def test_tensors_of_any_shape(array, tmp_path):
    tensor = tensor_util.make_tensor_proto(array)
    write_events(tmp_path / FILE_NAME, [value_event(1, 2.0, Value(tag="x", tensor=tensor))])
    (row,) = summaries(tmp_path)
    assert row["summary"]["shape"] == list(array.shape)
    if array.dtype.kind == "S":
        assert row["summary"]["dtype"] == "string"
        texts = [bytes(text) for text in array.reshape(-1)]
        assert row["summary"]["data"] == b"".join(struct.pack("<I", len(text)) + text for text in texts)
    else:
        assert row["summary"]["data"] == array.tobytes()


def test_several_values_in_one_event_and_one_tag_twice(tmp_path):
    values = [Value(tag=tag, simple_value=i) for i, tag in enumerate(["a", "b", "a", "c"])]
    write_events(tmp_path / FILE_NAME, [value_event(3, 2.0, *values)])
    assert read(tmp_path) == [Point(".", tag, 3, 2.0, i) for i, tag in enumerate(["a", "b", "a", "c"])]


def test_metadata_is_carried_within_a_run_only(tmp_path):
    tensor = foreign_files.scalar_tensor(0.5)
    for run, metadata in (("with", TYPED_SCALARS), ("without", None)):
        first = value_event(0, 1.0, Value(tag="x", tensor=tensor, metadata=metadata))
        later = value_event(1, 2.0, Value(tag="x", tensor=tensor))
        write_events(tmp_path / run / FILE_NAME, [first, later])
    plugins = tfr.collect_events(tmp_path, type="summary").select("run", "plugin").rows()
    assert sorted(plugins, key=str) == sorted(
        [("with", "scalars")] * 2 + [("without", None)] * 2, key=str
    ) or sorted(plugins) == sorted([("with", "scalars")] * 2 + [("without", "")] * 2)


def test_metadata_is_carried_over_the_files_of_a_run(tmp_path):
    tensor = foreign_files.scalar_tensor(0.5)
    first = value_event(0, 1.0, Value(tag="x", tensor=tensor, metadata=TYPED_SCALARS))
    later = value_event(1, 2.0, Value(tag="x", tensor=tensor))
    write_events(tmp_path / "events.out.tfevents.1700000000.host.1.0", [first])
    write_events(tmp_path / "events.out.tfevents.1700000001.host.1.0", [later])
    assert [row["plugin"] for row in summaries(tmp_path)] == ["scalars", "scalars"]
    assert len(read(tmp_path)) == 2


def test_the_tag_of_very_old_writers(tmp_path):
    write_events(tmp_path / FILE_NAME, [value_event(1, 2.0, Value(node_name="old", simple_value=1.0))])
    assert read(tmp_path) == [Point(".", "old", 1, 2.0, 1.0)]


def test_files_without_an_opening_and_with_two(tmp_path):
    scalars = [value_event(i, 2.0, Value(tag="x", simple_value=i)) for i in range(4)]
    again = event_pb2.Event(wall_time=1.5, file_version="brain.Event:2")
    write_events(tmp_path / "bare" / FILE_NAME, [event_pb2.Event(wall_time=1.0), *scalars], file_version=None)
    write_events(tmp_path / "twice" / FILE_NAME, [*scalars[:2], again, *scalars[2:]])
    assert sorted(read(tmp_path)) == [
        Point(run, "x", i, 2.0, i) for run in ("bare", "twice") for i in range(4)
    ]


def test_a_session_start_purges_nothing(tmp_path):
    start = event_pb2.Event(step=1, wall_time=3.0, session_log={"status": event_pb2.SessionLog.START})
    scalars = [value_event(i, 2.0, Value(tag="x", simple_value=i)) for i in range(3)]
    write_events(tmp_path / FILE_NAME, [*scalars, start, *scalars[1:]])
    assert [p.step for p in read(tmp_path)] == [0, 1, 2, 1, 2]


def test_what_an_event_can_be(tmp_path):
    events = {
        "graph_def": event_pb2.Event(graph_def=b"graph"),
        "summary": value_event(1, 2.0, Value(tag="x", simple_value=1.0)),
        "log_message": event_pb2.Event(log_message={"message": "hello"}),
        "session_log": event_pb2.Event(session_log={"status": event_pb2.SessionLog.STOP}),
        "tagged_run_metadata": event_pb2.Event(tagged_run_metadata={"tag": "step1", "run_metadata": b"m"}),
        "meta_graph_def": event_pb2.Event(meta_graph_def=b"meta"),
    }
    write_events(tmp_path / FILE_NAME, events.values())
    frame = tfr.collect_events(tmp_path)
    assert frame["what"].to_list() == ["file_version", *events]
    assert frame["file_version"].to_list() == ["brain.Event:2"] + [None] * len(events)


def test_old_and_new_forms_of_images_audio_and_histograms(tmp_path):
    png = b"\x89PNG-ish"
    histogram = histogram_pb2.HistogramProto(min=0, max=2, num=3, sum=3, bucket_limit=[1, 2], bucket=[1, 2])
    values = [
        Value(tag="i", image={"height": 2, "width": 3, "colorspace": 3, "encoded_image_string": png}),
        Value(tag="a", audio={"sample_rate": 8000, "num_channels": 1, "encoded_audio_string": b"RIFF"}),
        Value(tag="h", histo=histogram),
        Value(
            tag="n",
            metadata=summary_pb2.SummaryMetadata(plugin_data={"plugin_name": "hparams", "content": b"c"}),
        ),
    ]
    write_events(tmp_path / FILE_NAME, [value_event(1, 2.0, *values)])
    rows = {row["tag"]: row["summary"] for row in summaries(tmp_path)}
    assert rows["i"]["kind"] == "image"
    assert rows["i"]["shape"] == [2, 3, 3]
    assert rows["i"]["data"] == png
    assert (rows["a"]["kind"], rows["a"]["data"]) == ("audio", b"RIFF")
    assert rows["h"]["kind"] == "histo"
    assert histogram_pb2.HistogramProto.FromString(rows["h"]["data"]) == histogram
    assert (rows["n"]["kind"], rows["n"]["plugin_content"]) == ("none", b"c")


UNKNOWN_FIELDS = {
    "varint": varint(2000 << 3 | 0) + b"\x96\x01",
    "fixed64": varint(2000 << 3 | 1) + b"12345678",
    "bytes": varint(2000 << 3 | 2) + b"\x03abc",
    "group": varint(2000 << 3 | 3) + b"\x08\x01" + varint(2000 << 3 | 4),
    "fixed32": varint(2000 << 3 | 5) + b"1234",
}


@pytest.mark.parametrize("unknown", UNKNOWN_FIELDS)
def test_unknown_fields_are_skipped(unknown, tmp_path):
    extra = UNKNOWN_FIELDS[unknown]
    value = Value(tag="x", simple_value=1.5).SerializeToString() + extra
    summary = b"\x0a" + varint(len(value)) + value + extra
    payload = (
        extra + value_event(3, 2.0).SerializeToString() + b"\x2a" + varint(len(summary)) + summary + extra
    )
    write_records(tmp_path / FILE_NAME, [payload])
    assert python_loader.raw_scalars(tmp_path) == [Point(".", "x", 3, 2.0, 1.5)]
    assert read(tmp_path) == [Point(".", "x", 3, 2.0, 1.5)]


def test_fields_in_any_order_and_messages_in_pieces(tmp_path):
    def piece(**fields):
        return event_pb2.Event(**fields).SerializeToString()

    def summary(*values):
        return piece(summary=summary_pb2.Summary(value=values))

    first, second = Value(tag="a", simple_value=1.0), Value(tag="b", simple_value=2.0)
    payloads = [
        summary(first) + piece(step=7) + piece(wall_time=2.0),
        piece(wall_time=1.0)
        + summary(first)
        + summary(second)
        + piece(step=8, wall_time=2.0),  # merged, last wins
        piece(file_version="brain.Event:2")
        + summary(first)
        + piece(step=9, wall_time=2.0),  # the last of a oneof
    ]
    write_records(tmp_path / FILE_NAME, payloads)
    expected = [
        Point(".", "a", 7, 2.0, 1.0),
        Point(".", "a", 8, 2.0, 1.0),
        Point(".", "b", 8, 2.0, 2.0),
        Point(".", "a", 9, 2.0, 1.0),
    ]
    assert python_loader.raw_scalars(tmp_path) == expected
    assert read(tmp_path) == expected


def test_repeated_numbers_packed_and_not(tmp_path):
    shape = tensor_shape_pb2.TensorShapeProto(dim=[{"size": 3}]).SerializeToString()
    head = b"\x08\x01\x12" + varint(len(shape)) + shape
    floats = [struct.pack("<f", x) for x in (1.0, 2.5, -3.0)]
    packed = head + b"\x2a\x0c" + b"".join(floats)
    loose = head + b"".join(b"\x2d" + x for x in floats)
    mixed = head + b"\x2d" + floats[0] + b"\x2a\x08" + floats[1] + floats[2]
    payloads = []
    for tensor in (packed, loose, mixed):
        value = b"\x0a\x01x\x42" + varint(len(tensor)) + tensor
        summary = b"\x0a" + varint(len(value)) + value
        payloads.append(b"\x2a" + varint(len(summary)) + summary)
    write_records(tmp_path / FILE_NAME, payloads)
    assert [row["summary"]["data"] for row in summaries(tmp_path)] == [b"".join(floats)] * 3


@pytest.mark.parametrize("name", GOLDEN)
def test_records_that_r_wrote(name, tmp_path):
    record = bytes.fromhex(GOLDEN[name]["record"])
    (tmp_path / FILE_NAME).write_bytes(record)
    event = event_pb2.Event.FromString(bytes.fromhex(GOLDEN[name]["payload"]))
    frame = tfr.collect_events(tmp_path)
    assert frame.select("run", "step", "wall_time").rows() == [(".", event.step, event.wall_time)]
    assert frame["what"].item() == event.WhichOneof("what")
    rows = summaries(tmp_path)
    assert len(rows) == len(event.summary.value)
    for row, value in zip(rows, event.summary.value, strict=True):
        assert (row["tag"], row["plugin"]) == (value.tag, value.metadata.plugin_data.plugin_name)
        summary = row["summary"]
        assert (summary["display_name"] or "") == value.metadata.display_name
        assert (summary["description"] or "") == value.metadata.summary_description
        assert (summary["plugin_content"] or b"") == value.metadata.plugin_data.content
        kind = value.WhichOneof("value")
        assert summary["kind"] == {"simple_value": "scalar", None: "none"}.get(kind, kind)
        if kind == "simple_value":
            assert row["value"] == value.simple_value or math.isnan(row["value"]) == math.isnan(
                value.simple_value
            )
        elif kind == "image":
            assert summary["data"] == value.image.encoded_image_string
        elif kind == "tensor":
            array = tensor_util.make_ndarray(value.tensor)
            assert summary["shape"] == list(array.shape)
            if value.tensor.dtype == types_pb2.DT_STRING:
                texts = array.reshape(-1).tolist()
                assert summary["data"] == b"".join(struct.pack("<I", len(text)) + text for text in texts)
            else:
                assert summary["data"] == array.tobytes()


def test_files_of_r_together_are_one_run(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(
        b"".join(bytes.fromhex(golden["record"]) for golden in GOLDEN.values())
    )
    assert tfr.collect_events(tmp_path).height == len(GOLDEN) == 18
    expected = [p for p in python_loader.raw_scalars(tmp_path) if p.tag == "loss"]
    assert comparable([p for p in read(tmp_path) if p.tag == "loss"]) == comparable(expected)


FINITE_OR_NOT = st.floats(width=32)
VALUES = st.builds(
    lambda style, tag, value, first: foreign_files.STYLES[style](tag, value, first=first),
    st.sampled_from(sorted(foreign_files.STYLES)),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=12),
    FINITE_OR_NOT,
    first=st.just(value=True),
)
EVENTS = st.builds(
    lambda step, wall_time, values: value_event(step, wall_time, *values),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.lists(VALUES, max_size=3),
)


@settings(max_examples=60, deadline=None)
@given(events=st.lists(EVENTS, max_size=12))
def test_generated_files_read_as_tensorboard_reads_them(tmp_path_factory, events):
    logdir = tmp_path_factory.mktemp("generated")
    write_events(logdir / FILE_NAME, events)
    assert comparable(read(logdir)) == comparable(python_loader.raw_scalars(logdir))
    counted = tfr.collect_events(logdir)
    assert counted.height == 1 + len(events)


@settings(max_examples=60, deadline=None)
@given(events=st.lists(EVENTS, min_size=1, max_size=6), cut=st.floats(0, 1))
def test_a_file_cut_anywhere_is_read_up_to_the_cut(tmp_path_factory, events, cut):
    logdir = tmp_path_factory.mktemp("cut")
    file = write_events(logdir / FILE_NAME, events)
    content = file.read_bytes()
    file.write_bytes(content[: int(cut * len(content))])
    assert comparable(read(logdir)) == comparable(python_loader.raw_scalars(logdir))


def test_an_empty_logdir_has_the_full_schema(tmp_path):
    (tmp_path / FILE_NAME).touch()
    frame = tfr.collect_events(tmp_path, type="scalar")
    assert frame.schema == {
        "run": pl.String,
        "tag": pl.String,
        "step": pl.Int64,
        "wall_time": pl.Float64,
        "value": pl.Float64,
    }
    assert frame.height == 0


def test_every_kind_that_tensorflow_wrote():
    """A file of TensorFlow's own writer (`tests/data/README.md`): known values of every kind."""
    logdir = Path(__file__).parent.parent / "data" / "tensorflow"
    rows = tfr.collect_events(logdir, type="summary")
    assert set(rows["run"]) == {"trial"}
    values = {
        tag: tfr.value(rows.filter(pl.col("tag") == tag), as_list=True)
        for tag in rows["tag"].unique().to_list()
    }
    assert {tag: len(found) for tag, found in values.items() if len(found) != 2} == {
        "_hparams_/session_start_info": 1
    }
    assert values["loss"] == [0.5, 0.25]
    assert values["weights"][1].rows() == [(0, 4, 2), (4, 8, 2), (8, 12, 3)]
    assert [picture.shape for picture in values["picture"][0]] == [(4, 5), (4, 5)]
    assert (values["picture"][0][1] == 0.2).all()
    sound = values["sound"][0]
    assert (sound.sample_rate, sound.bit_depth) == (8000, 16)
    np.testing.assert_allclose(sound.samples, [[0, 0.5, -1]], atol=1e-4)
    assert values["note"] == ["größe"] * 2
    assert values["table"][0].tolist() == [["a", "b"], ["c", "d"]]
    for dtype in ("float16", "float64", "int64", "bool", "uint8", "bfloat16"):
        (array, _) = values[f"tensor/{dtype}"]
        expected = np.array([[1, 0], [3, 4]]).astype("float32" if dtype == "bfloat16" else dtype)
        np.testing.assert_array_equal(array, expected)
        assert array.dtype == expected.dtype
    session = tfr.collect_hparams(logdir)
    assert session.select("lr", "optimizer", "bn", "started", "loss").row(0) == (
        0.1,
        "adam",
        True,
        1_700_000_000.0,
        0.25,
    )
    frame = tfr.collect_events(logdir, type="tensor")
    assert frame["dtype"].unique().sort().to_list() == [
        "bfloat16",
        "bool",
        "float16",
        "float64",
        "int64",
        "uint8",
    ]
