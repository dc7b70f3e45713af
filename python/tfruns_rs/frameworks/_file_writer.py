"""The object behind a `SummaryWriter`: what frameworks reach for that build their own messages."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from tfruns_rs._core import EventWriter

if TYPE_CHECKING:
    import os

GRAPH, SUMMARY, SESSION_LOG, RUN_METADATA = 4, 5, 7, 8
"""The numbers of `Event`'s fields for what an event holds."""
_FIELDS = {
    "graph_def": GRAPH,
    "summary": SUMMARY,
    "log_message": 6,
    "session_log": SESSION_LOG,
    "tagged_run_metadata": RUN_METADATA,
    "meta_graph_def": 9,
}
SESSION_START = b"\x08\x01"
"""The message `SessionLog(status=START)`."""


class Message(Protocol):
    """A protobuf message, of TensorBoard's or tensorboardX's making."""

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        """Its bytes."""
        ...


def tagged(tag: bytes, message: bytes) -> bytes:
    """The bytes of `TaggedRunMetadata`."""
    size, length = len(message), bytearray()
    while size >= 0x80:  # noqa: PLR2004 - a varint
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return b"\x0a" + bytes([len(tag)]) + tag + b"\x12" + bytes(length) + message


class FileWriter:
    """Writes messages into one log directory.

    Args:
        log_dir: Where.
        max_queue: Taken for compatibility; nothing ever waits in a queue.
        flush_secs: Records are in their file after at most so many seconds.
        filename_suffix: The end of the file's name.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        max_queue: int = 10,
        flush_secs: float = 1.0,
        filename_suffix: str = "",
    ) -> None:
        del max_queue
        self._options = (str(log_dir), float(flush_secs), filename_suffix)
        self.events: Any = None
        self.reopen()

    def reopen(self) -> None:
        """Goes on after `close`, in a new file; does nothing before it."""
        if self.events is None or self.events.closed:
            log_dir, flush_secs, suffix = self._options
            self.events = EventWriter(log_dir, flush_secs=flush_secs, filename_suffix=suffix or ".v2")

    def get_logdir(self) -> str:
        """The directory, as it was given."""
        return self._options[0]

    def add_event(self, event: Any, step: Any = None, walltime: float | None = None) -> None:
        """Writes an event: a protobuf message `Event`."""
        what = event.WhichOneof("what")
        if what not in _FIELDS:
            return  # a file says its version itself
        held: Any = getattr(event, what)
        message = held if isinstance(held, bytes) else held.SerializeToString()
        number = event.step if step is None else step
        self.events._log_message(
            _FIELDS[what], message, int(number), time.time() if walltime is None else walltime
        )

    def add_summary(
        self, summary: Message | bytes, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """Writes a summary: a protobuf message `Summary`, or its bytes."""
        message = summary if isinstance(summary, bytes) else summary.SerializeToString()
        self.events._log_message(SUMMARY, message, int(global_step or 0), walltime)

    def add_graph(self, graph_profile: tuple[Message, Message], walltime: float | None = None) -> None:
        """Writes a graph and the statistics of a step."""
        graph, statistics = graph_profile
        self.events._log_message(GRAPH, graph.SerializeToString(), 0, walltime)
        self.events._log_message(RUN_METADATA, tagged(b"step1", statistics.SerializeToString()), 0, walltime)

    def add_onnx_graph(self, graph: Message, walltime: float | None = None) -> None:
        """Writes a graph."""
        self.events._log_message(GRAPH, graph.SerializeToString(), 0, walltime)

    add_openvino_graph = add_onnx_graph

    def flush(self) -> None:
        """Returns when everything written so far is in its file."""
        self.events.flush()

    def close(self) -> None:
        """Flushes and closes the file."""
        self.events.close()


class Nowhere:
    """Takes what an `EventWriter` takes, and keeps nothing."""

    closed = False

    def flush(self) -> None:
        """Nothing is left to write."""

    close = flush

    def __getattr__(self, name: str) -> Any:
        if name not in {"add_scalar", "add_values", "_log_message"}:
            raise AttributeError(name)
        return _nothing


def _nothing(*_: Any, **__: Any) -> None:
    pass
