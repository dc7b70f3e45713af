"""`SummaryWriter` beside torch's own: the same calls, tensors among them, read alike."""

import inspect

import numpy as np
import polars as pl
import pytest
from google.protobuf import text_format
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

import tfruns_rs as tfr
from frameworks import calls
from frameworks.accumulated import accumulated
from tfruns_rs.torch import SummaryWriter

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore")]  # of the peer's


def both(call, tmp_path):
    from torch.utils import tensorboard

    places = tmp_path / "theirs", tmp_path / "ours"
    for make, place in zip((tensorboard.SummaryWriter, SummaryWriter), places, strict=True):
        with make(str(place)) as writer:
            call(writer)
    return places


def tensors(writer):
    import torch

    writer.add_scalar("tensor", torch.tensor([0.25], requires_grad=True), torch.tensor(3))
    writer.add_scalar("bfloat16", torch.tensor(1.5, dtype=torch.bfloat16), 1)
    writer.add_scalar("new", 0.1, 1, new_style=True)
    writer.add_scalar("double", 0.1, 1, new_style=True, double_precision=True)
    writer.add_scalars("several", {"a": torch.tensor(1.0), "b": np.float64(2.0)}, 2)
    writer.add_histogram("weights", torch.linspace(-1, 1, 300).reshape(3, 100), 1)
    writer.add_image("image", torch.linspace(0, 1, 3 * 4 * 5).reshape(3, 4, 5), 1)
    writer.add_images("images", torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0)), 1)
    writer.add_audio("sound", torch.linspace(-1, 1, 100), 2, sample_rate=8000)
    for dtype in (torch.float32, torch.float64, torch.int64, torch.bool):
        writer.add_tensor(str(dtype), torch.arange(6).reshape(2, 3).to(dtype), 4)


def embeddings(writer):
    import torch

    names, points = [f"n{i}" for i in range(9)], torch.tensor(calls.BATCH[:, 0, 0])
    writer.add_embedding(points, names, torch.tensor(calls.BATCH[:, :, :, :5]), global_step=3, tag="a/b")
    rows = [[name, i] for i, name in enumerate(names)]
    writer.add_embedding(points, rows, metadata_header=["name", "number"])


def hparams(writer):
    values = {"lr": 0.1, "units": 3, "on": True, "name": "x", "none": None}
    domains = {"units": [1, 2, 3], "name": ["x", "y"]}
    writer.add_hparams(values, {"loss": 0.5, "acc": 1}, domains, "trial", 4)


def graph(writer):
    import torch

    writer.add_graph(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU()), torch.zeros(1, 3))


def of_plugin(tags, plugin):
    return [(tag, held) for tag, held in tags.items() if tag[0] == "metadata" and held[0] == plugin]


@pytest.mark.parametrize(
    "call", [*calls.ALL[:-1], embeddings, tensors, hparams, graph], ids=lambda call: call.__name__
)
def test_torch_and_ours_read_alike(call, tmp_path):
    theirs, ours = both(call, tmp_path)
    expected = accumulated(theirs)
    if call is tensors:  # ours are marked as tensors: TensorBoard serves only those
        for tag, (plugin, content, (*titles, marked), held) in of_plugin(expected["."], "tensor"):
            assert marked == 0
            expected["."][tag] = (plugin, content, (*titles, 2), held)
    assert accumulated(ours) == expected
    if call is embeddings:
        files = [path.relative_to(theirs) for path in theirs.rglob("*.tsv")]
        assert len(files) == 4
        for file in files:
            assert (ours / file).read_text() == (theirs / file).read_text()
        configs = [(place / "projector_config.pbtxt").read_text() for place in (theirs, ours)]
        assert text_format.Parse(configs[0], ProjectorConfig()) == text_format.Parse(
            configs[1], ProjectorConfig()
        )
        return
    assert sum(map(len, expected.values())) > 1
    for kind in ("scalar", "histogram", "text", "tensor"):
        mine, other = (
            tfr.collect_events(place, type=kind).drop("wall_time").sort("run", "tag", "step")
            for place in (ours, theirs)
        )
        if kind == "scalar":  # ours keeps the float64
            mine = mine.with_columns(pl.col("value").cast(pl.Float32).cast(pl.Float64))
            other = other.with_columns(pl.col("value").cast(pl.Float32).cast(pl.Float64))
        assert mine.equals(other, null_equal=True), kind


def test_arguments_are_torch_s():
    from torch.utils.tensorboard import SummaryWriter as Theirs

    for name, theirs in inspect.getmembers(Theirs, inspect.isfunction):
        if name.startswith("_") and name != "__init__":
            continue
        ours, wanted = (inspect.signature(f).parameters for f in (getattr(SummaryWriter, name), theirs))
        assert list(ours)[: len(wanted)] == list(wanted), name
        for key, parameter in wanted.items():
            if key != "flush_secs":  # ours are in the file after a second
                assert ours[key].default == parameter.default, (name, key)


def test_lightning_s_own_logger_can_write_through_ours(tmp_path):
    """A framework that builds its own messages finds what it reaches for."""
    from torch.utils.tensorboard.summary import hparams as messages

    with SummaryWriter(tmp_path) as writer:
        for message in messages({"lr": 0.1}, {"loss": 1.0}):
            writer._get_file_writer().add_summary(message)
    assert tfr.collect_hparams(tmp_path).height == 1
