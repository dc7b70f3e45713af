"""Protobuf without us: summaries as TensorBoard's own messages, and numbers as bytes."""

from tensorboard.compat.proto import summary_pb2

from tfruns_rs.tfevents._summary import Summary


def parse(summary: Summary) -> summary_pb2.Summary.Value:
    return summary_pb2.Summary.Value.FromString(summary.fields)


def varint(number: int) -> bytes:
    """A number in protobuf's variable length."""
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])
