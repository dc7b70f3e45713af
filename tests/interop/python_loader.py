"""TensorBoard's Python loaders as readers: single files record by record, and whole runs accumulated."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing import event_accumulator, plugin_event_accumulator
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto import event_pb2, summary_pb2, types_pb2
from tensorboard.util import tensor_util

from interop.points import Point


def event_files(logdir: str | os.PathLike[str]) -> list[Path]:
    """The event files below a logdir, in the order of their names."""
    return sorted(path for path in Path(logdir).rglob("*tfevents*") if path.is_file())


def run_name(file: Path, logdir: str | os.PathLike[str]) -> str:
    """The run that TensorBoard sees in a file."""
    return file.parent.relative_to(logdir).as_posix()


def events(file: str | os.PathLike[str]) -> Iterator[event_pb2.Event]:
    """The events of one file, up to the end or the first damage."""
    for payload in RawEventFileLoader(os.fspath(file)).Load():
        yield event_pb2.Event.FromString(payload)


def scalar_of(value: summary_pb2.Summary.Value) -> float | None:
    """The number in a value, whichever way it was written; None if it holds none."""
    if value.HasField("simple_value"):
        return float(value.simple_value)
    if value.HasField("tensor") and value.tensor.dtype != types_pb2.DT_STRING:
        array = tensor_util.make_ndarray(value.tensor)
        return float(array.reshape(-1)[0]) if array.size == 1 else None
    return None


def raw_scalars(logdir: str | os.PathLike[str]) -> list[Point]:
    """Every scalar in every file below a logdir, file by file and record by record."""
    return [
        Point(run_name(file, logdir), value.tag or value.node_name, event.step, event.wall_time, number)
        for file in event_files(logdir)
        for event in events(file)
        for value in event.summary.value
        if (number := scalar_of(value)) is not None
    ]


def _tags_of(accumulator: plugin_event_accumulator.EventAccumulator, plugin: str) -> list[str]:
    try:
        return list(accumulator.PluginTagToContent(plugin))
    except KeyError:  # no value of this plugin at all
        return []


class Accumulators:
    """TensorBoard's accumulators, one a run, nothing sampled away; `reload` follows growing files."""

    def __init__(self, logdir: str | os.PathLike[str]) -> None:
        self._logdir = Path(logdir)
        self._by_run: dict[str, plugin_event_accumulator.EventAccumulator] = {}

    def accumulators(self) -> list[plugin_event_accumulator.EventAccumulator]:
        """The accumulators of all runs, having read what is there."""
        for file in event_files(self._logdir):
            if (run := run_name(file, self._logdir)) not in self._by_run:
                self._by_run[run] = plugin_event_accumulator.EventAccumulator(
                    str(file.parent), size_guidance={}, tensor_size_guidance={"scalars": 0}
                )
        return [accumulator.Reload() for accumulator in self._by_run.values()]

    def reload(self) -> list[Point]:
        """Read on, and give every scalar read so far."""
        self.accumulators()
        return [
            Point(run, tag, event.step, event.wall_time, float(tensor_util.make_ndarray(event.tensor_proto)))
            for run, accumulator in self._by_run.items()
            for tag in _tags_of(accumulator, "scalars")
            for event in accumulator.Tensors(tag)
        ]


def accumulated_scalars(logdir: str | os.PathLike[str]) -> list[Point]:
    """What TensorBoard's own scalar dashboard sees through its Python loader."""
    return Accumulators(logdir).reload()


def legacy_scalars(logdir: str | os.PathLike[str]) -> list[Point]:
    """What the older `EventAccumulator` sees, the one of scripts and tbparse: scalars and tensors."""
    found = []
    for directory in sorted({file.parent for file in event_files(logdir)}):
        accumulator = event_accumulator.EventAccumulator(
            str(directory), size_guidance=dict.fromkeys(event_accumulator.DEFAULT_SIZE_GUIDANCE, 0)
        ).Reload()
        run = directory.relative_to(logdir).as_posix()
        for tag in accumulator.Tags()["scalars"]:
            found += [Point(run, tag, e.step, e.wall_time, e.value) for e in accumulator.Scalars(tag)]
        for tag in accumulator.Tags()["tensors"]:
            found += [
                Point(run, tag, e.step, e.wall_time, float(array.reshape(-1)[0]))
                for e in accumulator.Tensors(tag)
                if (array := np.asarray(tensor_util.make_ndarray(e.tensor_proto))).size == 1
                and array.dtype.kind in "fiub"
            ]
    return found
