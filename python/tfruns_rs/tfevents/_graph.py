"""Graphs of models, and what their runs cost, for TensorBoard's graph dashboard."""

from typing import Any

from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._log import log_event
from tfruns_rs.tfevents._metadata import SummaryMetadata, metadata_field
from tfruns_rs.tfevents._summary import Summary, check_tag

_RUN_GRAPH = "__run_graph__"


def summary_graph(graph_def: Any) -> Summary:
    """Make the summary of a graph; its tag is fixed.

    Args:
        graph_def: A TensorFlow `GraphDef`: its bytes, or the message itself (whatever has
            `SerializeToString`).

    Raises:
        InvalidEventError: Neither of these.
    """
    return _blob(_message("graph_def", graph_def), "graphs", _RUN_GRAPH, None)


def log_graph(graph_def: Any) -> None:
    """Log the graph of a model to the default logdir, once.

    Args:
        graph_def: A TensorFlow `GraphDef`: its bytes, or the message itself.

    Raises:
        InvalidEventError: Neither of these.
    """
    log_event(summary_graph(graph_def), step=0)


def summary_run_metadata(
    run_metadata: Any, *, metadata: SummaryMetadata | None = None, tag: str | None = None
) -> Summary:
    """Make a summary of what a step cost: time and memory of each node of the graph.

    Args:
        run_metadata: A TensorFlow `RunMetadata`: its bytes, or the message itself.
        metadata: From `summary_metadata("graph_run_metadata", …)`.
        tag: The name to log it under, if it is not given a name in `log_event`.

    Raises:
        InvalidEventError: Neither of these, or metadata of another plugin.
    """
    return _blob(_message("run_metadata", run_metadata), "graph_run_metadata", check_tag(tag), metadata)


def _message(argument: str, message: Any) -> bytes:
    encoded = message.SerializeToString() if hasattr(message, "SerializeToString") else message
    if not isinstance(encoded, bytes) or not encoded:
        raise InvalidEventError(
            f"`{argument}` must be a message or its bytes, and not empty; got {type(message).__name__}."
        )
    return encoded


def _blob(message: bytes, plugin: str, tag: str | None, metadata: SummaryMetadata | None) -> Summary:
    content = b"1" if plugin == "graph_run_metadata" else b""  # the version that TensorFlow writes
    fields = _core.encode_strings([message], [1], None, metadata_field(metadata, plugin, content))
    return Summary(tag, plugin, fields)
