"""The records that R's tfevents wrote, against ours.

Equal to the byte where our decisions are R's. Where they differ, the test says in what: wall times have
fractions, an image's size stands in digits, absent strings of hyperparameters are absent instead of "NA", a
histogram counts its largest value, NaN is a value, and the data class is written for plugins that
TensorBoard does not know.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from tensorboard.compat.proto import event_pb2
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util

import tfruns_rs as tfr
from tfevents.wire import parse

GOLDEN = json.loads((Path(__file__).parent.parent / "data" / "tfevents_golden.json").read_text())
PIXELS = np.array([0, 0.5, 1, 0.25]).reshape(1, 2, 2, 1)

EQUAL = {
    "scalar_0.5_step3": (3, lambda: tfr.summary_scalar(0.5, tag="loss")),
    "scalar_0.5_step0": (0, lambda: tfr.summary_scalar(0.5, tag="loss")),
    "scalar_third_stepneg1": (-1, lambda: tfr.summary_scalar(1 / 3, tag="loss", exact=False)),
    "scalar_meta": (
        3,
        lambda: tfr.summary_scalar(
            2, tag="loss", metadata=tfr.summary_metadata("scalars", "DN", description="DD")
        ),
    ),
    "text_hi": (3, lambda: tfr.summary_text("hi", tag="note")),
    "hist_empty_2buckets": (3, lambda: tfr.summary_histogram([], buckets=2, tag="h0")),
    "hist_const5x3_2buckets": (3, lambda: tfr.summary_histogram([5, 5, 5], buckets=2, tag="h1")),
    "image_raw_bytes8950_w3_h2_cs1": (
        3,
        lambda: tfr.summary_image(b"\x89\x50", width=3, height=2, colorspace=1, tag="raw"),
    ),
    "audio_array_1x2x2_8k": (
        3,
        lambda: tfr.summary_audio(np.array([[[0, -0.5], [0.5, 1]]]), sample_rate=8000, tag="aw2"),
    ),
    "audio_raw_01020304": (
        3,
        lambda: tfr.summary_tensor(
            [b"\1\2\3\4"], metadata=tfr.summary_metadata("audio", plugin_content=b"\x10\x0b"), tag="au"
        ),
    ),
}


def records(file):
    """The framed records of an event file, without its first."""
    data = file.read_bytes()
    found, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 8], "little") + 16
        found.append(data[at : at + length])
        at += length
    return found[1:]


def golden_value(name):
    event = event_pb2.Event.FromString(bytes.fromhex(GOLDEN[name]["payload"]))
    return event.summary.value[0]


def tag_of(name):
    return golden_value(name).tag


@pytest.mark.parametrize("name", EQUAL)
def test_written_as_r_writes_it(name, tmp_path):
    step, make = EQUAL[name]
    summary = make()
    with tfr.with_logdir(tmp_path):
        tagged = type(summary)(tag_of(name), summary.plugin, summary.fields)
        tfr.log_event(tagged, step=step, wall_time=1_700_000_000)
        tfr.flush()
    (file,) = (
        path for path in tmp_path.iterdir() if "tfevents" in path.name and path.name.startswith("events")
    )
    assert [record.hex() for record in records(file)] == [GOLDEN[name]["record"]]


def test_encoded_images_of_one_tag():
    """R writes two encoded images as two values of one event; each of them is what we write for one."""
    event = event_pb2.Event.FromString(bytes.fromhex(GOLDEN["image_blob_two"]["payload"]))
    for value, image in zip(event.summary.value, (b"\1", b"\2"), strict=True):
        summary = tfr.summary_image(
            image, width=value.image.width, height=value.image.height, colorspace=value.image.colorspace
        )
        value.ClearField("tag")
        assert parse(summary) == value


def test_histogram_counts_the_largest_value():
    theirs, ours = (
        golden_value("hist_2buckets_0_1_2_4"),
        parse(tfr.summary_histogram([0, 1, 2, 4], buckets=2)),
    )
    assert tensor_util.make_ndarray(theirs.tensor).tolist() == [[0, 2, 2], [2, 4, 1]]
    assert tensor_util.make_ndarray(ours.tensor).tolist() == [[0, 2, 2], [2, 4, 2]]
    assert ours.metadata == theirs.metadata


def test_image_sizes_are_digits():
    theirs, ours = golden_value("image_2x2_gray_array"), parse(tfr.summary_image(PIXELS))
    assert list(theirs.tensor.string_val[:2]) == [b"\2", b"\2"]
    assert list(ours.tensor.string_val[:2]) == [b"2", b"2"]
    assert (ours.metadata, ours.tensor.tensor_shape) == (theirs.metadata, theirs.tensor.tensor_shape)


def test_tensor_says_its_class():
    theirs, ours = (
        golden_value("tensor_float_2x3"),
        parse(tfr.summary_tensor([[1, 3, 5], [2, 4, 6]], dtype="float")),
    )
    np.testing.assert_array_equal(
        tensor_util.make_ndarray(ours.tensor), tensor_util.make_ndarray(theirs.tensor)
    )
    ours.metadata.ClearField("data_class")
    assert ours.metadata == theirs.metadata


def test_missing_number_is_nan():
    theirs, ours = golden_value("scalar_NA"), parse(tfr.summary_scalar(float("nan")))
    assert theirs.WhichOneof("value") is None
    assert np.isnan(ours.simple_value)
    assert ours.metadata == theirs.metadata


@pytest.mark.parametrize("name", ["hparams_lr0.1_T", "hparams_config"])
def test_absent_strings_are_absent(name):
    content = plugin_data_pb2.HParamsPluginData.FromString(golden_value(name).metadata.plugin_data.content)
    if name == "hparams_config":
        hparams = [
            tfr.hparams_hparam(
                "lr", {"min_value": 0.1, "max_value": 0.5}, display_name="lr", description="lr"
            ),
            tfr.hparams_hparam("opt", ["a", "b"], display_name="opt", description="opt"),
            tfr.hparams_hparam("cnn", [True, False], display_name="cnn", description="cnn"),
            tfr.hparams_hparam("n", [8, 16], display_name="n", description="n"),
        ]
        metrics = [
            tfr.hparams_metric(
                m.name.tag,
                m.name.group or None,
                display_name=m.display_name,
                description=m.description,
                dataset_type=("unknown", "training", "validation")[m.dataset_type],
            )
            for m in content.experiment.metric_infos
        ]
        ours = tfr.summary_hparams_config(hparams, metrics, time_created_secs=1_700_000_000)
        for field in ("name", "description", "user"):
            assert getattr(content.experiment, field) == "NA"
            content.experiment.ClearField(field)
    else:
        ours = tfr.summary_hparams(lr=0.1, trial_id="T", time_created_secs=1_700_000_000)
        for field in ("model_uri", "monitor_url"):
            assert getattr(content.session_start_info, field) == "NA"
            content.session_start_info.ClearField(field)
    assert ours.tag == tag_of(name)
    written = plugin_data_pb2.HParamsPluginData.FromString(parse(ours).metadata.plugin_data.content)
    for infos in (written.experiment.hparam_infos, content.experiment.hparam_infos):
        for info in infos:
            info.domain_discrete.values.sort(key=str) if info.HasField("domain_discrete") else None
    assert written == content


READ = {
    "scalar_0.5_step3": 0.5,
    "scalar_third_stepneg1": np.float32(1 / 3),
    "text_hi": "hi",
    "hist_2buckets_0_1_2_4": [[0, 2, 2], [2, 4, 1]],
    "image_2x2_gray_array": np.floor(PIXELS.reshape(2, 2) * 255 + 0.5) / 255,
    "tensor_float_2x3": [[1, 3, 5], [2, 4, 6]],
    "hparams_lr0.1_T": {"lr": 0.1},
}


def read(logdir, name):
    (logdir / "events.out.tfevents.1700000000.v2").write_bytes(bytes.fromhex(GOLDEN[name]["record"]))
    return tfr.value(tfr.collect_events(logdir, type="summary")["summary"])


@pytest.mark.parametrize("name", READ)
def test_read(name, tmp_path):
    value = read(tmp_path, name)
    if isinstance(READ[name], (float, str, dict)):
        assert value == READ[name]
    else:
        np.testing.assert_allclose(value.to_numpy() if hasattr(value, "to_numpy") else value, READ[name])


def test_read_audio(tmp_path):
    sound = read(tmp_path, "audio_array_1x2x2_8k")
    assert (sound.sample_rate, sound.bit_depth, sound.samples.tolist()) == (8000, 32, [[0, 0.5], [-0.5, 1]])


def test_read_missing_number(tmp_path):
    assert np.isnan(read(tmp_path, "scalar_NA"))
