"""Event files as others write them: by their own writers where they are installed, by hand where not.

Hand-built files go through TensorBoard's protobuf classes and its record writer, so no byte in them is ours.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboardX import SummaryWriter

from interop.points import Point

Value = summary_pb2.Summary.Value
FILE_NAME = "events.out.tfevents.1700000000.host.1.0"
SCALARS = summary_pb2.SummaryMetadata(
    plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="scalars")
)
TYPED_SCALARS = summary_pb2.SummaryMetadata(
    plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="scalars"),
    data_class=summary_pb2.DATA_CLASS_SCALAR,
)


def scalar_tensor(value: float) -> tensor_pb2.TensorProto:
    """A rank-0 float tensor as TF2 writes it."""
    return tensor_pb2.TensorProto(
        dtype=types_pb2.DT_FLOAT,
        tensor_shape=tensor_shape_pb2.TensorShapeProto(),
        tensor_content=np.float32(value).tobytes(),
    )


def torch_style(tag: str, value: float, *, first: bool) -> Value:  # noqa: ARG001
    """`simple_value`, never any metadata."""
    return Value(tag=tag, simple_value=value)


def torch_new_style(tag: str, value: float, *, first: bool) -> Value:  # noqa: ARG001
    """`float_val` in a tensor without a shape, metadata on every value."""
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=[value])
    return Value(tag=tag, tensor=tensor, metadata=TYPED_SCALARS)


def tf1_style(tag: str, value: float, *, first: bool) -> Value:
    """`simple_value`, metadata on the first value of a tag only."""
    return Value(tag=tag, simple_value=value, metadata=SCALARS if first else None)


def tf1_tensor_style(tag: str, value: float, *, first: bool) -> Value:
    """A tensor, metadata on the first value of a tag only: later values are scalars by carrying it over."""
    return Value(tag=tag, tensor=scalar_tensor(value), metadata=TYPED_SCALARS if first else None)


def tf2_style(tag: str, value: float, *, first: bool) -> Value:  # noqa: ARG001
    """`tensor_content` of rank 0, metadata on every value."""
    return Value(tag=tag, tensor=scalar_tensor(value), metadata=TYPED_SCALARS)


STYLES: dict[str, Callable[..., Value]] = {
    style.__name__: style for style in (torch_style, torch_new_style, tf1_style, tf1_tensor_style, tf2_style)
}


def write_records(file: str | os.PathLike[str], payloads: Iterable[bytes]) -> Path:
    """A file of these records, in a directory that is made if need be."""
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as raw:
        writer = RecordWriter(raw)
        for payload in payloads:
            writer.write(payload)
    return path


def write_events(
    file: str | os.PathLike[str],
    events: Iterable[event_pb2.Event],
    *,
    file_version: str | None = "brain.Event:2",
) -> Path:
    """A file of these events, opened by a file_version unless that is None."""
    opening = [] if file_version is None else [event_pb2.Event(wall_time=1.0, file_version=file_version)]
    return write_records(file, [event.SerializeToString() for event in [*opening, *events]])


def value_event(step: int, wall_time: float, *values: Value) -> event_pb2.Event:
    """One event that holds these values."""
    return event_pb2.Event(step=step, wall_time=wall_time, summary=summary_pb2.Summary(value=values))


def styled(logdir: str | os.PathLike[str], points: Iterable[Point], style: Callable[..., Value]) -> None:
    """The points, an event each, in one file a run."""
    runs: dict[str, list[event_pb2.Event]] = {}
    seen = set()
    for point in points:
        value = style(point.tag, point.value, first=(point.run, point.tag) not in seen)
        seen.add((point.run, point.tag))
        runs.setdefault(point.run, []).append(value_event(point.step, point.wall_time, value))
    for run, events in runs.items():
        write_events(Path(logdir) / run / FILE_NAME, events)


def by_tensorboard(logdir: str | os.PathLike[str], points: Iterable[Point]) -> None:
    """The points through TensorBoard's own writer, the one torch uses."""
    writers: dict[str, EventFileWriter] = {}
    for point in points:
        if point.run not in writers:
            writers[point.run] = EventFileWriter(str(Path(logdir) / point.run))
        value = Value(tag=point.tag, simple_value=point.value)
        writers[point.run].add_event(value_event(point.step, point.wall_time, value))
    for writer in writers.values():
        writer.close()


def by_tensorboardx(logdir: str | os.PathLike[str], points: Iterable[Point]) -> None:
    """The points through tensorboardX's `SummaryWriter`."""
    writers: dict[str, SummaryWriter] = {}
    for point in points:
        if point.run not in writers:
            writers[point.run] = SummaryWriter(str(Path(logdir) / point.run))
        writers[point.run].add_scalar(point.tag, point.value, point.step, walltime=point.wall_time)
    for writer in writers.values():
        writer.close()


WRITERS: dict[str, Callable[[str | os.PathLike[str], Iterable[Point]], None]] = {
    "tensorboard": by_tensorboard,
    "tensorboardX": by_tensorboardx,
    **{
        name: (lambda logdir, points, style=style: styled(logdir, points, style))
        for name, style in STYLES.items()
    },
}
