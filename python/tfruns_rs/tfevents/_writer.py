"""Writers: `EventWriter`, and the one behind `log_event` for each logdir."""

import os
from threading import Lock

from tfruns_rs._core import EventWriter

_writers: dict[str, EventWriter] = {}
_lock = Lock()


def writer_of(logdir: str) -> EventWriter:
    """The process's writer for a logdir, an absolute path. It is opened when it is first asked for."""
    writer = _writers.get(logdir)
    if writer is None or writer.closed:
        writer = _open(logdir)
    return writer


def _open(logdir: str) -> EventWriter:
    """Two paths to one directory share a writer: they share its steps."""
    with _lock:
        real = os.path.realpath(logdir)
        writer = _writers.get(real)
        if writer is None or writer.closed:
            writer = _writers[real] = EventWriter(real, shared=True)
        _writers[logdir] = writer
        return writer
