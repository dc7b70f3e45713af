"""Summaries as TensorBoard's own messages: an independent reader of what the encoders write."""

from tensorboard.compat.proto import summary_pb2

from tfruns_rs.tfevents._summary import Summary


def parse(summary: Summary) -> summary_pb2.Summary.Value:
    return summary_pb2.Summary.Value.FromString(summary.fields)
