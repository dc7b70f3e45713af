"""Pictures of a run as data URIs: what a picture is, its first bytes say, never its name.

PNG, JPEG, GIF and WebP can carry no script. SVG and HTML can, so they are listed by name and not shown.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to show.

    Attributes:
        caption: What stands below it.
        uri: The picture as a `data:` URI.
    """

    caption: str
    uri: str


def picture(caption: str, data: bytes) -> Picture | None:
    """A picture from encoded bytes; None for bytes that are no picture a page may show."""
    kind = next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)
    if kind is None and data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind = "webp"
    if kind is None:
        return None
    return Picture(caption, f"data:image/{kind};base64,{base64.b64encode(data).decode()}")
