"""The traps of event files that concern values: what real writers do that a reader would not expect.

Each test is one trap, `test_trap_<number>_<what>`, with files of the writers themselves where they are
installed (TensorBoard's, tensorboardX), and by hand in their form where they are not (TensorFlow, PyTorch).

| trap | what |
|---|---|
| 1 | a scalar is `simple_value` or a tensor: packed bytes, `float_val` without a shape, float64 |
| 2 | a single element fills a whole tensor |
| 3 | halves stand as their 16 bits; PyTorch puts the 32 bits of a float there |
| 4 | repeated numbers are packed or not |
| 5 | metadata stand on the first value of a tag only, or on each, and may be missing in the next file |
| 6 | a data class says what a value is; without one its field does, then the plugin's name |
| 7 | hyperparameters are metadata without a value |
| 8 | the tag of very old writers is `node_name` |
| 9 | an event holds many values, and a tag twice |
| 10 | a version 1 histogram has empty buckets outside, and ±1.8e308 for edges |
| 11 | a version 2 histogram may have no bucket, or nothing but zeros |
| 12 | text is of any rank, its tag may end in "/text_summary", its plugin content may be "{}" |
| 13 | images: three forms, without metadata too; a GIF may be inside |
| 14 | audio: three forms, with labels or without |
| 15 | curves have six rows in a certain order; some writers stop at 127 thresholds |
| 16 | a mesh is several tags; old ones do not say which parts there are |
| 17 | graphs stand beside summaries, or in one |
| 18 | the layout of custom scalars is a value of a fixed tag |
| 19 | hyperparameters: fixed tags, bools that are numbers, sessions in runs of their own |
| 20 | tensorboardX changes tags; `add_scalars` makes a run for each of its keys |
| 21 | a wall time may be NaN, or go back |
| 22 | a step may be negative, or larger than 32 bits |
"""

import io
import json
import math
import struct
import wave

import numpy as np
import PIL.Image
import pytest
from tensorboard import data_compat, dataclass_compat
from tensorboard.compat.proto import event_pb2, histogram_pb2, summary_pb2, tensor_pb2, types_pb2
from tensorboard.plugins.audio import metadata as audio_metadata
from tensorboard.plugins.hparams import plugin_data_pb2, summary_v2
from tensorboard.plugins.mesh import metadata as mesh_metadata
from tensorboard.plugins.mesh import plugin_data_pb2 as mesh_data_pb2
from tensorboard.plugins.pr_curve import plugin_data_pb2 as pr_curve_data_pb2
from tensorboard.util import tensor_util
from tensorboardX import SummaryWriter

import tfruns_rs as tfr
from interop.data_server import DataServer
from interop.foreign_files import (
    FILE_NAME,
    SCALARS,
    TYPED_SCALARS,
    Value,
    scalar_tensor,
    torch_new_style,
    value_event,
    write_events,
)
from tfevents.tensorboard_reader import CONTEXT, Reader

RNG = np.random.default_rng(29)
Tensor = tensor_pb2.TensorProto


def metadata(plugin, content=b"", data_class=0):
    found = summary_pb2.SummaryMetadata(data_class=data_class)
    found.plugin_data.plugin_name, found.plugin_data.content = plugin, content
    return found


def tensor(array, **fields):
    made = tensor_util.make_tensor_proto(array)
    made.MergeFrom(Tensor(**fields))
    return made


def write(logdir, *values, name=FILE_NAME):
    """One event for each value, with rising steps."""
    return write_events(logdir / name, [value_event(i, 2.0 + i, value) for i, value in enumerate(values)])


def rows(logdir, kind="summary"):
    return tfr.collect_events(logdir, type=kind)


def values(logdir):
    return tfr.value(rows(logdir), as_list=True)


def as_tensorboard_loads(logdir):
    """Every value of a logdir's one file, in the form to which TensorBoard's loader brings it."""
    (file,) = logdir.rglob("events.out.tfevents*")
    data, seen, found = file.read_bytes(), {}, []
    while data:
        length = int.from_bytes(data[:8], "little")
        event = data_compat.migrate_event(event_pb2.Event.FromString(data[12 : 12 + length]))
        found += [v for new in dataclass_compat.migrate_event(event, seen) for v in new.summary.value]
        data = data[16 + length :]
    return found


def a_png(width=5, height=3, mode="L"):
    file = io.BytesIO()
    PIL.Image.new(mode, (width, height), 51).save(file, "png")
    return file.getvalue()


def test_trap_01_scalars_of_every_form(tmp_path):
    double = Tensor(dtype=types_pb2.DT_DOUBLE, double_val=[0.1])
    write(
        tmp_path,
        Value(tag="a", simple_value=0.5),
        Value(tag="b", tensor=scalar_tensor(0.5), metadata=SCALARS),
        torch_new_style("c", 0.5, first=True),
        Value(tag="d", tensor=double, metadata=TYPED_SCALARS),
    )
    assert rows(tmp_path, "scalar")["value"].to_list() == [0.5, 0.5, 0.5, 0.1]
    assert values(tmp_path) == [0.5, 0.5, 0.5, 0.1]


def test_trap_02_one_element_fills_the_tensor(tmp_path):
    shape = {"dim": [{"size": 2}, {"size": 3}]}
    made = [
        Tensor(dtype=types_pb2.DT_FLOAT, tensor_shape=shape, float_val=[1.5]),
        Tensor(dtype=types_pb2.DT_INT64, tensor_shape=shape, int64_val=[1, -2]),  # the last one goes on
        Tensor(dtype=types_pb2.DT_BOOL, tensor_shape=shape, bool_val=[True]),
    ]
    write(tmp_path, *(Value(tag="t", tensor=one, metadata=metadata("mine")) for one in made))
    assert [array.tolist() for array in values(tmp_path)] == [
        [[1.5] * 3] * 2,
        [[1, -2, -2], [-2, -2, -2]],
        [[True] * 3] * 2,
    ]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_trap_03_halves_of_16_bits_and_of_32(dtype, tmp_path):
    numbers = [0.0, 1.0, -2.5, 0.15625, math.inf, -math.inf, math.nan]
    single = [struct.unpack("<i", struct.pack("<f", number))[0] for number in numbers]
    if dtype == "float16":
        half = [int(np.float16(number).view(np.uint16)) for number in numbers]
    else:
        half = [bits >> 16 & 0xFFFF for bits in single]
    code = types_pb2.DT_HALF if dtype == "float16" else types_pb2.DT_BFLOAT16
    shape = {"dim": [{"size": len(numbers)}]}
    write(
        tmp_path,
        *(
            Value(
                tag="t",
                tensor=Tensor(dtype=code, tensor_shape=shape, half_val=bits),
                metadata=metadata("mine"),
            )
            for bits in (half, single)
        ),
    )
    read = values(tmp_path)
    assert rows(tmp_path, "tensor")["dtype"].to_list() == [dtype] * 2
    for array in read:
        np.testing.assert_array_equal(array.astype(np.float64), numbers)


def test_trap_04_repeated_numbers_packed_and_not(tmp_path):
    numbers = [1.0, 2.5, -3.0]
    head = bytes.fromhex("0801120412020803")
    packed = head + b"\x2a\x0c" + struct.pack("<3f", *numbers)
    loose = head + b"".join(b"\x2d" + struct.pack("<f", number) for number in numbers)
    write(tmp_path, *(Value(tag="t", tensor=Tensor.FromString(message)) for message in (packed, loose)))
    assert [array.tolist() for array in values(tmp_path)] == [numbers] * 2


def test_trap_05_metadata_on_the_first_value_or_on_each(tmp_path):
    for name, on_each in (("first", False), ("each", True)):
        write(
            tmp_path / name,
            *(
                Value(tag="x", tensor=scalar_tensor(i), metadata=TYPED_SCALARS if on_each or not i else None)
                for i in range(3)
            ),
        )
    write(tmp_path / "first", Value(tag="x", tensor=scalar_tensor(3)), name=FILE_NAME.replace("17", "18"))
    assert rows(tmp_path / "first", "scalar")["value"].to_list() == [0, 1, 2, 3]
    assert rows(tmp_path / "each", "scalar")["value"].to_list() == [0, 1, 2]


def test_trap_05_the_first_metadata_of_a_tag_stand_for_those_without(tmp_path):
    """TensorBoard shows a tag by its first metadata; a row tells what the value says itself, if it does."""
    first, second = metadata("text"), metadata("text")
    first.display_name, second.display_name = "First", "Second"
    write(
        tmp_path,
        *(Value(tag="t", tensor=tensor(["a"]), metadata=said) for said in (first, second, None)),
    )
    read = [summary["display_name"] for summary in rows(tmp_path)["summary"].to_list()]
    assert read == ["First", "Second", "First"]
    assert Reader(tmp_path).metadata(".", "t").display_name == "First"


def test_trap_06_a_class_then_the_field_then_the_plugin(tmp_path):
    scalar, blob = summary_pb2.DATA_CLASS_SCALAR, summary_pb2.DATA_CLASS_BLOB_SEQUENCE
    write(
        tmp_path,
        Value(tag="class", tensor=scalar_tensor(0.5), metadata=metadata("mine", data_class=scalar)),
        Value(tag="blob", tensor=tensor([b"x"]), metadata=metadata("mine", data_class=blob)),
        Value(tag="field", simple_value=1.5),
        Value(tag="field_image", image={"width": 5, "height": 3, "encoded_image_string": a_png()}),
        Value(tag="plugin", tensor=scalar_tensor(2.5), metadata=SCALARS),
        Value(tag="neither", tensor=scalar_tensor(3.5)),
    )
    assert rows(tmp_path, "scalar").select("tag", "value").rows() == [
        ("class", 0.5),
        ("field", 1.5),
        ("plugin", 2.5),
    ]
    assert rows(tmp_path)["plugin"].to_list() == ["mine", "mine", "scalars", "images", "scalars", ""]
    assert rows(tmp_path, "tensor")["tag"].to_list() == ["class", "blob", "neither"]


def test_trap_06_tensorboard_serves_our_values_of_an_unknown_plugin(tmp_path):
    """Without a data class the tag would be listed, and its data left out."""
    with tfr.with_logdir(tmp_path):
        tfr.log_event(
            mine=tfr.summary_tensor([1.5, 2.5], metadata=tfr.summary_metadata("mine", plugin_content=b"v1"))
        )
    listed = Reader(tmp_path).provider.read_tensors(
        CONTEXT, experiment_id="", plugin_name="mine", downsample=9
    )
    assert [datum.numpy.tolist() for datum in listed["."]["mine"]] == [[1.5, 2.5]]
    foreign = tmp_path / "foreign"
    write(foreign, Value(tag="mine", tensor=tensor([1.5]), metadata=metadata("mine")))
    provider = Reader(foreign).provider
    assert not provider.list_tensors(CONTEXT, experiment_id="", plugin_name="mine")
    assert rows(foreign, "tensor")["tag"].to_list() == ["mine"]  # ours reads it all the same


KNOWN = {
    **dict.fromkeys(("scalars",), summary_pb2.DATA_CLASS_SCALAR),
    **dict.fromkeys(
        ("histograms", "text", "hparams", "pr_curves", "mesh", "custom_scalars"),
        summary_pb2.DATA_CLASS_TENSOR,
    ),
    **dict.fromkeys(
        ("images", "audio", "graph_run_metadata", "graph_run_metadata_graph", "graph_keras_model"),
        summary_pb2.DATA_CLASS_BLOB_SEQUENCE,
    ),
}


@pytest.mark.parametrize("plugin", [*KNOWN, "graphs", "graph_tagged_run_metadata", "mine"])
def test_trap_06_a_class_is_written_only_where_tensorboard_knows_none(plugin, tmp_path):
    """Either way its loader ends with the same class."""
    summary = tfr.summary_tensor(["x"], tag="t", metadata=tfr.summary_metadata(plugin))
    written = Value.FromString(summary.fields).metadata.data_class
    assert (written == summary_pb2.DATA_CLASS_UNKNOWN) == (plugin in KNOWN)
    with tfr.with_logdir(tmp_path):
        tfr.log_event(summary)
    tfr.flush()
    (loaded,) = as_tensorboard_loads(tmp_path)
    expected = KNOWN.get(
        plugin, summary_pb2.DATA_CLASS_TENSOR if plugin == "mine" else summary_pb2.DATA_CLASS_BLOB_SEQUENCE
    )
    assert loaded.metadata.data_class == expected


def test_trap_07_metadata_without_a_value(tmp_path):
    (start,) = summary_v2.hparams_pb({"lr": 0.5}).value
    bare = Value()
    bare.CopyFrom(start)
    bare.ClearField("tensor")
    write(tmp_path / "null_tensor", start)
    write(tmp_path / "bare", bare)
    assert [(v.tensor.dtype, list(v.tensor.tensor_shape.dim)) for v in [start]] == [
        (types_pb2.DT_FLOAT, [start.tensor.tensor_shape.dim[0]])
    ]
    for logdir in (tmp_path / "null_tensor", tmp_path / "bare"):
        assert values(logdir) == [{"lr": 0.5}]
        assert tfr.collect_hparams(logdir)["lr"].to_list() == [0.5]
    assert rows(tmp_path)["value"].to_list() == [None, None]


def test_trap_08_the_tag_of_very_old_writers(tmp_path):
    write(
        tmp_path, Value(node_name="old", simple_value=1.0), Value(tag="new", node_name="x", simple_value=2.0)
    )
    assert rows(tmp_path, "scalar")["tag"].to_list() == ["old", "new"]


def test_trap_09_many_values_in_an_event_and_a_tag_twice(tmp_path):
    text = Value(tag="note", tensor=tensor(["hi"]), metadata=metadata("text"))
    event = value_event(7, 2.0, Value(tag="a", simple_value=1), text, Value(tag="a", simple_value=2))
    write_events(tmp_path / FILE_NAME, [event])
    assert rows(tmp_path).select("tag", "step").rows() == [("a", 7), ("note", 7), ("a", 7)]
    assert values(tmp_path) == [1.0, "hi", 2.0]
    assert tfr.collect_events(tmp_path)["summary"].list.len().to_list() == [None, 3]
    assert tfr.collect_events(tmp_path, n=1, type="scalar")["value"].to_list() == [1.0, 2.0]


def old_histograms():
    edge = 1.7976931348623157e308
    yield histogram_pb2.HistogramProto(
        min=-2,
        max=3,
        num=6,
        sum=4,
        sum_squares=20,
        bucket_limit=[-edge, -1, 0, 2, edge],
        bucket=[0, 1, 0, 5, 0],
    )
    yield histogram_pb2.HistogramProto(min=-7, max=9, num=2, bucket_limit=[0, edge], bucket=[1, 1])
    yield histogram_pb2.HistogramProto(min=1, max=1, num=0, bucket_limit=[0, 1], bucket=[0, 0])
    yield histogram_pb2.HistogramProto()


def test_trap_10_old_histograms_as_tensorboard_converts_them(tmp_path):
    write(tmp_path, *(Value(tag="h", histo=histo) for histo in old_histograms()))
    with SummaryWriter(str(tmp_path / "x")) as writer:
        writer.add_histogram("h", RNG.standard_normal(1000), 1)
    for logdir in (tmp_path / "x", tmp_path):
        if logdir == tmp_path:
            next((tmp_path / "x").iterdir()).unlink()
        ours = values(logdir)
        theirs = [tensor_util.make_ndarray(value.tensor) for value in as_tensorboard_loads(logdir)]
        assert len(ours) == len(theirs) > 0
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one.to_numpy().astype(np.float32), other)
    messages = [summary["data"] for summary in rows(tmp_path)["summary"].to_list()]
    assert [histogram_pb2.HistogramProto.FromString(message) for message in messages] == list(
        old_histograms()
    )


def test_trap_10_buckets_without_edges_are_null(tmp_path):
    write(tmp_path, Value(tag="h", histo={"bucket": [1, 2], "bucket_limit": [1], "num": 3}))
    assert rows(tmp_path, "histogram")["buckets"].to_list() == [None]


def test_trap_11_new_histograms_without_buckets_or_of_zeros(tmp_path):
    write(
        tmp_path,
        *(
            Value(tag="h", tensor=tensor(np.zeros((k, 3))), metadata=metadata("histograms"))
            for k in (0, 1, 30)
        ),
    )
    assert [frame.shape for frame in values(tmp_path)] == [(0, 3), (1, 3), (30, 3)]
    assert rows(tmp_path, "histogram")["count"].to_list() == [0, 0, 0]


def test_trap_12_text_of_every_writer(tmp_path):
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_text("note", "größe", 1)
    found = rows(tmp_path, "text")
    assert found.select("tag", "text", "shape").rows() == [("note/text_summary", "größe", [1])]
    for rank, array in enumerate(("a", ["a", "b"], [["a", "b"], ["c", "d"]])):
        write(
            tmp_path / str(rank),
            Value(tag="t", tensor=tensor(np.array(array)), metadata=metadata("text", b"{}")),
        )
        read = rows(tmp_path / str(rank), "text")
        assert read["elements"].to_list() == [np.array(array).reshape(-1).tolist()]
        assert read["shape"].to_list() == [list(np.array(array).shape)]
        assert rows(tmp_path / str(rank))["summary"].struct.field("plugin_content").to_list() == [b"{}"]


def test_trap_13_images_of_every_form(tmp_path):
    png = a_png()
    gif = io.BytesIO()
    PIL.Image.new("L", (5, 3), 255).save(
        gif, "gif", save_all=True, append_images=[PIL.Image.new("L", (5, 3))]
    )
    write(
        tmp_path,
        Value(tag="torch", image={"width": 5, "height": 3, "colorspace": 1, "encoded_image_string": png}),
        Value(
            tag="x",
            image={"width": 5, "height": 3, "colorspace": 1, "encoded_image_string": png},
            metadata=metadata("images"),
        ),
        Value(tag="tf2", tensor=tensor([b"5", b"3", png, png]), metadata=metadata("images")),
        Value(tag="r", tensor=tensor([b"\5", b"\3", png]), metadata=metadata("images")),
        Value(tag="video", image={"width": 5, "height": 3, "encoded_image_string": gif.getvalue()}),
    )
    assert rows(tmp_path, "image").select("tag", "width", "height").rows() == [
        (tag, 5, 3) for tag in ("torch", "x", "tf2", "r", "video")
    ]
    pictures = [np.stack(v) if isinstance(v, list) else v for v in values(tmp_path)]
    assert [picture.shape for picture in pictures] == [(3, 5), (3, 5), (2, 3, 5), (3, 5), (3, 5, 3)]
    assert all((picture == 0.2).all() for picture in pictures[:4])
    assert (pictures[4] == 1).all()
    converted = as_tensorboard_loads(tmp_path)
    assert [list(value.tensor.string_val)[2:] for value in converted] == rows(tmp_path, "image")[
        "images"
    ].to_list()


def test_trap_14_audio_of_every_form(tmp_path):
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(struct.pack("<2h", 2**14, -(2**15)))
    wav = file.getvalue()
    content = audio_metadata.create_summary_metadata(
        display_name=None, description=None, encoding=audio_metadata.Encoding.Value("WAV")
    ).plugin_data.content
    write(
        tmp_path / "made",
        Value(tag="v1", audio={"sample_rate": 8000, "num_channels": 1, "encoded_audio_string": wav}),
        Value(
            tag="pairs", tensor=tensor([[wav, b"one"], [wav, b"two"]]), metadata=metadata("audio", content)
        ),
        Value(tag="clips", tensor=tensor([wav, wav]), metadata=metadata("audio", content)),
    )
    found = rows(tmp_path / "made", "audio")
    assert found.select("tag", "sample_rate", "labels").rows() == [
        ("v1", 8000, []),
        ("pairs", 8000, ["one", "two"]),
        ("clips", 8000, []),
    ]
    loaded = [list(value.tensor.string_val) for value in as_tensorboard_loads(tmp_path / "made")]
    assert loaded == found["clips"].to_list()
    first, *others = values(tmp_path / "made")
    assert first.samples.tolist() == others[1][0].samples.tolist() == [[0.5, -1.0]]


def test_trap_15_curves(tmp_path):
    labels, predictions = RNG.random(100) < 0.5, RNG.random(100)
    with SummaryWriter(str(tmp_path / "x")) as writer:
        writer.add_pr_curve("curve", labels, predictions, 1, num_thresholds=500)
    with tfr.with_logdir(tmp_path / "ours"):
        tfr.log_event(curve=tfr.summary_pr_curve(labels, predictions, num_thresholds=127))
        tfr.log_event(fine=tfr.summary_pr_curve(labels, predictions, num_thresholds=500))
    theirs, (ours, fine) = tfr.value(rows(tmp_path / "x")), values(tmp_path / "ours")
    assert (theirs.shape, fine.shape) == ((6, 127), (6, 500))
    np.testing.assert_allclose(ours[:4], theirs[:4])  # true and false positives, true and false negatives
    content = rows(tmp_path / "ours")["summary"].to_list()[1]["plugin_content"]
    assert pr_curve_data_pb2.PrCurvePluginData.FromString(content).num_thresholds == 500
    curves = Reader(tmp_path).backend("pr_curves")
    shown = curves.pr_curves_impl(CONTEXT, "", ["ours"], "fine")["ours"]
    assert len(shown[0]["thresholds"]) == (fine[:2].sum(axis=0) > 0).sum()  # those that let something through
    assert rows(tmp_path, "tensor")["plugin"].unique().to_list() == ["pr_curves"]


def test_trap_16_meshes(tmp_path):
    vertices, faces = RNG.random((1, 4, 3)).astype(np.float32), np.array([[[0, 1, 2]]])
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_mesh("body", vertices, faces=faces, global_step=1)
    found = rows(tmp_path, "tensor")
    assert found["tag"].to_list() == ["body_1", "body_2"]
    contents = rows(tmp_path)["summary"].struct.field("plugin_content").to_list()
    parsed = [mesh_data_pb2.MeshPluginData.FromString(content) for content in contents]
    assert [(content.name, content.content_type) for content in parsed] == [("body", 1), ("body", 2)]
    assert {content.components for content in parsed} == {0}  # TensorBoard takes it for all three
    assert tfr.value(rows(tmp_path), as_list=True)[0].tolist() == vertices.tolist()
    ours = tfr.summary_mesh("body", vertices, faces=faces)
    assert [summary.tag for summary in ours] == [
        mesh_metadata.get_instance_name("body", kind)
        for kind in (mesh_data_pb2.MeshPluginData.VERTEX, mesh_data_pb2.MeshPluginData.FACE)
    ]


def test_trap_17_graphs_beside_summaries_and_in_one(tmp_path):
    events = [
        event_pb2.Event(wall_time=2.0, graph_def=b"graph"),
        event_pb2.Event(wall_time=3.0, step=4, tagged_run_metadata={"tag": "step1", "run_metadata": b"cost"}),
        event_pb2.Event(wall_time=4.0, meta_graph_def=b"meta"),
    ]
    write_events(tmp_path / FILE_NAME, events)
    assert tfr.collect_events(tmp_path)["what"].to_list() == [
        "file_version",
        "graph_def",
        "tagged_run_metadata",
        "meta_graph_def",
    ]
    found = rows(tmp_path)
    assert found.select("tag", "plugin", "step", "wall_time").rows() == [
        ("__run_graph__", "graphs", 0, 2.0),
        ("step1", "graph_tagged_run_metadata", 4, 3.0),
    ]
    loaded = as_tensorboard_loads(tmp_path)
    assert [(v.tag, v.metadata.plugin_data.plugin_name) for v in loaded] == found.select(
        "tag", "plugin"
    ).rows()
    assert [v.tolist() for v in values(tmp_path)] == [["graph"], ["cost"]]
    assert rows(tmp_path, "tensor")["tag"].to_list() == ["__run_graph__", "step1"]
    assert tfr.collect_events(tmp_path, type="summary", tag="step1").height == 1
    assert tfr.collect_events(tmp_path, n=1, type="summary")["tag"].to_list() == ["__run_graph__"]
    with tfr.with_logdir(tmp_path / "ours"):
        tfr.log_graph(b"graph")
    assert values(tmp_path / "ours")[0].tolist() == ["graph"]
    assert rows(tmp_path / "ours").select("tag", "plugin").rows() == [("__run_graph__", "graphs")]


def test_trap_18_the_layout_of_custom_scalars(tmp_path):
    layout = {"losses": {"both": ["Multiline", ["loss/a", "loss/b"]]}}
    with SummaryWriter(str(tmp_path / "x")) as writer:
        writer.add_custom_scalars(layout)
    with tfr.with_logdir(tmp_path / "ours"):
        tfr.log_custom_scalars({"losses": {"both": ["loss/a", "loss/b"]}})
    found = rows(tmp_path)
    assert found.select("tag", "plugin").unique().rows() == [("custom_scalars__config__", "custom_scalars")]
    x, ours = (found.filter(run=run)["summary"].struct.field("data").item() for run in ("x", "ours"))
    assert x.removeprefix(x[:4])[:8] == ours.removeprefix(ours[:4])[:8]


def test_trap_19_hyperparameters_of_every_writer(tmp_path):
    with SummaryWriter(str(tmp_path / "x")) as writer:
        writer.add_hparams({"lr": 0.1, "bn": True, "opt": "adam"}, {"acc": 0.5})
    frame = tfr.collect_hparams(tmp_path / "x")
    assert frame.height == 1
    assert frame["run"].item() != "."  # a run of its own, named by the time
    assert frame.select("lr", "bn", "opt", "acc", "status").row(0) == (0.1, True, "adam", 0.5, "success")
    info = plugin_data_pb2.SessionStartInfo()
    info.hparams["bn"].number_value = 1.0  # as torch does: to Python a bool is an int
    content = plugin_data_pb2.HParamsPluginData(session_start_info=info).SerializeToString()
    tags = ("_hparams_/session_start_info", "_hparams_/session_end_info", "_hparams_/experiment")
    assert rows(tmp_path / "x").filter(plugin="hparams")["tag"].sort().to_list() == sorted(tags)
    write(tmp_path / "torch", Value(tag=tags[0], metadata=metadata("hparams", content)))
    assert values(tmp_path / "torch") == [{"bn": 1.0}]
    said = json.loads(rows(tmp_path / "torch", "hparams")["content"].item())
    assert said == {"bn": 1.0}


def test_trap_20_tags_and_runs_of_tensorboardx(tmp_path):
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("/train loss (mean)", 0.5, 1)
        writer.add_scalars("loss", {"train": 0.5, "valid": 0.75}, 1)
        names = {"train": "loss/train", "valid": "loss/valid"}
    found = rows(tmp_path, "scalar").sort("run")
    assert found.select("run", "tag", "value").rows() == [
        (".", "train_loss__mean_", 0.5),
        *((run, "loss", value) for run, value in zip(names.values(), (0.5, 0.75), strict=True)),
    ]
    ours = tmp_path / "ours"
    with tfr.with_logdir(ours):
        tfr.log_event({"/train loss (mean)": 0.5})
    assert rows(ours, "scalar")["tag"].to_list() == ["/train loss (mean)"]  # ours is as it was given


def test_trap_21_times_that_are_nan_or_go_back(tmp_path):
    times = [3.0, math.nan, 2.0, 1e12]
    write_events(
        tmp_path / FILE_NAME,
        [value_event(i, time, Value(tag="x", simple_value=i)) for i, time in enumerate(times)],
    )
    read = rows(tmp_path, "scalar")
    assert read["value"].to_list() == [0, 1, 2, 3]
    assert str(read["wall_time"].to_list()) == str(times)
    with DataServer(tmp_path) as server:  # reads nothing behind the NaN
        assert [point.step for point in server.scalars()] == [0]
    with tfr.with_logdir(tmp_path / "ours"), pytest.raises(ValueError, match="wall_time is NaN"):
        tfr.log_event(x=1, wall_time=math.nan)


def test_trap_22_steps_below_zero_and_beyond_32_bits(tmp_path):
    steps = [-(2**63), -1, 0, 2**31, 2**63 - 1]
    write_events(
        tmp_path / "theirs" / FILE_NAME,
        [value_event(step, 2.0, Value(tag="x", simple_value=1)) for step in steps],
    )
    with tfr.with_logdir(tmp_path / "ours"):
        for step in steps:
            tfr.log_event(x=1, step=step)
    for run in ("theirs", "ours"):
        assert rows(tmp_path / run, "scalar")["step"].to_list() == steps
    with DataServer(tmp_path) as server:
        assert sorted(point.step for point in server.scalars()) == sorted(steps * 2)


def test_every_trap_has_a_test():
    numbers = {int(name.split("_")[2]) for name in globals() if name.startswith("test_trap_")}
    listed = [line.split("|")[1].strip() for line in __doc__.splitlines() if line.startswith("| ")]
    assert numbers == {int(number) for number in listed if number.isdigit()} == set(range(1, 23))
