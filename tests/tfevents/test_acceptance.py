"""What R's tfevents promises, by the names of its own tests and documents.

A test compares with what TensorBoard's loader reads where R's test does, and with our own frames where R's
test uses `collect_events`.
"""

import io
import subprocess
import sys
import textwrap
import wave

import numpy as np
import PIL.Image
import polars as pl
import pytest

import tfruns_rs as tfr
from tfevents.tensorboard_reader import Reader
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._events import Event
from tfruns_rs.tfevents._value import plugin

RNG = np.random.default_rng(11)


@pytest.fixture(autouse=True)
def logdir(tmp_path):
    with tfr.with_logdir(tmp_path):
        yield tmp_path


def a_sound(frames=352_800):
    """16-bit stereo at 44.1 kHz: the file, and its samples from -1 to 1 as (samples, channels)."""
    samples = RNG.integers(-(2**15), 2**15, (frames, 2), dtype=np.int16)
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((2, 2, 44100, 0, "NONE", ""))
        sound.writeframes(samples.tobytes())
    return file.getvalue(), samples / 2**15


def floats_of(wav):
    return np.frombuffer(wav[44:], "<f4").reshape(-1, 2)


def pixels(png):
    return np.asarray(PIL.Image.open(io.BytesIO(png)))


# --- audio


def test_can_write_an_audio_file(logdir):
    _, samples = a_sound()
    tfr.log_event(hello=tfr.summary_audio(samples[None]))
    ((clips,),) = Reader(logdir).blobs("audio").values()
    np.testing.assert_allclose(floats_of(clips[0]), samples)


def test_can_write_multiple_audio_files_from_an_array(logdir):
    _, samples = a_sound(1000)
    tfr.log_event(hello=tfr.summary_audio(np.stack([samples] * 10)))
    ((clips,),) = Reader(logdir).blobs("audio").values()
    assert len(clips) == 10
    for clip in clips:
        np.testing.assert_allclose(floats_of(clip), samples)


def test_can_write_directly_from_raw_encoded_file(logdir):
    wav, _ = a_sound(1000)
    tfr.log_event(hello=tfr.summary_audio(wav))
    assert Reader(logdir).blobs("audio") == {(".", "hello"): [[wav]]}


# --- events


def test_cant_have_untagged_summaries(logdir):
    with pytest.raises(InvalidEventError, match="must have a tag"):
        tfr.log_event(tfr.summary_scalar(1))
    with pytest.raises((InvalidEventError, TypeError), match="must have a tag"):
        tfr.log_event(1)
    tfr.log_event(tfr.summary_scalar(1, tag="hello"))
    assert tfr.collect_events(logdir, type="summary")["tag"].to_list() == ["hello"]


# --- histogram


def test_can_write_and_visualize_histograms(logdir):
    for _ in range(10):
        tfr.log_event(hello=tfr.summary_histogram(RNG.standard_normal(10_000)))
    for _ in range(10):
        tfr.log_event(array=tfr.summary_histogram(RNG.standard_normal((10, 10, 100))))
    histograms = Reader(logdir).tensors("histograms")
    assert {key: len(values) for key, values in histograms.items()} == {
        (".", "hello"): 10,
        (".", "array"): 10,
    }
    assert all(
        table.shape == (30, 3) and table[:, 2].sum() == 10_000
        for values in histograms.values()
        for _, table in values
    )


def test_edge_case_no_data(logdir):
    for _ in range(10):
        tfr.log_event(hello=tfr.summary_histogram(np.zeros(0)))
    for _ in range(10):
        tfr.log_event(constant=tfr.summary_histogram(np.ones(10)))
    histograms = Reader(logdir).tensors("histograms")
    assert [len(values) for values in histograms.values()] == [10, 10]
    assert histograms[".", "constant"][0][1][-1].tolist() == [1, 1, 10]


# --- hparams


HPARAMS = {"dropout": 0.1, "num_units": 8, "optimizer": "adam", "use_cnn": True}


def an_experiment():
    return (
        [
            tfr.hparams_hparam("dropout", {"min_value": 0.1, "max_value": 0.5}),
            tfr.hparams_hparam("optimizer", ["adam", "sgd"]),
            tfr.hparams_hparam("use_cnn", [True, False]),
            tfr.hparams_hparam("num_units", [8, 16, 32]),
        ],
        [
            tfr.hparams_metric("loss", dataset_type="training"),
            tfr.hparams_metric("acc", dataset_type="training"),
            tfr.hparams_metric("loss", group="valid", dataset_type="validation"),
            tfr.hparams_metric("acc", group="valid", dataset_type="validation"),
        ],
    )


def hparams_that_tensorboard_lists(logdir):
    return [
        {name: getattr(value, value.WhichOneof("kind")) for name, value in sorted(group.hparams.items())}
        for group in Reader(logdir).sessions()
        for _ in group.sessions
    ]


def test_simple_experiment(logdir):
    tfr.log_hparams_config(*an_experiment())
    tfr.log_hparams(HPARAMS)
    for step in range(10):
        tfr.log_event(
            loss=1 / (step + 1), acc=step / 10, valid={"loss": 2 / (step + 1), "acc": step / 20}, step=step
        )
    assert hparams_that_tensorboard_lists(logdir) == [HPARAMS]
    assert sum(len(values) for values in Reader(logdir).tensors("scalars").values()) == 40
    assert len(tfr.collect_events(logdir, type="any")) == 40 + 4
    assert len(tfr.collect_events(logdir, type="summary")) == 40 + 2
    assert len(tfr.collect_events(logdir, type="scalar")) == 40


@pytest.mark.parametrize(
    "config",
    [True, False],
    ids=["multiple runs, each its own logdir", "write only hparams without the config"],
)
def test_multiple_runs_each_its_own_logdir(logdir, config):
    if config:
        tfr.log_hparams_config(*an_experiment())
    for i in range(10):
        with tfr.with_logdir(logdir / f"run{i}"):
            tfr.log_hparams(HPARAMS | {"dropout": 0.1 + i / 100})
            for step in range(10):
                tfr.log_event(loss=0.5, acc=0.5, valid={"loss": 0.5}, step=step)
    listed = hparams_that_tensorboard_lists(logdir)
    assert sum(len(hparams) for hparams in listed) == 40
    assert sorted(hparams["dropout"] for hparams in listed) == [0.1 + i / 100 for i in range(10)]
    assert len(tfr.collect_events(logdir / "run1")) == 30 + 3


# --- image


def test_write_image(logdir):
    image = RNG.random((1, 28, 28, 1))
    tfr.log_event(hello=tfr.summary_image(image))
    assert len(tfr.collect_events(logdir)) == 2
    (((width, height, png),),) = Reader(logdir).blobs("images").values()
    assert (width, height) == (b"28", b"28")
    np.testing.assert_allclose(pixels(png) / 255, image[0, :, :, 0], atol=1 / 255)


def test_can_write_nested_images(logdir):
    image = tfr.summary_image(RNG.random((1, 28, 28, 1)))
    tfr.log_event(train={"hello": image}, valid={"hello": image})
    assert len(tfr.collect_events(logdir)) == 4


def test_can_write_a_batch_of_images(logdir):
    tfr.log_event(hello=tfr.summary_image(RNG.random((10, 28, 28, 1))))
    images = Reader(logdir).blobs("images")
    assert list(images) == [(".", "hello")]
    assert len(images[".", "hello"][0]) == 2 + 10


def test_can_write_a_ggplot(logdir):
    """A plot of Python's: a matplotlib figure."""
    figure = pytest.importorskip("matplotlib.figure").Figure()
    figure.subplots().plot([1, 2])
    tfr.log_event(hello=tfr.summary_image(figure))
    assert len(tfr.collect_events(logdir)) == 2
    ((blobs,),) = Reader(logdir).blobs("images").values()
    assert pixels(blobs[2]).ndim == 3


def test_error_when_passing_an_array_with_wrong_dimensions():
    with pytest.raises(InvalidEventError, match="array with dimensions"):
        tfr.log_event(hello=tfr.summary_image(RNG.random((1, 28, 28))))


def test_can_pass_a_custom_display_name(logdir):
    metadata = tfr.summary_metadata("images", "Hello world", description="This is a description")
    tfr.log_event(hello=tfr.summary_image(RNG.random((1, 28, 28, 1)), metadata=metadata))
    read = Reader(logdir).metadata(".", "hello")
    assert (read.display_name, read.summary_description) == ("Hello world", "This is a description")
    (summary,) = tfr.collect_events(logdir, type="summary")["summary"].to_list()
    assert (summary["display_name"], summary["description"]) == ("Hello world", "This is a description")


def test_fails_if_wrong_metadata_is_specified():
    with pytest.raises(InvalidEventError, match="Plugin name should be"):
        tfr.summary_image(RNG.random((1, 28, 28, 1)), metadata=tfr.summary_metadata("tensor"))


# --- log


def test_write_a_few_simple_scalars(logdir):
    for i in range(1, 11):
        tfr.log_event(hello=i**2)
    events = tfr.collect_events(logdir, type="any")
    assert len(events) == 11
    assert set(events["run"]) == {"."}
    scalars = tfr.collect_events(logdir, type="scalar")
    assert scalars["value"].to_list() == [i**2 for i in range(1, 11)]
    assert scalars["step"].to_list() == list(range(10))
    assert set(scalars["tag"]) == {"hello"}


def log_nested():
    for i in range(1, 11):
        values = {"loss": 1 / i, "acc": i / 10}
        tfr.log_event(train=values, valid=values)


def test_write_nested_scalar_for_multiple_runs(logdir):
    log_nested()
    events = tfr.collect_events(logdir, type="any")
    assert len(events) == 42
    assert events["run"].unique(maintain_order=True).to_list() == ["train", "valid"]
    scalars = tfr.collect_events(logdir, type="scalar")
    assert len(scalars) == 40
    assert set(scalars["tag"]) == {"loss", "acc"}
    assert set(scalars["step"]) == set(range(10))


def test_can_log_manually_created_scalars_directly(logdir):
    for i in range(1, 11):
        values = {"loss": 1 / i, "acc": i / 10}
        tfr.log_event(train=values, valid=values, test={"loss2": tfr.summary_scalar(i + 2)})
    assert len(tfr.collect_events(logdir)) == 53
    loss2 = tfr.collect_events(logdir, type="scalar").filter(pl.col("tag") == "loss2")
    assert loss2["value"].to_list() == list(range(3, 13))


@pytest.mark.filterwarnings('ignore:tag "hello". step 3 comes after step 100')
def test_can_log_with_a_specified_step(logdir):
    for _ in range(3):
        tfr.log_event(hello=1)
    tfr.log_event(hello=1, step=100)
    tfr.log_event(hello=1)
    tfr.log_event(hello=1, step=tfr.get_global_step(increment=False))
    steps = tfr.collect_events(logdir, type="scalar")["step"].to_list()
    assert steps == [0, 1, 2, 100, 3, 3]


def test_local_logdir(tmp_path):
    def inner():
        with tfr.local_logdir(tmp_path / "two"):
            return tfr.get_default_logdir()

    with tfr.with_logdir(tmp_path / "one"):
        assert tfr.get_default_logdir() == str(tmp_path / "one")
        assert inner() == str(tmp_path / "two")
        assert tfr.get_default_logdir() == str(tmp_path / "one")


def test_slash_in_tags_instead_of_nested_list(logdir):
    tags = ["train/loss", "train/acc", "valid/loss", "valid/acc"]
    tfr.log_event(dict.fromkeys(tags, 0.5))
    rows = tfr.collect_events(logdir, type="summary")
    assert rows["tag"].to_list() == tags
    assert set(rows["run"]) == {"."}


def test_errors_gracefully_for_numeric_length_not_1():
    for vector in ([0, 1], [], np.array([0, 1]), np.array([])):
        with pytest.raises(InvalidEventError, match="Can't log"):
            tfr.log_event(hello=vector)


# --- read


def test_collect_float_tensors(logdir):
    tfr.log_event(hello=tfr.summary_histogram(RNG.standard_normal(1000)))
    assert len(tfr.collect_events(logdir)) == 2


def test_plugin_function(logdir):
    tfr.log_event(hello=tfr.summary_histogram(RNG.standard_normal(1000)))
    tfr.log_event(bye=1)
    rows = tfr.collect_events(logdir, type="summary")
    assert rows["plugin"].to_list() == ["histograms", "scalars"]
    assert plugin(rows["summary"]) == ["histograms", "scalars"]
    assert plugin(rows["summary"][0]) == "histograms"


def test_can_iterate_over_events(logdir):
    """One event a call. Questions of another type have a position of their own."""

    def value_of_next():
        return tfr.value(connection.collect(n=1)["summary"])

    tfr.log_event(hello=1)
    tfr.flush()
    connection = tfr.events_logdir(logdir)
    assert connection.collect(n=1)["file_version"].to_list() == ["brain.Event:2"]
    assert value_of_next() == 1
    assert connection.collect(n=1).height == 0
    tfr.log_event(hello=2)
    tfr.flush()
    assert value_of_next() == 2
    tfr.log_event(valid={"hello": 3})
    tfr.flush()
    assert connection.collect(n=1)["file_version"].to_list() == ["brain.Event:2"]
    assert value_of_next() == 3
    assert connection.collect(n=1).height == 0
    assert [connection.collect(n=1, type="scalar")["value"].to_list() for _ in range(4)] == [
        [1],
        [2],
        [3],
        [],
    ]


def test_can_extract_value(logdir):
    image = RNG.random((1, 28, 28, 1))
    wav, samples = a_sound()
    tfr.log_event(scalar=1, histogram=tfr.summary_histogram(RNG.standard_normal(1000)))
    tfr.log_event(image=tfr.summary_image(image), audio=tfr.summary_audio(samples[None]), text="hello world")
    rows = tfr.collect_events(logdir, type="summary")
    summary = {tag: rows.filter(pl.col("tag") == tag)["summary"] for tag in rows["tag"]}
    assert tfr.value(summary["scalar"]) == 1
    with pytest.raises(InvalidEventError, match="single summary_value"):
        tfr.value(rows["summary"])
    histogram = tfr.value(summary["histogram"])
    assert histogram.columns == ["lower", "upper", "count"]
    assert len(histogram) == 30
    np.testing.assert_allclose(tfr.value(summary["image"]), image[0, :, :, 0], atol=1 / 255)
    audio = tfr.value(summary["audio"])
    assert (audio.shape, audio.sample_rate, audio.bit_depth) == ((2, 352_800), 44100, 32)
    np.testing.assert_allclose(np.asarray(audio), samples.T)
    assert tfr.value(summary["text"]) == "hello world"
    assert tfr.value(tfr.summary_audio(wav)).bit_depth == 16


def test_collect_events_with_wrong_type_or_n_fails(logdir):
    with pytest.raises(ValueError, match="must be one of"):
        tfr.collect_events(logdir, type="xx")
    with pytest.raises(ValueError, match="must be a positive"):
        tfr.collect_events(logdir, n=-102)


def test_can_format_a_data_frame_containing_summaries(logdir):
    tfr.log_event(hello=1, text="a", image=tfr.summary_image(RNG.random((1, 2, 2, 1))))
    for kind in ("any", "summary"):
        frame = tfr.collect_events(logdir, type=kind)
        assert str(frame)
        assert frame.to_dicts()
    assert str(Event("train", 1.0, 2, tfr.summary_scalar(1, tag="hello"))) == "<train/2>"
    assert str(tfr.summary_scalar(1, tag="hello")) == "<hello>"


def test_can_as_list_summary_values(logdir):
    tfr.log_event(a=1)
    tfr.log_event(a=2)
    summaries = tfr.collect_events(logdir, type="summary")["summary"]
    with pytest.raises(InvalidEventError, match="as_list = TRUE"):
        tfr.value(summaries)
    assert tfr.value(summaries, as_list=True) == [1, 2]


# --- tensor


def test_can_write_a_tensor(logdir):
    array = RNG.random((1, 2, 3)).astype(np.float32)
    tensors = {
        "float": tfr.summary_tensor(array, dtype="float"),
        "auto_float": tfr.summary_tensor(array),
        "auto_string": tfr.summary_tensor(np.array([["a", "b"], ["c", "d"]])),
        "two": [tfr.summary_tensor(array), tfr.summary_tensor(array)],
        "double": tfr.summary_tensor(array, dtype="double"),
    }
    tfr.log_event(tensors)
    read = Reader(logdir).tensors("tensor")
    assert sum(len(values) for values in read.values()) == 6
    for tag in ("float", "auto_float", "double"):
        np.testing.assert_array_equal(read[".", tag][0][1], array)
    assert read[".", "double"][0][1].dtype == np.float64
    assert read[".", "auto_string"][0][1].tolist() == [[b"a", b"b"], [b"c", b"d"]]


def test_tensors_with_dimnames(logdir):
    array = np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3)
    tfr.log_event(hello=tfr.summary_tensor(array, dim_names=["a", "b", "c", "d"]))
    ((_, read),) = Reader(logdir).tensors("tensor")[".", "hello"]
    np.testing.assert_array_equal(read, array)


def test_can_set_name_within_summary_tensor(logdir):
    tfr.log_event(tfr.summary_tensor(np.zeros((1, 2)), tag="hello"))
    assert list(Reader(logdir).tensors("tensor")) == [(".", "hello")]


# --- text


def test_can_log_text_values(logdir):
    tfr.log_event(hello=tfr.summary_text("hello world"))
    tfr.log_event(bare="hello again")
    texts = Reader(logdir).tensors("text")
    assert {tag: values[0][1].tolist() for (_, tag), values in texts.items()} == {
        "hello": [b"hello world"],
        "bare": [b"hello again"],
    }


def test_errors_for_more_than_one_string():
    with pytest.raises(InvalidEventError, match="Can't log a character"):
        tfr.log_event(hello=["a", "b"])
    with pytest.raises(InvalidEventError, match="Can't log a character"):
        tfr.log_event(hello=tfr.summary_text(["a", "b"]))


def test_fail_when_metadata_is_not_text():
    with pytest.raises(InvalidEventError, match="Plugin name should be "):
        tfr.summary_text("hello", metadata=tfr.summary_metadata("text2"))


# --- what the documents promise


def test_readme_creates_a_directory_for_each_run_and_no_file_above(tmp_path):
    script = """
        import tfruns_rs as tfr
        for epoch in range(10):
            tfr.log_event(train={"loss": 0.1, "acc": 0.9}, valid={"loss": 0.2, "acc": 0.8})
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, check=True)
    files = [file for file in (tmp_path / "logs").rglob("*tfevents*") if not file.name.startswith(".")]
    assert sorted(file.parent.relative_to(tmp_path).as_posix() for file in files) == [
        "logs/train",
        "logs/valid",
    ]
    assert all(file.name.endswith(".v2") for file in files)


def test_read_article(logdir):
    tfr.log_event(hello="hello world")
    for i in range(10):
        tfr.log_event(loss=i / 2)
    events = tfr.collect_events(logdir)
    assert len(events) == 12
    assert events["step"].to_list() == [0, *range(11)]
    summaries = tfr.collect_events(logdir, type="summary")
    assert {"plugin", "tag"} <= set(summaries.columns)
    assert tfr.value(summaries["summary"][0]) == "hello world"
    assert tfr.value(summaries["summary"][1:], as_list=True) == [i / 2 for i in range(10)]
    assert tfr.collect_events(logdir, type="scalar")["value"].to_list() == [i / 2 for i in range(10)]


def test_read_article_connection(logdir):
    for i in range(5):
        tfr.log_event(loss=i)
    tfr.flush()
    connection = tfr.events_logdir(logdir)
    assert connection.collect(n=1, type="scalar")["value"].to_list() == [0]
    assert connection.collect(type="scalar")["value"].to_list() == [1, 2, 3, 4]
    for i in range(3):
        tfr.log_event(loss=10 + i)
    tfr.flush()
    assert connection.collect(type="scalar")["value"].to_list() == [10, 11, 12]


def test_images_article_batch_of_an_array_divided_by_255(logdir):
    digits = RNG.integers(0, 256, (5, 28, 28))
    tfr.log_event(digits=tfr.summary_image((digits / 255)[..., None]))
    images = tfr.value(tfr.collect_events(logdir, type="summary")["summary"])
    np.testing.assert_allclose(np.stack(images) * 255, digits)


def test_images_article_a_new_class(logdir):
    class Chart:
        def __init__(self, shade):
            self.shade = shade

    @tfr.summary_image.register(Chart)
    def _(img, *, metadata=None, tag=None):
        file = io.BytesIO()
        PIL.Image.new("L", (4, 3), img.shade).save(file, "png")
        return tfr.summary_image(file.getvalue(), width=4, height=3, colorspace=1, metadata=metadata, tag=tag)

    tfr.log_event(chart=tfr.summary_image(Chart(51)))
    image = tfr.value(tfr.collect_events(logdir, type="summary")["summary"])
    assert image.tolist() == [[0.2] * 4] * 3


def test_hparams_article(logdir):
    tfr.log_hparams_config(*an_experiment())
    grid = [(d, o, u) for d in (0.1, 0.2, 0.3) for o in ("adam", "sgd") for u in (8, 16)]
    for i, (dropout, optimizer, units) in enumerate(grid):
        with tfr.local_logdir(logdir / f"trial-{i}"):
            tfr.log_hparams(dropout=dropout, optimizer=optimizer, num_units=units)
            tfr.log_event(train={"loss": i}, valid={"loss": 2 * i})
    frame = tfr.collect_hparams(logdir).sort("valid/loss")
    assert list(frame.select("dropout", "optimizer", "num_units").iter_rows()) == grid
    assert len(hparams_that_tensorboard_lists(logdir)) == 12


def test_torch_example(logdir):
    for epoch in range(2):
        for batch in range(3):
            tfr.log_event(train={"loss/D": batch, "loss/G": -batch})
        tfr.log_event(generated=tfr.summary_image(RNG.random((16, 8, 8, 3))), step=epoch)
    assert tfr.collect_events(logdir, type="scalar")["tag"].unique(maintain_order=True).to_list() == [
        "loss/D",
        "loss/G",
    ]
    assert tfr.collect_events(logdir, type="image")["step"].to_list() == [0, 1]


def test_manual_step_none_is_the_managed_counter(logdir):
    tfr.log_event(a=1, step=None)
    tfr.log_event(a=1, step=None)
    assert tfr.collect_events(logdir, type="scalar")["step"].to_list() == [0, 1]
