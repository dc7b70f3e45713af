"""Event files to read, written once by TensorBoard's own protobuf classes and record writer, then kept."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from _measure import CACHE

TAGS = ("train/loss", "train/accuracy", "validation/loss", "validation/accuracy", "learning_rate")
START = 1_700_000_000.0


def scalar_events(count: int) -> Iterator[bytes]:
    """`count` scalars over five tags, as torch writes them: `simple_value`, no metadata."""
    yield Event(wall_time=START, file_version="brain.Event:2").SerializeToString()
    for i in range(count):
        value = Summary.Value(tag=TAGS[i % len(TAGS)], simple_value=1.0 / (1 + i))
        event = Event(wall_time=START + i * 0.001, step=i // len(TAGS), summary=Summary(value=[value]))
        yield event.SerializeToString()


def _written(name: str, payloads: Iterator[bytes]) -> Path:
    path = CACHE / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".unfinished.{os.getpid()}")
        with unfinished.open("wb") as raw:
            writer = RecordWriter(raw)
            for payload in payloads:
                writer.write(payload)
        unfinished.rename(path)
    return path


def scalars(count: int) -> Path:
    """An event file of `count` scalars in a logdir of its own."""
    return _written(f"scalars_{count}/events.out.tfevents.1700000000.host.1.0", scalar_events(count))


def small_files(files: int, count: int) -> Path:
    """A logdir of `files` runs, each one file of `count` scalars."""
    logdir = CACHE / f"small_{files}_{count}"
    content = scalars(count).read_bytes()
    if not logdir.exists():
        unfinished = logdir.with_name(f".unfinished.{os.getpid()}")
        for i in range(files):
            run = unfinished / f"run_{i:05}"
            run.mkdir(parents=True)
            (run / "events.out.tfevents.1700000000.host.1.0").write_bytes(content)
        unfinished.rename(logdir)
    return logdir


def repeated_scalars(count: int, times: int) -> Path:
    """A large file: the records of the smaller one over and over."""
    path = CACHE / f"scalars_{count}x{times}" / "events.out.tfevents.1700000000.host.1.0"
    if not path.exists():
        path.parent.mkdir(parents=True)
        content = scalars(count).read_bytes()
        first = 16 + struct.unpack("<Q", content[:8])[0]
        with path.open("wb") as large:
            large.write(content[:first])
            for _ in range(times):
                large.write(content[first:])
    return path


def images_beside_scalars(megabytes: int) -> Path:
    """A file whose bytes are nearly all images (noise of 100 kB), with a scalar after each."""

    def events() -> Iterator[bytes]:
        yield Event(wall_time=START, file_version="brain.Event:2").SerializeToString()
        picture = os.urandom(100_000)
        for i in range(megabytes * 10):
            image = Summary.Image(height=182, width=182, colorspace=3, encoded_image_string=picture)
            for value in (Summary.Value(tag="image", image=image), Summary.Value(tag="loss", simple_value=i)):
                yield Event(wall_time=START + i, step=i, summary=Summary(value=[value])).SerializeToString()

    return _written(f"images_{megabytes}/events.out.tfevents.1700000000.host.1.0", events())
