import gzip
import json
import math
import multiprocessing
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tensorboard.compat.proto import tensor_pb2, tensor_shape_pb2, types_pb2
from tensorboard.compat.proto.event_pb2 import SessionLog
from tensorboard.util import tensor_util

import tfruns_rs as tfr
from tfevents.records import START, Event, Value, event, metadata, scalar, version, write_file
from tfruns_rs.errors import CorruptRecordWarning, LogdirNotFoundError

GOLDEN = json.loads((Path(__file__).parent.parent / "data" / "tfevents_golden.json").read_text())

STRUCT = {
    "plugin": pl.String,
    "kind": pl.String,
    "dtype": pl.String,
    "shape": pl.List(pl.Int64),
    "display_name": pl.String,
    "description": pl.String,
    "plugin_content": pl.Binary,
    "data": pl.Binary,
}
SCHEMAS = {
    "scalar": {
        "run": pl.String,
        "tag": pl.String,
        "step": pl.Int64,
        "wall_time": pl.Float64,
        "value": pl.Float64,
    },
    "summary": {
        "run": pl.String,
        "tag": pl.String,
        "plugin": pl.String,
        "step": pl.Int64,
        "wall_time": pl.Float64,
        "value": pl.Float64,
        "summary": pl.Struct(STRUCT),
    },
    "any": {
        "run": pl.String,
        "step": pl.Int64,
        "wall_time": pl.Float64,
        "what": pl.String,
        "file_version": pl.String,
        "summary": pl.List(pl.Struct({"tag": pl.String, **STRUCT})),
    },
}


@pytest.mark.parametrize("kind", SCHEMAS)
def test_schema_is_the_same_with_and_without_rows(tmp_path, kind):
    assert tfr.collect_events(tmp_path, type=kind).schema == pl.Schema(SCHEMAS[kind])
    write_file(tmp_path, [version(), scalar("loss", 0.5), Event(wall_time=START, graph_def=b"graph")])
    frame = tfr.collect_events(tmp_path, type=kind)
    assert frame.schema == pl.Schema(SCHEMAS[kind])
    assert frame.height == {"scalar": 1, "summary": 2, "any": 3}[kind]


def test_default_is_every_event(tmp_path):
    write_file(
        tmp_path / "train",
        [version(), scalar("loss", 0.5, step=3), Event(wall_time=START + 1, graph_def=b"graph")],
    )
    frame = tfr.collect_events(tmp_path)
    assert frame["run"].to_list() == ["train"] * 3
    assert frame["what"].to_list() == ["file_version", "summary", "graph_def"]
    assert frame["file_version"].to_list() == ["brain.Event:2", None, None]
    assert frame["summary"].is_null().to_list() == [True, False, True]
    (value,) = frame["summary"][1].to_list()
    assert (value["tag"], value["plugin"], value["kind"], value["dtype"]) == (
        "loss",
        "scalars",
        "scalar",
        "float32",
    )
    assert np.frombuffer(value["data"], "<f4").tolist() == [0.5]


def test_golden_records_of_r(tmp_path):
    path = tmp_path / "r" / "events.out.tfevents.1700000000.v2"
    path.parent.mkdir()
    path.write_bytes(b"".join(bytes.fromhex(one["record"]) for one in GOLDEN.values()))
    scalars = tfr.collect_events(tmp_path, type="scalar")
    assert scalars.rows() == [
        ("r", "loss", 3, START, 0.5),
        ("r", "loss", 0, START, 0.5),
        ("r", "loss", -1, START, pytest.approx(1 / 3)),
        ("r", "loss", 3, START, 2.0),
    ]
    assert scalars["value"][2] == np.float32(1 / 3)
    summaries = tfr.collect_events(tmp_path, type="summary")
    by_tag = {row["tag"]: row for row in summaries.to_dicts()}
    assert by_tag["note"]["plugin"] == "text"
    assert by_tag["note"]["summary"]["data"] == b"\2\0\0\0hi"
    histogram = by_tag["h"]["summary"]
    assert histogram["shape"] == [2, 3]
    assert np.frombuffer(histogram["data"]).reshape(2, 3).tolist() == [[0, 2, 2], [2, 4, 1]]
    assert by_tag["t"]["summary"]["dtype"] == "float32"
    assert by_tag["t"]["summary"]["shape"] == [2, 3]
    image = by_tag["raw"]["summary"]
    assert (image["kind"], image["shape"], image["data"]) == ("image", [2, 3, 1], b"\x89P")
    assert by_tag["na"]["summary"]["kind"] == "none"
    assert by_tag["na"]["value"] is None
    assert tfr.collect_events(tmp_path).height == len(GOLDEN)


def scalar_metadata():
    return metadata("scalars")


DTYPES = ["float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"]


@pytest.mark.parametrize("dtype", [*DTYPES, "uint64", "bool"])
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_scalars_as_tensors_of_every_dtype(tmp_path, dtype, shape):
    number = 1 if dtype == "bool" else 3
    array = np.full(shape, number, dtype)
    values = [
        Value(tag="values", tensor=tensor_util.make_tensor_proto(array), metadata=scalar_metadata()),
        Value(
            tag="content",
            tensor=tensor_pb2.TensorProto(
                dtype=tensor_util.make_tensor_proto(array).dtype,
                tensor_shape=tensor_util.make_tensor_proto(array).tensor_shape,
                tensor_content=array.tobytes(),
            ),
            metadata=scalar_metadata(),
        ),
    ]
    write_file(tmp_path, [version(), *(event(value, step=i) for i in range(3) for value in values)])
    frame = tfr.collect_events(tmp_path, type="scalar")
    assert frame["value"].to_list() == [float(number)] * 6


def test_bfloat16_and_float64_keep_their_values(tmp_path):
    third = 1 / 3
    double = tensor_pb2.TensorProto(dtype=types_pb2.DT_DOUBLE, double_val=[third])
    brain = tensor_pb2.TensorProto(dtype=types_pb2.DT_BFLOAT16, half_val=[0x3FC0])
    write_file(
        tmp_path,
        [event(Value(tag="x", tensor=tensor, metadata=scalar_metadata())) for tensor in (double, brain)],
    )
    assert tfr.collect_events(tmp_path, type="scalar")["value"].to_list() == [third, 1.5]


def test_one_value_is_spread_to_the_shape(tmp_path):
    shape = tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=3)])
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_INT32, tensor_shape=shape, int_val=[7])
    write_file(tmp_path, [event(Value(tag="x", tensor=tensor, metadata=metadata("tensor")))])
    (summary,) = tfr.collect_events(tmp_path, type="summary")["summary"].to_list()
    assert np.frombuffer(summary["data"], "<i4").tolist() == [7, 7, 7]


def test_metadata_is_carried_from_the_first_value_of_a_tag_within_its_run(tmp_path):
    tensor = tensor_util.make_tensor_proto(np.float32(2))
    first = event(Value(tag="x", tensor=tensor, metadata=metadata("scalars", b"\1", "Name", "Words")), step=0)
    later = event(Value(tag="x", tensor=tensor), step=1)
    write_file(tmp_path / "a", [version(), first, later], "1.tfevents")
    write_file(tmp_path / "a", [version(), later], "2.tfevents")
    write_file(tmp_path / "b", [version(), later])
    frame = tfr.collect_events(tmp_path, type="summary")
    assert frame["plugin"].to_list() == ["scalars", "scalars", "scalars", ""]
    assert frame["value"].to_list() == [2.0, 2.0, 2.0, None]
    names = frame["summary"].struct.field("display_name").to_list()
    assert names == ["Name", "Name", "Name", None]
    assert tfr.collect_events(tmp_path, type="scalar")["run"].to_list() == ["a", "a", "a"]


def test_the_same_tag_may_change_its_form(tmp_path):
    write_file(
        tmp_path,
        [
            scalar("x", 1.0, step=1),
            event(
                Value(tag="x", tensor=tensor_util.make_tensor_proto(2.0), metadata=scalar_metadata()), step=2
            ),
            scalar("x", 3.0, step=3),
            scalar("a longer tag than a view holds", 4.0, step=4),
            scalar("x", 5.0, step=2**40),
            scalar("x", 6.0, step=-5),
            scalar("x", math.nan, step=7),
        ],
    )
    frame = tfr.collect_events(tmp_path, type="scalar")
    assert frame["step"].to_list() == [1, 2, 3, 4, 2**40, -5, 7]
    assert frame["value"].to_list()[:-1] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert math.isnan(frame["value"][-1])


def test_several_values_in_an_event(tmp_path):
    values = [Value(tag=tag, simple_value=i) for i, tag in enumerate(["a", "b", "a"])]
    write_file(tmp_path, [event(*values, step=9), event(step=10), scalar("a", 3)])
    frame = tfr.collect_events(tmp_path, type="scalar")
    assert frame.select("tag", "step", "value").rows() == [("a", 9, 0), ("b", 9, 1), ("a", 9, 2), ("a", 0, 3)]
    assert tfr.collect_events(tmp_path)["summary"].list.len().to_list() == [3, 0, 1]


def test_node_name_is_the_tag_of_very_old_writers(tmp_path):
    write_file(tmp_path, [event(Value(node_name="old", simple_value=1))])
    assert tfr.collect_events(tmp_path, type="scalar")["tag"].to_list() == ["old"]


def test_n_counts_events_that_pass(tmp_path):
    for run in ("a", "b"):
        write_file(tmp_path / run, [version(), *(scalar("x", i, step=i) for i in range(5))])
    assert tfr.collect_events(tmp_path, 3).height == 3
    assert tfr.collect_events(tmp_path, 7, "scalar")["run"].to_list() == ["a"] * 5 + ["b"] * 2
    assert tfr.collect_events(tmp_path, 1, "scalar", step=4).rows() == [("a", "x", 4, START, 4.0)]
    for bad in (0, -1):
        with pytest.raises(ValueError, match="`n` must be a positive whole number or None"):
            tfr.collect_events(tmp_path, bad)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"run": "a"}, [("a", "x"), ("a", "y/z")]),
        ({"run": ["b", "c"]}, [("b/d", "x")][:0]),
        ({"run": "b*"}, [("b/d", "x"), ("b/d", "y/z")]),
        ({"tag": "y/*"}, [("a", "y/z"), ("b/d", "y/z")]),
        ({"tag": re.compile("^x$")}, [("a", "x"), ("b/d", "x")]),
        ({"tag": "x", "run": "a"}, [("a", "x")]),
        ({"step": 1}, [("a", "y/z"), ("b/d", "y/z")]),
        ({"step": range(1)}, [("a", "x"), ("b/d", "x")]),
        ({"step": range(0)}, []),
        ({"step": (1, None)}, [("a", "y/z"), ("b/d", "y/z")]),
        ({"step": (None, 0)}, [("a", "x"), ("b/d", "x")]),
    ],
)
def test_filters(tmp_path, filters, expected):
    for run in ("a", "b/d"):
        write_file(tmp_path / run, [version(), scalar("x", 1, step=0), scalar("y/z", 2, step=1)])
    frame = tfr.collect_events(tmp_path, type="scalar", **filters)
    assert frame.select("run", "tag").rows() == expected


def test_further_columns(tmp_path):
    path = write_file(tmp_path / "train@node-1", [version(), scalar("x", 1.5)])
    write_file(tmp_path / "train", [version(), scalar("x", 0.5)])
    columns = ["plugin", "summary", "source", "file", "offset", "attempt"]
    frame = tfr.collect_events(tmp_path, type="scalar", columns=columns)
    assert frame.columns == ["run", "tag", "step", "wall_time", "value", *columns]
    assert frame["run"].to_list() == ["train", "train"]
    assert frame["source"].to_list() == ["", "node-1"]
    assert frame["file"][1] == str(path)
    assert frame["offset"].to_list() == [40, 40]
    assert tfr.collect_events([tmp_path, tmp_path], type="scalar")["logdir"].to_list() == [str(tmp_path)] * 4
    with pytest.raises(ValueError, match="no such column: colour"):
        tfr.collect_events(tmp_path, columns=["colour"])


def test_categorical_names(tmp_path):
    write_file(tmp_path, [scalar("x", 1)])
    frame = tfr.collect_events(tmp_path, type="scalar", categorical=True)
    assert frame.schema["run"] == frame.schema["tag"] == pl.Categorical


def test_what_a_logdir_may_be(tmp_path):
    for run in ("a", "b"):
        write_file(tmp_path / run, [scalar("x", 1)], f"{run}.tfevents.1")
    (tmp_path / "a" / "notes.txt").write_text("no events")
    assert tfr.collect_events(str(tmp_path))["run"].to_list() == ["a", "b"]
    assert tfr.collect_events(tmp_path / "a" / "a.tfevents.1")["run"].to_list() == ["a"]
    assert tfr.collect_events(tmp_path / "*")["run"].to_list() == [".", "."]
    assert tfr.collect_events([tmp_path / "a", tmp_path])["run"].to_list() == [".", "a", "b"]
    with pytest.raises(LogdirNotFoundError, match="no log directory"):
        tfr.collect_events(tmp_path / "missing")
    with pytest.raises(LogdirNotFoundError, match="no log directory matches"):
        tfr.collect_events(tmp_path / "missing*")
    with pytest.raises(FileNotFoundError):
        tfr.collect_events(tmp_path / "missing")


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="`type` must be one of"):
        tfr.collect_events(tmp_path, type="events")
    with pytest.raises(ValueError, match="`on_corrupt` must be one of"):
        tfr.collect_events(tmp_path, on_corrupt="ignore")


def test_names_share_memory_and_survive_use(tmp_path):
    tags = [f"a tag that is longer than a view {i}" for i in range(3)]
    for run in ("first run, longer than twelve", "second run, longer than twelve"):
        write_file(tmp_path / run, [scalar(tags[i % 3], i, step=i) for i in range(30)])
    frame = tfr.collect_events(tmp_path, type="scalar")
    twice = pl.concat([frame, frame.filter(pl.col("step") > 3)]).join(
        frame.select("run", "tag").unique(), on=["run", "tag"]
    )
    assert twice.height == 60 + 52
    assert set(twice["tag"]) == set(tags)


def count_in_child(logdir):
    return tfr.collect_events(logdir, type="scalar").height


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_works_in_a_forked_child_after_the_parent_has_read(tmp_path):
    for run in range(4):
        write_file(tmp_path / str(run), [scalar("x", i) for i in range(100)])
    assert tfr.collect_events(tmp_path, type="scalar").height == 400
    script = (
        "import os, sys, warnings\n"
        "import tfruns_rs as tfr\n"
        "read = lambda: tfr.collect_events(sys.argv[1], type='scalar').height\n"
        "assert read() == 400\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os._exit(0 if read() == 400 else 1)\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path], check=True, timeout=60)


def test_works_in_a_spawned_child(tmp_path):
    write_file(tmp_path, [scalar("x", 1)])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(count_in_child, (tmp_path,)) == 1


def test_compressed_archives_are_read(tmp_path):
    path = write_file(tmp_path / "a", [version(), *(scalar("x", i, step=i) for i in range(100))])
    plain = tfr.collect_events(tmp_path, type="scalar")
    packed = gzip.compress(path.read_bytes())
    path.with_name(path.name + ".gz").write_bytes(packed)
    path.unlink()
    assert tfr.collect_events(tmp_path, type="scalar").equals(plain)
    path.with_name(path.name + ".gz").write_bytes(packed[: len(packed) // 2])
    with pytest.warns(CorruptRecordWarning, match="archive: "):
        part = tfr.collect_events(tmp_path, type="scalar")
    assert part.equals(plain.head(part.height))
    assert 0 < part.height < 100
    connection = tfr.events_logdir(tmp_path)
    found = [connection.collect(type="scalar", on_corrupt="skip").height for _ in range(2)]
    assert found == [part.height, 0]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"logdir": 3}, TypeError, "`logdir` must be a path or several of them, not int"),
        ({"logdir": b"logs"}, TypeError, "`logdir` must be a path or several of them, not bytes"),
        ({"step": [1, 2]}, TypeError, "`step` must be a step, a range or a pair of the first and the last"),
        ({"step": 1.5}, TypeError, "`step` must be a step, a range or a pair of the first and the last"),
        ({"n": 2.0}, ValueError, "`n` must be a positive whole number or None, not 2.0"),
        ({"n": 0}, ValueError, "`n` must be a positive whole number or None, not 0"),
    ],
)
def test_arguments_that_make_no_sense_are_named(tmp_path, arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        tfr.collect_events(**{"logdir": tmp_path, **arguments})


def test_the_last_attempt_wins_where_it_logged_again(tmp_path):
    def attempt(start, steps, value):
        events = [scalar("x", value, step=i, wall_time=start + i) for i in steps]
        write_file(tmp_path, [version(start), *events], f"events.out.tfevents.{int(start)}.host.1.0")

    attempt(START, range(6), 1)
    attempt(START + 3.5, range(2, 4), 2)  # beside the first, which goes on until START + 5
    attempt(START + 1000, range(3, 8), 3)
    assert tfr.collect_events(tmp_path, type="scalar").height == 13
    frame = tfr.collect_events(tmp_path, type="scalar", restarts="last")
    assert frame.columns == ["run", "tag", "step", "wall_time", "value"]
    assert frame.select("step", "value").rows() == [
        (0, 1),
        (1, 1),
        (2, 1),
        (2, 2),
        *((i, 3) for i in range(3, 8)),
    ]
    with pytest.raises(ValueError, match="`restarts` must be one of"):
        tfr.collect_events(tmp_path, restarts="first")


def test_a_session_start_begins_an_attempt(tmp_path):
    start = Event(wall_time=START + 100, step=1, session_log=SessionLog(status=SessionLog.START))
    write_file(
        tmp_path,
        [
            version(),
            Event(wall_time=START, session_log=SessionLog(status=SessionLog.START)),
            *(scalar("x", 1, step=i, wall_time=START + i) for i in range(3)),
            start,
            *(scalar("x", 2, step=i, wall_time=START + 101 + i) for i in range(1, 3)),
        ],
    )
    frame = tfr.collect_events(tmp_path, type="scalar", restarts="last")
    assert frame.select("step", "value").rows() == [(0, 1), (1, 2), (2, 2)]
    columns = tfr.collect_events(tmp_path, type="scalar", columns=["attempt"])
    assert columns["attempt"].to_list() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("n", [None, 1, 4, 5, 100])
@pytest.mark.parametrize("batch_bytes", [1, 1 << 20])
def test_a_kind_is_read_a_few_files_at_a_time(tmp_path, monkeypatch, n, batch_bytes):
    monkeypatch.setattr("tfruns_rs.tfevents._read.FIRST_BATCH_BYTES", batch_bytes)
    monkeypatch.setattr("tfruns_rs.tfevents._read.BATCH_BYTES", batch_bytes)
    for run in ("a", "b", "c"):
        with tfr.with_logdir(tmp_path / run):
            for step in range(2):
                tfr.log_event(
                    x=1.0, t="text", h=tfr.summary_histogram([1.0, step]), i=np.zeros(3).sum(), step=step
                )
    histograms = tfr.collect_events(tmp_path, n, type="histogram", columns=["file"])
    expected = [(run, "h", step) for run in ("a", "b", "c") for step in range(2)][:n]
    assert histograms.select("run", "tag", "step").rows() == expected
    assert histograms.columns[-1] == "file"
    assert tfr.collect_events(tmp_path, n, type="text").height == len(expected)
    assert tfr.collect_events(tmp_path, n, type="image").is_empty()
    assert tfr.collect_events(tmp_path, n, type="tensor").is_empty()


def test_runs_stand_for_their_events(tmp_path):
    for name in ("a", "b"):
        with tfr.create_run(name=name, runs_dir=tmp_path) as run:
            run.log("val", {"loss": 1}, step=0)
    runs = tfr.ls_runs(runs_dir=tmp_path)
    found = tfr.collect_events(runs, type="scalar", tag="loss")
    assert sorted(found["logdir"]) == sorted(runs["run_dir"])
    assert tfr.scan_events(runs, tag="loss").collect().equals(found)
    for one in (runs.head(1), tfr.latest_run(tmp_path), tfr.load_run(runs["run_dir"][0])):
        assert tfr.collect_events(one, type="scalar", tag="loss")["run"].to_list() == ["logs/val"]
    assert tfr.verify_events(runs).is_empty()
    assert tfr.collect_events(runs.head(0), type="scalar").is_empty()
    with pytest.raises(ValueError, match="run_dir"):
        tfr.collect_events(runs.drop("run_dir"))
