"""`SummaryWriter` beside tensorboardX's: the same calls, read by TensorBoard's accumulators and by ours."""

import numpy as np
import polars as pl
import pytest
import tensorboardX
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

import tfruns_rs as tfr
from frameworks import calls
from frameworks.accumulated import accumulated
from tfruns_rs.frameworks import _values
from tfruns_rs.tensorboardx import SummaryWriter as OursOfX
from tfruns_rs.torch import SummaryWriter


def read(logdir, kind):
    """A logdir as our reader gives it, times left out where the calls left them open."""
    frame = tfr.collect_events(logdir, type=kind)
    return frame.drop("wall_time").sort("run", "tag", "step")


def written(theirs, ours, call, tmp_path):
    """The directories that one call leaves from a peer's writer and from ours."""
    places = tmp_path / "theirs", tmp_path / "ours"
    for make, place in zip((theirs, ours), places, strict=True):
        with make(str(place)) as writer:
            call(writer)
    return places


@pytest.mark.filterwarnings("ignore")  # of the peer's
@pytest.mark.parametrize("call", calls.ALL, ids=lambda call: call.__name__)
def test_tensorboardx_and_ours_read_alike(call, tmp_path):
    theirs, ours = written(tensorboardX.SummaryWriter, OursOfX, call, tmp_path)
    expected = accumulated(theirs)
    assert accumulated(ours) == expected
    if call is calls.embeddings:
        compare_embeddings(theirs, ours)
        return
    assert sum(map(len, expected.values())) > 1
    for kind in ("scalar", "histogram", "text", "tensor"):
        mine, other = read(ours, kind), read(theirs, kind)
        if kind == "scalar":  # ours keeps the float64
            mine = mine.with_columns(pl.col("value").cast(pl.Float32).cast(pl.Float64))
        assert mine.equals(other, null_equal=True), kind


def compare_embeddings(theirs, ours):
    files = sorted(path.relative_to(theirs) for path in theirs.rglob("*.tsv"))
    assert files
    for file in files:
        assert (ours / file).read_text() == (theirs / file).read_text()
    configs = [
        text_format.Parse((place / "projector_config.pbtxt").read_text(), ProjectorConfig())
        for place in (theirs, ours)
    ]
    assert configs[0] == configs[1]


@pytest.mark.filterwarnings("ignore")
def test_tensorboardx_dialect(tmp_path):
    def call(writer):
        writer.add_scalar("with space", 1.0, 1)
        writer.add_scalar("titled", 1.0, 1, display_name="T", summary_description="d")
        writer.add_histogram("/lead", [1.0, 2.0], 1)
        writer.add_hparams({"lr": 0.1, "on": True, "opt": "adam", "f": len, "n": None}, {"acc": 0.5}, "s", 3)
        with writer.use_metadata(global_step=10):
            writer.add_scalar("meta", 3.0)

    theirs, ours = written(tensorboardX.SummaryWriter, OursOfX, call, tmp_path)
    assert accumulated(ours) == accumulated(theirs)


def test_exported_scalars_are_tensorboardx_s(tmp_path):
    import json

    def call(writer):
        writer.add_scalars("m", {"a": 0.1}, 1, walltime=5.0)
        writer.add_scalars("m", {"a": 0.2}, 2, walltime=6.0)
        writer.export_scalars_to_json(f"{writer.logdir}.json")
        writer.add_scalars("m", {"a": 0.3}, 3, walltime=7.0)
        writer.export_scalars_to_json(f"{writer.logdir}.2.json")

    written(tensorboardX.SummaryWriter, OursOfX, call, tmp_path)
    for end in (".json", ".2.json"):
        theirs, ours = (json.loads((tmp_path / f"{name}{end}").read_text()) for name in ("theirs", "ours"))
        assert list(theirs.values()) == list(ours.values())
        assert [key.replace("theirs", "ours") for key in theirs] == list(ours)


@given(
    st.lists(
        st.one_of(
            st.floats(allow_nan=False, allow_infinity=False, width=32),
            st.sampled_from(_values.default_bins().tolist()),
        ),
        min_size=1,
    ),
    st.sampled_from([None, 1, 7, 100]),
)
@settings(max_examples=60, deadline=None)
def test_histogram_of_few_buckets_is_that_of_all(values, max_bins):
    from tensorboardX.summary import make_histogram

    array = np.array(values, np.float64)
    try:
        expected = make_histogram(array, _values.default_bins(), max_bins)
    except (IndexError, ValueError):  # theirs, where nothing is in any bucket
        return
    fields = _values.histogram(array, "tensorflow", max_bins)
    read = Summary.Value.FromString(fields).histo
    assert {f.name: getattr(read, f.name) for f in read.DESCRIPTOR.fields} == {
        f.name: getattr(expected, f.name) for f in expected.DESCRIPTOR.fields
    }


def test_purge_step_hides_what_came_before(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for purge in (None, 3):
        with SummaryWriter(tmp_path, purge_step=purge, filename_suffix=f".{purge}") as writer:
            for step in range(purge or 0, 6 if purge is None else 4):
                writer.add_scalar("a", step, step)
    seen = EventAccumulator(str(tmp_path)).Reload().Scalars("a")
    assert [event.step for event in seen] == [0, 1, 2, 3]


def test_closed_goes_on_in_a_new_file(tmp_path):
    writer = SummaryWriter(tmp_path)
    writer.add_scalar("a", 1.0, 1)
    writer.close()
    writer.close()
    writer.add_scalar("a", 2.0, 2)
    writer.flush()
    assert tfr.collect_events(tmp_path, type="scalar")["value"].to_list() == [1.0, 2.0]
    assert len(list(tmp_path.glob("*tfevents*"))) == 2
    writer.close()


def test_default_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with SummaryWriter(comment="_x") as writer:
        assert str(writer.get_logdir()).startswith("runs/")
        assert str(writer.get_logdir()).endswith("_x")
    monkeypatch.setenv("TFRUNS_RUN_DIR", str(tmp_path / "run"))
    with SummaryWriter() as writer, SummaryWriter(comment="_lr_0.1") as other:
        assert writer.get_logdir() == tfr.get_default_logdir()
        assert other.get_logdir() == f"{tfr.get_default_logdir()}/lr_0.1"


def test_nothing_is_written_unless_asked_for(tmp_path):
    with OursOfX(str(tmp_path / "none"), write_to_disk=False) as writer:
        for call in calls.ALL:
            call(writer)
        writer.add_hparams({"a": 1}, {"b": 2})
    assert not (tmp_path / "none").exists()


def test_survives_pickling_and_forks(tmp_path):
    import multiprocessing
    import pickle

    writer = SummaryWriter(tmp_path)
    writer.add_scalar("a", 1.0, 1)
    again = pickle.loads(pickle.dumps(writer))  # noqa: S301 - our own
    again.add_scalar("a", 2.0, 2)
    child = multiprocessing.get_context("fork").Process(target=writer.add_scalar, args=("a", 3.0, 3))
    child.start()
    child.join()
    writer.close()
    again.close()
    assert sorted(tfr.collect_events(tmp_path, type="scalar")["value"]) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda w: w.add_scalar("a", "x"), "scalar_value"),
        (lambda w: w.add_scalar("a", [1, 2]), "shape"),
        (lambda w: w.add_histogram("a", []), "at least one"),
        (lambda w: w.add_histogram("a", [float("nan")]), "finite"),
        (lambda w: w.add_image("a", np.zeros((2, 2))), "dataformats"),
        (lambda w: w.add_image("a", np.zeros((2, 2, 2))), "colors"),
        (lambda w: w.add_hparams([], {}), "dicts"),
        (lambda w: w.add_hparams({"a": []}, {}), "hparam_dict"),
        (lambda w: w.add_hparams({"a": 1}, {}, {"a": ["x"]}), "hparam_domain_discrete"),
        (lambda w: w.add_embedding(np.zeros(3)), "mat"),
        (lambda w: w.add_embedding(np.zeros((3, 2)), ["a"]), "metadata"),
        (lambda w: w.add_audio("a", np.zeros((2, 3, 4))), "snd_tensor"),
        (lambda w: w.add_mesh("a", np.zeros(3)), "vertices"),
        (lambda w: w.add_histogram_raw("a", 0, 1, 1, 1, 1, [1], [1, 2]), "length"),
        (lambda w: w.add_custom_scalars({"a": {"b": ["Margin", ["x"]]}}), "margin"),
    ],
)
def test_what_can_not_be_logged_is_said(call, said, tmp_path):
    with SummaryWriter(tmp_path) as writer, pytest.raises((ValueError, TypeError), match=said):
        call(writer)


def test_addresses_are_refused():
    with pytest.raises(ValueError, match="s3://bucket"):
        SummaryWriter("s3://bucket/run")


def test_sounds_and_videos(tmp_path):
    with SummaryWriter(tmp_path / "a") as writer:
        writer.add_audio("sound", np.array([0.0, 0.5, -1.5]), 1, sample_rate=8000)
        writer.add_video("video", calls.RNG.random((3, 4, 3, 5, 6)), 2, fps=10)
    with OursOfX(str(tmp_path / "b")) as writer:
        writer.add_audio("stereo", np.zeros((10, 2)), 1, sample_rate=8000)
    found = accumulated(tmp_path)
    step, rate, frames, kind, params, samples = found["a"]["audio", "sound"][0]
    assert (step, rate, frames, kind, params) == (1, 8000.0, 3, "audio/wav", (1, 2, 8000, 3))
    assert np.frombuffer(samples, "<i2").tolist() == [0, 16383, -32767]
    step, width, height, size, pictures = found["a"]["image", "video"][0]
    assert (step, width, height, size, len(pictures)) == (2, 24, 5, (24, 5), 4)
    assert found["b"]["audio", "stereo"][0][4] == (2, 2, 8000, 10)


def test_messages_of_frameworks_are_taken(tmp_path):
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog

    summary = Summary(
        value=[Summary.Value(tag="a", simple_value=0.5), Summary.Value(tag="b", simple_value=2)]
    )
    with SummaryWriter(tmp_path) as writer:
        behind = writer._get_file_writer()
        behind.add_summary(summary, 3)
        behind.add_event(Event(summary=summary), 4)
        behind.add_event(Event(session_log=SessionLog(status=SessionLog.STOP)), 5)
        assert list(writer.all_writers) == [str(tmp_path)] == [behind.get_logdir()]
    found = tfr.collect_events(tmp_path, type="scalar")
    assert found.select("tag", "step", "value").rows() == [
        ("a", 3, 0.5),
        ("b", 3, 2.0),
        ("a", 4, 0.5),
        ("b", 4, 2.0),
    ]


def test_arguments_are_the_peer_s():
    import inspect

    for name, theirs in inspect.getmembers(tensorboardX.SummaryWriter, inspect.isfunction):
        if name.startswith("_"):
            continue
        ours = inspect.signature(getattr(OursOfX, name)).parameters
        wanted = inspect.signature(theirs).parameters
        named = [key for key, p in wanted.items() if p.kind is not p.VAR_KEYWORD]
        assert [key for key in ours if key in wanted][: len(named)] == named, name
        for key in named:
            assert ours[key].default == wanted[key].default, (name, key)
