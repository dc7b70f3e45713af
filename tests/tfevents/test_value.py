import io
import wave

import numpy as np
import PIL.Image
import polars as pl
import pytest
from tensorboard.compat.proto import summary_pb2, tensor_pb2, types_pb2

import tfruns_rs as tfr
from tfevents.records import Value, event, metadata, version, write_file
from tfevents.wire import parse
from tfruns_rs.errors import InvalidEventError

RNG = np.random.default_rng(23)


def read(logdir, *values):
    write_file(logdir, [version(), *(event(value, step=i) for i, value in enumerate(values))])
    return tfr.collect_events(logdir, type="summary")


def strings(elements, *shape):
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=elements)
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor


def a_png(array):
    file = io.BytesIO()
    PIL.Image.fromarray(array).save(file, "png")
    return file.getvalue()


def a_wav(samples, width):
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((samples.shape[1], width, 8000, 0, "NONE", ""))
        sound.writeframes(samples.astype("<i4").tobytes() if width == 4 else samples.tobytes())
    return file.getvalue()


# --- what is logged comes back


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (3, 300), (300, 3)])
def test_images_of_any_size(channels, size):
    batch = RNG.integers(0, 256, (2, *size, channels), dtype=np.uint8)
    images = tfr.value(tfr.summary_image(batch))
    for image, expected in zip(images, batch, strict=True):
        assert image.shape == (size if channels == 1 else (*size, channels))
        np.testing.assert_array_equal(image.reshape(expected.shape), expected / 255)


def test_one_image_comes_alone():
    assert tfr.value(tfr.summary_image(np.zeros((1, 2, 3, 3)))).shape == (2, 3, 3)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "I;16"])
def test_png_of_any_kind(mode):
    picture = PIL.Image.new(mode, (4, 3), 1)
    image = tfr.value(tfr.summary_image(picture))
    assert image.shape[:2] == (3, 4)
    assert image.max() <= 1
    if mode == "I;16":
        assert image[0, 0] == 1 / 65535


def test_gif():
    video = tfr.value(tfr.summary_video(np.ones((2, 3, 4, 3))))
    assert video.shape == (3, 4, 3)
    assert (video == 1).all()


@pytest.mark.parametrize(("dtype", "largest"), [(np.int16, 2**15), (np.int32, 2**31), (np.float64, 1)])
def test_audio(dtype, largest):
    sound = (RNG.uniform(-1, 1, (1, 50, 3)) * (largest - 1)).astype(dtype)
    audio = tfr.value(tfr.summary_audio(sound, sample_rate=11025))
    assert (audio.shape, audio.sample_rate) == ((3, 50), 11025)
    np.testing.assert_allclose(audio.samples, sound[0].T / largest, atol=1e-7)
    assert repr(audio) == f"<Audio: 3 x 50 samples, 11025 Hz, {audio.bit_depth} bit>"


def test_audio_of_8_and_24_bits():
    eight = np.array([[0, 128, 255]], np.uint8).T
    assert tfr.value(tfr.summary_audio(a_wav(eight, 1))).samples.tolist() == [[-1, 0, 127 / 128]]
    bytes_24 = np.array([[0, 0, 128, 0, 0, 0, 255, 255, 127]], np.uint8).reshape(3, 3)
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 3, 8000, 0, "NONE", ""))
        sound.writeframes(bytes_24.tobytes())
    audio = tfr.value(tfr.summary_audio(file.getvalue()))
    np.testing.assert_allclose(audio.samples, [[-1, 0, (2**23 - 1) / 2**23]])
    assert audio.bit_depth == 24


def test_several_sounds():
    assert [clip.shape for clip in tfr.value(tfr.summary_audio(np.zeros((3, 5, 2))))] == [(2, 5)] * 3


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "uint64", "bool", "complex64"])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_tensors(dtype, shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    read = tfr.value(tfr.summary_tensor(array))
    assert (read.dtype, read.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(read, array)


def test_text_tables():
    table = np.array([["a", "b"], ["c", "ü"]])
    assert tfr.value(tfr.summary_text(table)).tolist() == table.tolist()
    assert tfr.value(tfr.summary_tensor("one")) == "one"
    assert tfr.value(tfr.summary_tensor([b"\xff", b"a"])).tolist() == [b"\xff", "a"]


def test_scalars():
    assert tfr.value(tfr.summary_scalar(0.1)) == 0.1
    assert tfr.value(tfr.summary_scalar(0.1, exact=False)) == np.float32(0.1)
    assert tfr.value(tfr.summary_tensor(0.25, metadata=tfr.summary_metadata("scalars"))) == 0.25


# --- where a summary may stand


def test_columns_cells_and_frames(tmp_path):
    with tfr.with_logdir(tmp_path):
        tfr.log_event(a=1, b="text")
    summaries = tfr.collect_events(tmp_path, type="summary")
    assert tfr.value(summaries["summary"], as_list=True) == [1, "text"]
    assert tfr.value(summaries, as_list=True) == [1, "text"]
    assert tfr.value(summaries["summary"][1]) == "text"
    assert tfr.value(summaries.filter(pl.col("tag") == "a")) == 1
    assert [tfr.value(row) for row in summaries["summary"]] == [1, "text"]
    every = tfr.collect_events(tmp_path)
    assert tfr.value(every["summary"][-1]) == "text"
    assert tfr.value([tfr.summary_scalar(1), tfr.summary_scalar(2)], as_list=True) == [1, 2]
    scalars = tfr.collect_events(tmp_path, type="scalar", columns=["summary"])
    assert tfr.value(scalars) == 1
    assert tfr.value(summaries.clear(), as_list=True) == []
    assert tfr.value(summaries.row(1, named=True)) == "text"
    assert tfr.value(every.row(-1, named=True)) == "text"
    with pytest.raises(InvalidEventError, match=r"collect\(\) it first"):
        tfr.value(summaries.lazy())


@pytest.mark.parametrize("wrong", [1, "text", None, pl.Series([1]), pl.DataFrame({"a": [1]}), {"a": 1}])
def test_what_is_no_summary(wrong):
    with pytest.raises(InvalidEventError, match="must be a summary"):
        tfr.value(wrong)


def test_size(tmp_path):
    with tfr.with_logdir(tmp_path):
        tfr.log_event(a=1, b=2)
    summaries = tfr.collect_events(tmp_path, type="summary")["summary"]
    for rows, size in ((summaries, 2), (summaries.clear(), 0)):
        with pytest.raises(InvalidEventError, match=f"Got size {size}"):
            tfr.value(rows)


# --- values of other writers, in frames


def test_histograms_of_both_forms(tmp_path):
    histo = summary_pb2.HistogramProto(
        min=-1, max=3, num=4, sum=2.5, sum_squares=9, bucket_limit=[-5, 0, 2, 4, 9], bucket=[0, 1, 0, 3, 0]
    )
    with pytest.warns(UserWarning, match="1 NaN and 2 infinite"):
        ours = parse(tfr.summary_histogram([0, 1, 2, np.nan, np.inf, np.inf], buckets=2))
    ours.tag = "b"
    empty = parse(tfr.summary_histogram([], buckets=0))
    empty.tag = "c"
    read(tmp_path, Value(tag="a", histo=histo), ours, empty)
    frame = tfr.collect_events(tmp_path, type="histogram")
    assert frame["tag"].to_list() == ["a", "b", "c"]
    first, second, third = frame.to_dicts()
    assert [tuple(bucket.values()) for bucket in first["buckets"]] == [(-1, 0, 1), (0, 2, 0), (2, 3, 3)]
    assert (first["min"], first["max"], first["count"], first["sum"], first["sum_squares"]) == (
        -1,
        3,
        4,
        2.5,
        9,
    )
    assert [tuple(bucket.values()) for bucket in second["buckets"]] == [(0, 1, 1), (1, 2, 2)]
    assert (second["nan"], second["positive_infinity"], second["negative_infinity"]) == (1, 2, 0)
    assert (second["min"], second["max"], second["count"], second["sum"]) == (0, 2, 3, None)
    assert (third["buckets"], third["min"], third["count"]) == ([], None, 0)
    values = tfr.value(tfr.collect_events(tmp_path, type="summary"), as_list=True)
    assert values[0].rows() == [(-1, 0, 1), (0, 2, 0), (2, 3, 3)]
    assert values[0].schema == values[2].schema


def test_broken_values_keep_their_rows(tmp_path):
    broken = summary_pb2.HistogramProto(bucket_limit=[1], bucket=[1, 2])
    table = parse(tfr.summary_tensor(np.zeros((2, 2)), metadata=tfr.summary_metadata("histograms")))
    table.tag = "table"
    content = Value(tag="_hparams_/session_start_info", metadata=metadata("hparams", b"\xff"))
    picture = Value(
        tag="image", image=summary_pb2.Summary.Image(width=2, height=1, encoded_image_string=b"\x89PNG")
    )
    summaries = read(tmp_path, Value(tag="histo", histo=broken), table, content, picture)
    histograms = tfr.collect_events(tmp_path, type="histogram")
    assert histograms["tag"].to_list() == ["histo", "table"]
    assert histograms["buckets"].null_count() == 2
    assert tfr.collect_events(tmp_path, type="hparams")["what"].to_list() == [None]
    assert tfr.collect_events(tmp_path, type="image").select("width", "height").row(0) == (2, 1)
    for cell in summaries["summary"]:
        with pytest.raises(InvalidEventError, match=r"broken|not a whole PNG"):
            tfr.value(cell)


def test_images_and_sounds_of_both_forms(tmp_path):
    png, wav = a_png(np.full((3, 5), 51, np.uint8)), a_wav(np.array([[1], [-1]], np.int16), 2)
    first_image = summary_pb2.Summary.Image(width=5, height=3, colorspace=1, encoded_image_string=png)
    first_sound = summary_pb2.Summary.Audio(sample_rate=8000, num_channels=1, encoded_audio_string=wav)
    read(
        tmp_path,
        Value(tag="image1", image=first_image),
        Value(tag="image2", tensor=strings([b"5", b"3", png, png], 4), metadata=metadata("images")),
        Value(tag="audio1", audio=first_sound),
        Value(tag="audio2", tensor=strings([wav, b"left", wav, b"right"], 2, 2), metadata=metadata("audio")),
        Value(tag="audio3", tensor=strings([wav], 1), metadata=metadata("audio")),
    )
    images = tfr.collect_events(tmp_path, type="image")
    assert images.select("tag", "width", "height", "images").rows() == [
        ("image1", 5, 3, [png]),
        ("image2", 5, 3, [png, png]),
    ]
    sounds = tfr.collect_events(tmp_path, type="audio")
    assert sounds.select("tag", "sample_rate", "channels", "clips", "labels").rows() == [
        ("audio1", 8000, 1, [wav], []),
        ("audio2", 8000, 1, [wav, wav], ["left", "right"]),
        ("audio3", 8000, 1, [wav], []),
    ]
    first, second, *audio = tfr.value(tfr.collect_events(tmp_path, type="summary"), as_list=True)
    assert first.tolist() == [[0.2] * 5] * 3
    assert len(second) == 2
    assert audio[0].samples.tolist() == [[2**-15, -(2**-15)]]
    assert len(audio[1]) == 2


@pytest.mark.parametrize("shape", [(), (1,), (2,), (2, 2)])
def test_texts_of_any_rank(tmp_path, shape):
    size = int(np.prod(shape))
    elements = [f"t{i}".encode() for i in range(size)]
    text = Value(tag="t", tensor=strings(elements, *shape), metadata=metadata("text"))
    summaries = read(tmp_path, text)
    frame = tfr.collect_events(tmp_path, type="text")
    assert frame["elements"].to_list() == [[f"t{i}" for i in range(size)]]
    assert frame["shape"].to_list() == [list(shape)]
    assert frame["text"].to_list() == ["t0" if size == 1 else None]
    value = tfr.value(summaries["summary"])
    assert value == "t0" if size == 1 else value.shape == shape


def test_metadata_is_carried_from_the_first_value(tmp_path):
    first = Value(tag="t", tensor=strings([b"a"], 1), metadata=metadata("text"))
    later = Value(tag="t", tensor=strings([b"b"], 1))
    read(tmp_path, first, later)
    assert tfr.collect_events(tmp_path, type="text")["text"].to_list() == ["a", "b"]


def test_tensors_of_other_plugins(tmp_path):
    with tfr.with_logdir(tmp_path):
        curve = tfr.summary_pr_curve([1, 0], [0.5, 0.5], num_thresholds=2)
        tfr.log_event(a=1, b=tfr.summary_tensor([1, 2]), c=tfr.summary_histogram([1]), d=curve)
    frame = tfr.collect_events(tmp_path, type="tensor")
    assert frame.select("tag", "plugin", "dtype", "shape").rows() == [
        ("b", "tensor", "int64", [2]),
        ("d", "pr_curves", "float32", [6, 2]),
    ]


KINDS = ("histogram", "text", "image", "audio", "tensor", "hparams")


@pytest.mark.parametrize("kind", KINDS)
def test_schema_does_not_hang_on_rows(tmp_path, kind):
    empty = tfr.collect_events(tmp_path, type=kind, columns=["file"])
    with tfr.with_logdir(tmp_path):
        values = {
            "histogram": tfr.summary_histogram([1]),
            "text": "text",
            "image": tfr.summary_image(np.zeros((1, 1, 1, 1))),
            "audio": tfr.summary_audio(np.zeros((1, 1, 1))),
            "tensor": tfr.summary_tensor(1.5),
            "hparams": [tfr.summary_hparams(a=1)],
        }
        tfr.log_event({kind: values[kind]}, step=0)
    filled = tfr.collect_events(tmp_path, type=kind, columns=["file"])
    assert (empty.height, filled.height) == (0, 1)
    assert empty.schema == filled.schema
    assert empty.columns[-1] == "file"


def test_n_counts_events_of_the_kind(tmp_path):
    with tfr.with_logdir(tmp_path):
        for i in range(5):
            tfr.log_event(a=i, t=f"text {i}")
    assert tfr.collect_events(tmp_path, n=3, type="text")["text"].to_list() == ["text 0", "text 1", "text 2"]
