"""Batches on disk before they are a table: an Arrow IPC stream that outlives its killed writer.

    schema message | batch message | batch message | … | end mark, once closed

Each batch is one message and goes out in one write, so a killed writer leaves at most its last batch torn. A
reader of Arrow streams takes a closed spill as it is; `read_torn` reads one that was not closed.
"""

from __future__ import annotations

import io
import os
import struct
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from pathlib import Path

_MARK = b"\xff\xff\xff\xff"
_END = _MARK + b"\0\0\0\0"
_PREFIX = len(_END)  # the mark and the length of the metadata
_BODY_LENGTH_FIELD = 3  # of the flatbuffer table Message, in format/Message.fbs of the Arrow format
_BODY_LENGTH_ENTRY = 4 + 2 * _BODY_LENGTH_FIELD  # in its vtable, behind two lengths of 2 bytes


class Spill:
    """An open stream of batches with the same columns.

    Attributes:
        path: The file.
        size: How much of it is written, in bytes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        self._encoded = io.BytesIO()

    def append(self, frame: pl.DataFrame) -> None:
        """Writes a batch; it is with the operating system when this returns.

        Raises:
            OSError: It could not be written whole. The stream ends where it ended before.
        """
        self._encoded.seek(0)
        frame.rechunk().write_ipc_stream(self._encoded)
        end = self._encoded.tell() - len(_END)
        with self._encoded.getbuffer() as encoded:
            schema_end = _PREFIX + int.from_bytes(encoded[len(_MARK) : _PREFIX], "little")
            self._write(encoded[schema_end if self.size else 0 : end])

    def close(self) -> None:
        """Ends the stream."""
        try:
            self._write(memoryview(_END))
        finally:
            os.close(self._file)

    def _write(self, data: memoryview) -> None:
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError:
            os.ftruncate(self._file, self.size)
            os.lseek(self._file, self.size, os.SEEK_SET)
            raise
        self.size += written


def read_torn(path: Path) -> pl.DataFrame | None:
    """All whole batches of a spill that was never closed; None if there is not even a schema."""
    data = path.read_bytes()
    ends = _whole(data)
    while ends:
        try:
            return pl.read_ipc_stream(data[: ends.pop()] + _END)
        except pl.exceptions.PolarsError:  # the file grew, but what was to fill it never came
            continue
    return None


def _whole(data: bytes) -> list[int]:
    """Where whole messages end."""
    ends: list[int] = []
    end = 0
    while data[end : end + len(_MARK)] == _MARK and data[end : end + _PREFIX] != _END:
        length = int.from_bytes(data[end + len(_MARK) : end + _PREFIX], "little")
        try:
            following = end + _PREFIX + length + _body_length(data, end + _PREFIX)
        except struct.error:
            break
        if not end < following <= len(data):
            break
        end = following
        ends.append(end)
    return ends


def _body_length(data: bytes, message: int) -> int:
    """How many bytes follow the metadata of the message that begins there."""
    table = message + _number("<I", data, message)
    vtable = table - _number("<i", data, table)
    if _number("<H", data, vtable) <= _BODY_LENGTH_ENTRY:
        return 0
    entry = _number("<H", data, vtable + _BODY_LENGTH_ENTRY)
    return _number("<q", data, table + entry) if entry else 0


def _number(form: str, data: bytes, offset: int) -> int:
    if offset < 0:
        raise struct.error("before the file")
    return struct.unpack_from(form, data, offset)[0]
