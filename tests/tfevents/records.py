"""Event files made by hand, out of TensorBoard's messages and checksum."""

import struct
from collections.abc import Iterable
from pathlib import Path

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

Event = event_pb2.Event
Value = summary_pb2.Summary.Value
FILE_NAME = "events.out.tfevents.1700000000.host.1.0"
START = 1_700_000_000.0


def record(payload: bytes) -> bytes:
    header = struct.pack("<Q", len(payload))
    return (
        header
        + struct.pack("<I", masked_crc32c(header))
        + payload
        + struct.pack("<I", masked_crc32c(payload))
    )


def version(wall_time: float = START) -> Event:
    return Event(wall_time=wall_time, file_version="brain.Event:2")


def event(*values: Value, step: int = 0, wall_time: float = START) -> Event:
    return Event(wall_time=wall_time, step=step, summary=summary_pb2.Summary(value=values))


def scalar(tag: str, value: float, step: int = 0, wall_time: float = START) -> Event:
    return event(Value(tag=tag, simple_value=value), step=step, wall_time=wall_time)


def metadata(
    plugin: str, content: bytes = b"", display_name: str = "", description: str = ""
) -> summary_pb2.SummaryMetadata:
    return summary_pb2.SummaryMetadata(
        plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name=plugin, content=content),
        display_name=display_name,
        summary_description=description,
    )


def records(events: Iterable[Event]) -> list[bytes]:
    return [record(one.SerializeToString()) for one in events]


def write_file(directory: Path, events: Iterable[Event], name: str = FILE_NAME) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_bytes(b"".join(records(events)))
    return path
