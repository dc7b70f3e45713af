"""Files made to keep a reader busy: right headers whose lengths lead nowhere."""

import struct
from pathlib import Path

from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

SIZE = 100_000_000
FORMS = ("headers", "between records", "bad headers", "just beyond", "large beside small")


def header(length: int) -> bytes:
    """The header of a record of this length."""
    packed = struct.pack("<Q", length)
    return packed + struct.pack("<I", masked_crc32c(packed))


def record(payload: bytes) -> bytes:
    """A whole record."""
    return header(len(payload)) + payload + struct.pack("<I", masked_crc32c(payload))


def content(form: str, size: int = SIZE) -> bytes:
    """The bytes of a hostile file.

    Args:
        form: One of `FORMS`: headers of half the file's length back to back; the same, each behind a whole
            record, so that every search ends at once; headers with a wrong checksum that lead far away,
            between records; headers that reach beyond the file; headers of a megabyte between records.
        size: About how long, in bytes.
    """
    small = record(b"\x10\x01")
    if form == "headers":
        part = header(size // 2)
    elif form == "between records":
        part = header(size // 2) + small
    elif form == "bad headers":
        part = struct.pack("<QI", size // 3, 12345) + small
    elif form == "just beyond":
        part = header(2 * size) + small
    else:
        part = header(1 << 20) + small
    return part * (size // len(part))


def write(directory: Path, form: str, size: int = SIZE) -> Path:
    """Writes a hostile file."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "events.out.tfevents.1700000000.host.1.0"
    path.write_bytes(content(form, size))
    return path
