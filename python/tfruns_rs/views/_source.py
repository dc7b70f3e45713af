"""Source files of a run: read from its archive in memory, and highlighted.

The archive is untrusted. It is never extracted, and read by the few rules of the tar format that a source
archive needs: regular files with relative names, below caps on entries and bytes. All else in it is skipped.
"""

from __future__ import annotations

import zlib
from html import escape
from typing import TYPE_CHECKING, Final

from tfruns_rs.views._extra import require

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK: Final = 512
_MAX_ARCHIVE_BYTES: Final = 64 * 1024 * 1024
_MAX_UNPACKED_BYTES: Final = 64 * 1024 * 1024
_MAX_FILES: Final = 2_000


def read_sources(archive: Path) -> dict[str, str]:
    """Reads the text files of a `source.tar.gz`.

    Args:
        archive: The archive; it may be missing or damaged.

    Returns:
        The text by name, without the archive's top folder, in the archive's order. Whatever is not text, not
        a regular file, or beyond the caps is left out.
    """
    try:
        with archive.open("rb") as file:
            packed = file.read(_MAX_ARCHIVE_BYTES)
        unpacked = zlib.decompressobj(wbits=31).decompress(packed, _MAX_UNPACKED_BYTES)
    except (OSError, zlib.error):
        return {}
    sources: dict[str, str] = {}
    at = 0
    long_name: str | None = None
    while at + _BLOCK <= len(unpacked) and len(sources) < _MAX_FILES:
        header = unpacked[at : at + _BLOCK]
        if not any(header):
            break
        try:
            size = int(header[124:136].strip(b"\0 ") or b"0", 8)
        except ValueError:
            break
        kind = header[156:157]
        data = unpacked[at + _BLOCK : at + _BLOCK + size]
        at += _BLOCK + -(-size // _BLOCK) * _BLOCK
        if kind == b"L":  # GNU tar: the name of the next entry
            long_name = _text(data.split(b"\0", 1)[0])
        elif kind == b"x":  # POSIX: the same as a "length path=name" line
            long_name = _pax_path(data) or long_name
        else:
            name = long_name or _header_name(header)
            long_name = None
            text = _text(data)
            parts = name.split("/")
            if kind in {b"0", b"\0"} and len(data) == size and text is not None and _is_plain(parts):
                sources["/".join(parts[1:]) if len(parts) > 1 else name] = text
    return sources


def highlight(name: str, text: str) -> str:
    """The source as escaped HTML, coloured by what its name says it is."""
    lexers = require("pygments.lexers")
    util = require("pygments.util")
    formatters = require("pygments.formatters")
    try:
        lexer = lexers.get_lexer_for_filename(name, stripnl=False, ensurenl=False)
    except util.ClassNotFound:
        return escape(text)
    return require("pygments").highlight(text, lexer, formatters.HtmlFormatter(nowrap=True)).rstrip("\n")


def highlight_css() -> str:
    """The rules of the colours, for a light and a dark page."""
    formatter = require("pygments.formatters").HtmlFormatter
    light = formatter(style="default", nobackground=True).get_style_defs(".code")
    dark = formatter(style="github-dark", nobackground=True).get_style_defs(".code")
    schemes = {"light": light, "dark": dark}
    return "".join(f"@media (prefers-color-scheme: {name}) {{\n{css}\n}}\n" for name, css in schemes.items())


def _is_plain(parts: list[str]) -> bool:
    return all(part not in {"", ".", ".."} and "\\" not in part and part.isprintable() for part in parts)


def _header_name(header: bytes) -> str:
    name = _text(header[:100].split(b"\0", 1)[0]) or ""
    prefix = _text(header[345:500].split(b"\0", 1)[0]) if header[257:263] == b"ustar\0" else None
    return f"{prefix}/{name}" if prefix else name


def _pax_path(data: bytes) -> str | None:
    for line in data.split(b"\n"):
        key, found, value = line.partition(b" ")[2].partition(b"=")
        if found and key == b"path":
            return _text(value)
    return None


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
