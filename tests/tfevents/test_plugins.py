"""Values of TensorBoard's further plugins, read by the code of those plugins."""

import io

import numpy as np
import PIL.Image
import polars as pl
import pytest
from google.protobuf import json_format, text_format
from tensorboard.compat.proto import config_pb2, graph_pb2
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.mesh import metadata as mesh_metadata
from tensorboard.plugins.projector import projector_config_pb2
from werkzeug.test import Client

import tfruns_rs as tfr
from tfevents.tensorboard_reader import CONTEXT, Reader
from tfevents.wire import parse
from tfruns_rs.errors import InvalidEventError

RNG = np.random.default_rng(17)


@pytest.fixture(autouse=True)
def logdir(tmp_path):
    with tfr.with_logdir(tmp_path):
        yield tmp_path


# --- precision-recall curves


def test_pr_curve(logdir):
    labels, predictions = RNG.random(1000) < 0.3, RNG.random(1000).astype(np.float32)
    tfr.log_event(curve=tfr.summary_pr_curve(labels, predictions, num_thresholds=11), step=3)
    ((curve,),) = Reader(logdir).backend("pr_curves").pr_curves_impl(CONTEXT, "", ["."], "curve").values()
    assert curve["step"] == 3
    assert len(curve["thresholds"]) in (10, 11)  # without the end where nothing is positive any more
    np.testing.assert_allclose(curve["thresholds"], np.arange(11)[: len(curve["thresholds"])] / 10)
    for i in range(len(curve["thresholds"])):
        positive = np.floor(predictions * 10) >= i
        tp, fp = (labels & positive).sum(), (~labels & positive).sum()
        assert (curve["true_positives"][i], curve["false_positives"][i]) == (tp, fp)
        assert (curve["true_negatives"][i], curve["false_negatives"][i]) == (
            (~labels).sum() - fp,
            labels.sum() - tp,
        )
        assert curve["recall"][i] == pytest.approx(tp / labels.sum())
        assert curve["precision"][i] == pytest.approx(tp / max(tp + fp, 1))


def test_pr_curve_with_weights():
    table = tfr.value(
        tfr.summary_pr_curve([1, 0, 1, 0], [1, 1, 0.2, 0.1], num_thresholds=2, weights=[4, 3, 2, 1])
    )
    assert table[:4].tolist() == [[6, 4], [4, 3], [0, 1], [0, 2]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 0], [1.0]), "of one shape"),
        (([2, 0], [1.0, 0]), "0 and 1"),
        (([1, 0], [1.5, 0]), "from 0 to 1"),
        (([1, 0], [np.nan, 0]), "from 0 to 1"),
        (([], []), "must not be empty"),
        ((["a"], [1.0]), "`labels` must hold real numbers"),
    ],
)
def test_wrong_pr_curve(arguments, message):
    with pytest.raises(InvalidEventError, match=message):
        tfr.summary_pr_curve(*arguments)
    for thresholds in (1, 2.5):
        with pytest.raises(InvalidEventError, match="`num_thresholds` must"):
            tfr.summary_pr_curve([1], [1.0], num_thresholds=thresholds)
    for weights in ([-1, 1], [1, np.nan]):
        with pytest.raises(InvalidEventError, match="`weights` must be finite"):
            tfr.summary_pr_curve([1, 0], [1.0, 0], weights=weights)
    with pytest.raises(InvalidEventError, match="broadcast"):
        tfr.summary_pr_curve([1, 0], [1.0, 0], weights=[1, 2, 3])


# --- meshes


def test_mesh(logdir):
    vertices = RNG.random((2, 5, 3))
    faces = RNG.integers(0, 5, (2, 3, 3))
    colors = RNG.integers(0, 256, (2, 5, 3))
    mesh = tfr.summary_mesh("body", vertices, faces=faces, colors=colors, config={"camera": {"fov": 75}})
    tfr.log_event(*mesh, step=1)
    apps = Reader(logdir).backend("mesh").get_plugin_apps()
    assert Client(apps["/tags"]).get("/").json == {".": {"body": {"samples": 2}}}
    (entry, *_) = Client(apps["/meshes"]).get("/?run=.&tag=body&sample=0").json
    assert (entry["step"], entry["config"]) == (1, '{"camera": {"fov": 75}}')
    tensors = Reader(logdir).tensors("mesh")
    for suffix, array in (("VERTEX", vertices.astype(np.float32)), ("FACE", faces), ("COLOR", colors)):
        ((step, read),) = tensors[".", f"body_{suffix}"]
        assert step == 1
        np.testing.assert_array_equal(read, array)


def test_mesh_content():
    points, colors = tfr.summary_mesh("cloud", np.zeros((1, 4, 3)), colors=np.zeros((1, 4, 3), int))
    content = mesh_metadata.parse_plugin_metadata(parse(colors).metadata.plugin_data.content)
    assert (content.name, content.content_type, list(content.shape)) == ("cloud", 3, [1, 4, 3])
    assert content.components == mesh_metadata.get_components_bitmask([1, 3])
    assert content.json_config == "{}"
    assert points.tag == mesh_metadata.get_instance_name("cloud", 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vertices": np.zeros((4, 3))}, r"`vertices` must be of shape \(batch, number, 3\)"),
        ({"vertices": None}, "must have `vertices`"),
        ({"faces": np.zeros((1, 2, 3))}, "`faces` must be whole numbers"),
        ({"colors": np.full((1, 4, 3), 256)}, "from 0 to 255"),
        ({"colors": np.zeros((1, 5, 3), int)}, "`colors` must fit `vertices`"),
        ({"faces": np.zeros((2, 2, 3), int)}, "`faces` must fit `vertices`"),
        ({"faces": [[[0, 1, 4]]]}, "`faces` must be indices of vertices, from 0 to 3"),
        ({"faces": [[[0, 1, -1]]]}, "`faces` must be indices of vertices"),
        ({"config": {"camera": object()}}, "`config` must be a mapping that JSON can hold"),
        ({"config": [1]}, "`config` must be"),
        ({"name": ""}, "`name` must be"),
    ],
)
def test_wrong_mesh(arguments, message):
    with pytest.raises(InvalidEventError, match=message):
        tfr.summary_mesh(**{"name": "m", "vertices": np.zeros((1, 4, 3)), **arguments})


# --- custom scalars


def test_custom_scalars(logdir):
    tfr.log_event({"loss": 1, "loss/lower": 0.5, "loss/upper": 2})
    tfr.log_custom_scalars(
        {
            "losses": {"all": ["loss.*"], "margin": [("loss", "loss/lower", "loss/upper")]},
            "more": {"b": ["c", "d"]},
        },
        closed=["more"],
    )
    plugin = Reader(logdir).backend("custom_scalars")
    layout = json_format.Parse(plugin.layout_impl(CONTEXT, ""), layout_pb2.Layout())
    assert [(category.title, category.closed) for category in layout.category] == [
        ("losses", False),
        ("more", True),
    ]
    every, margin = layout.category[0].chart
    assert (every.title, list(every.multiline.tag)) == ("all", ["loss.*"])
    (series,) = margin.margin.series
    assert (series.value, series.lower, series.upper) == ("loss", "loss/lower", "loss/upper")


@pytest.mark.parametrize(
    "layout", [[], {"a": ["b"]}, {"a": {"b": "c"}}, {"a": {"b": []}}, {"a": {"b": ["c", ("d", "e", "f")]}}]
)
def test_wrong_layout(layout):
    with pytest.raises(InvalidEventError, match="must be"):
        tfr.summary_custom_scalars(layout)


@pytest.mark.parametrize("closed", ["losses", ["others"]])
def test_wrong_closed(closed):
    with pytest.raises(InvalidEventError, match="`closed` must be a list of categories"):
        tfr.summary_custom_scalars({"losses": {"all": ["loss.*"]}}, closed=closed)


# --- graphs


def a_graph():
    graph = graph_pb2.GraphDef()
    graph.node.add(name="x", op="Placeholder")
    graph.node.add(name="y", op="Relu", input=["x"])
    return graph


@pytest.mark.parametrize("form", ["message", "bytes"])
def test_graph(logdir, form):
    graph = a_graph()
    tfr.log_graph(graph if form == "message" else graph.SerializeToString())
    plugin = Reader(logdir).backend("graphs")
    assert plugin.info_impl(CONTEXT, "")["."]["run_graph"]
    text, _ = plugin.graph_impl(CONTEXT, ".", None, False, "")
    assert text_format.Parse(text, type(graph)()).node[1].input == ["x"]


def test_run_metadata(logdir):
    cost = config_pb2.RunMetadata()
    cost.step_stats.dev_stats.add(device="cpu")
    cost.partition_graphs.add().CopyFrom(a_graph())
    tfr.log_event(step7=tfr.summary_run_metadata(cost))
    plugin = Reader(logdir).backend("graphs")
    text, _ = plugin.run_metadata_impl(CONTEXT, "", ".", "step7")
    assert text_format.Parse(text, config_pb2.RunMetadata()).step_stats.dev_stats[0].device == "cpu"


@pytest.mark.parametrize("graph", [b"", "text", None, 1])
def test_wrong_graph(graph):
    with pytest.raises(InvalidEventError, match="must be a message or its bytes"):
        tfr.summary_graph(graph)


# --- videos


@pytest.mark.parametrize(("channels", "dtype"), [(1, np.uint8), (3, np.uint8), (3, np.float32)])
def test_video(logdir, channels, dtype):
    frames = np.zeros((4, 6, 8, channels), dtype)
    frames[2] = 255 if dtype is np.uint8 else 1
    tfr.log_event(video=tfr.summary_video(frames, fps=10))
    (((width, height, gif),),) = Reader(logdir).blobs("images").values()
    assert (width, height) == (b"8", b"6")
    with PIL.Image.open(io.BytesIO(gif)) as picture:
        assert (picture.format, picture.n_frames, picture.info["duration"], picture.info["loop"]) == (
            "GIF",
            4,
            100,
            0,
        )
        shades = []
        for i in range(4):
            picture.seek(i)
            shades.append(np.unique(np.asarray(picture.convert("RGB"))).tolist())
    assert shades == [[0], [0], [255], [0]]


def test_wrong_video():
    for shape in ((4, 6, 8), (4, 6, 8, 4), (0, 6, 8, 3)):
        with pytest.raises(InvalidEventError, match=r"dimensions `\(frames, height, width, 1 or 3\)`"):
            tfr.summary_video(np.zeros(shape))
    with pytest.raises(InvalidEventError, match="must be uint8"):
        tfr.summary_video(np.zeros((1, 2, 2, 3), int))
    with pytest.raises(InvalidEventError, match="`frames` must be at most 65535 pixels"):
        tfr.summary_video(np.zeros((1, 70_000, 1, 3), np.uint8))
    for fps in (0, 101, "4"):
        with pytest.raises(InvalidEventError, match="`fps` must"):
            tfr.summary_video(np.zeros((1, 2, 2, 3)), fps=fps)
    with pytest.warns(UserWarning, match="are clipped"):
        tfr.summary_video(np.full((1, 2, 2, 3), 2.0))


# --- projector


def test_embedding(logdir):
    vectors = RNG.random((5, 3)).astype(np.float32)
    tfr.log_embedding(np.zeros((2, 2)), name="words")
    tfr.log_embedding(np.zeros((4, 4)), name="digits", labels=["a\tb", "c\nd", "e", "f"])
    config = tfr.log_embedding(vectors, name="words", labels={"word": list("abcde"), "n": range(5)})
    read = text_format.Parse(config.read_text(), projector_config_pb2.ProjectorConfig())
    assert [(e.tensor_name, list(e.tensor_shape)) for e in read.embeddings] == [
        ("digits", [4, 4]),
        ("words", [5, 3]),
    ]
    words = read.embeddings[1]
    np.testing.assert_array_equal(np.fromfile(logdir / words.tensor_path, "<f4").reshape(5, 3), vectors)
    assert (logdir / words.metadata_path).read_text().splitlines()[:2] == ["word\tn", "a\t0"]
    assert (logdir / read.embeddings[0].metadata_path).read_text().splitlines() == ["a b", "c d", "e", "f"]


def test_labels_of_a_frame_and_a_configuration_of_others(logdir):
    others = 'model_checkpoint_path: "m"\nembeddings {\ntensor_name: "theirs"\ntensor_path: "t"\n}\n'
    (logdir / "projector_config.pbtxt").write_text(others)
    config = tfr.log_embedding(np.zeros((2, 3)), labels=pl.DataFrame({"word": ["a", "b"], "n": [1, 2]}))
    read = text_format.Parse(config.read_text(), projector_config_pb2.ProjectorConfig())
    assert read.model_checkpoint_path == "m"
    assert [embedding.tensor_name for embedding in read.embeddings] == ["theirs", "embedding"]
    assert (logdir / "embedding.tsv").read_text() == "word\tn\na\t1\nb\t2\n"


def test_wrong_embedding():
    with pytest.raises(InvalidEventError, match=r"shape \(points, dimensions\)"):
        tfr.log_embedding(np.zeros(3))
    with pytest.raises(InvalidEventError, match="must be 2, one for each point"):
        tfr.log_embedding(np.zeros((2, 2)), labels=["a"])
    for name in ("../a", "", "a b", "a/b"):
        with pytest.raises(InvalidEventError, match="`name` must"):
            tfr.log_embedding(np.zeros((2, 2)), name=name)
