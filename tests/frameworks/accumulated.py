"""A logdir as TensorBoard's accumulators give it, in a shape that can be compared."""

import io
import os
import wave

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator, plugin_event_accumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.util.tensor_util import make_ndarray

KINDS = ("compressedHistograms", "images", "audio", "scalars", "histograms", "tensors", "graph")
ALL = dict.fromkeys(KINDS, 0)


def accumulated(logdir):
    """Run -> tag -> what it holds, of both accumulators; pictures and sounds decoded, times left out.

    Files without values are left out: peers begin one when the writer is made, we with the first value.
    """
    folders = [folder for folder, _, names in sorted(os.walk(logdir)) if any("tfevents" in n for n in names)]
    runs = {os.path.relpath(f, logdir): {**as_values(f), **as_tensors(f)} for f in folders}
    return {run: tags for run, tags in runs.items() if tags}


def as_values(folder):
    """What the accumulator of TensorBoard's first years sees: each kind in its own form."""
    seen = event_accumulator.EventAccumulator(folder, ALL).Reload()
    kinds = seen.Tags()
    tags = {("scalar", t): [(e.step, repr(e.value)) for e in seen.Scalars(t)] for t in kinds["scalars"]}
    for tag in kinds["histograms"]:
        tags["histo", tag] = [(e.step, vars(e.histogram_value)) for e in seen.Histograms(tag)]
    for tag in kinds["images"]:
        tags["image", tag] = [
            (e.step, e.width, e.height, *pixels(e.encoded_image_string)) for e in seen.Images(tag)
        ]
    for tag in kinds["audio"]:
        tags["audio", tag] = [
            (e.step, e.sample_rate, e.length_frames, e.content_type, *samples(e.encoded_audio_string))
            for e in seen.Audio(tag)
        ]
    for tag in kinds["tensors"]:
        tags["tensor", tag] = [(e.step, array(e.tensor_proto)) for e in seen.Tensors(tag)]
    for tag in kinds["run_metadata"]:
        tags["run_metadata", tag] = seen.RunMetadata(tag).SerializeToString(deterministic=True)
    if kinds["graph"]:
        tags["graph", ""] = seen.Graph().SerializeToString(deterministic=True)
    return tags


def as_tensors(folder):
    """What TensorBoard's plugins see: everything as tensors, with its metadata."""
    seen = plugin_event_accumulator.EventAccumulator(folder, ALL).Reload()
    tags = {}
    for tag in seen.Tags()["tensors"]:
        metadata = seen.SummaryMetadata(tag)
        plugin = metadata.plugin_data
        told = (metadata.display_name, metadata.summary_description, metadata.data_class)
        held = [(e.step, array(e.tensor_proto)) for e in seen.Tensors(tag)]
        content = plugin.content
        if plugin.plugin_name == "hparams":  # a map, whose order is left open
            content = HParamsPluginData.FromString(content).SerializeToString(deterministic=True)
        tags["metadata", tag] = (plugin.plugin_name, content, told, held)
    return tags


def array(proto):
    """A tensor's shape, type and elements; encoded media among them decoded."""
    values = make_ndarray(proto)
    if values.dtype == object:
        return (
            values.shape,
            [
                pixels(v) if v[:4] == b"\x89PNG" or v[:3] == b"GIF" else samples(v) if v[:4] == b"RIFF" else v
                for v in values.ravel()
            ],
        )
    return values.shape, str(values.dtype), values.tobytes()


def decoded(element):
    """An element of a tensor of strings."""
    if element.startswith((b"\x89PNG", b"GIF")):
        return pixels(element)
    return samples(element) if element.startswith(b"RIFF") else element


def pixels(encoded):
    """Every frame of a picture."""
    picture = Image.open(io.BytesIO(encoded))
    frames = []
    for number in range(getattr(picture, "n_frames", 1)):
        picture.seek(number)
        frames.append(np.asarray(picture.convert("RGBA")).tobytes())
    return picture.size, tuple(frames)


def samples(encoded):
    """A sound's format and its samples."""
    with wave.open(io.BytesIO(encoded)) as file:
        return file.getparams()[:4], file.readframes(file.getnframes())
