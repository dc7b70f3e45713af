"""Console text as HTML: colours kept, everything else a terminal would obey dropped.

Rich reads the escape sequences; what comes out are spans whose classes name colours. A class stands for one
of the 256 terminal colours (true colours take the nearest), because a page's Content-Security-Policy allows
no inline style. Hyperlinks, cursor movements and other controls are not carried over.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Final

from rich.ansi import AnsiDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.color import Color
    from rich.style import Style

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")
# All that a terminal would obey but colours: strings for it (titles, links), controls, other escapes, and an
# escape that begins nothing (Rich takes time that grows with the square of their number).
_OBEYED: Final = re.compile(
    r"\x1b[\]PX^_][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)"
    r"|\x1b\[[0-?]*[ -/]*[@-ln-~]"
    r"|\x1b[ -/]*[0-OQ-WYZ`-~]"
    r"|\x1b(?!\[[0-9;:]*m)"
)
_STANDARD_COLOURS: Final = 16
_CUBE_LEVELS: Final = (0, 95, 135, 175, 215, 255)


def cut_middle(text: str, limit: int) -> tuple[str, int, str]:
    """Cuts a long text in its middle, at line ends where there are some near.

    Returns:
        The head, the number of characters left out, and the tail. A short text is all head.
    """
    if len(text) <= limit:
        return text, 0, ""
    head_end = limit // 3
    tail_start = len(text) - (limit - head_end)
    newline = text.rfind("\n", head_end - 2_000 if head_end > 2_000 else 0, head_end)  # noqa: PLR2004 - a few lines
    head_end = newline + 1 if newline >= 0 else head_end
    newline = text.find("\n", tail_start, tail_start + 2_000)
    tail_start = newline + 1 if newline >= 0 else tail_start
    return text[:head_end], tail_start - head_end, text[tail_start:]


def plain(text: str) -> str:
    """The text without escape sequences and control characters."""
    return "\n".join(line.plain for line in _lines(text))


def to_html(text: str) -> str:
    """Escaped HTML of a console's text, with spans for colours, bold, italic and underline."""
    return "\n".join(_line_html(line.plain, line.spans, line.style) for line in _lines(text))


def palette_css() -> str:
    """The rules of the colours that pages use beyond the standard sixteen (those follow light and dark)."""
    rules = [f".f{n}{{color:{_hex(n)}}}.b{n}{{background:{_hex(n)}}}" for n in range(_STANDARD_COLOURS, 256)]
    return "".join(rules)


def _lines(text: str) -> Iterator[_Line]:
    decoder = AnsiDecoder()
    for line in _OBEYED.sub("", text).replace("\r\n", "\n").split("\n"):
        if "\x1b" in line or "\r" in line:
            # A progress bar redraws its line: what it showed last is what is left of it.
            decoded = decoder.decode_line(line.rstrip("\r"))
            spans = [
                (span.start, span.end, span.style)
                for span in decoded.spans
                if not isinstance(span.style, str)
            ]
            yield _Line(decoded.plain, spans, None)
        else:
            # Colours stay on across lines until they are reset.
            yield _Line(line, [], decoder.style or None)


class _Line:
    __slots__ = ("plain", "spans", "style")

    def __init__(self, text: str, spans: list[tuple[int, int, Style]], style: Style | None) -> None:
        # One character stays one character, so that the spans keep their places.
        self.plain = _CONTROLS.sub("\ufffd", text)
        self.spans = spans
        self.style = style


def _line_html(text: str, spans: list[tuple[int, int, Style]], style: Style | None) -> str:
    if not spans:
        return _span(text, style) if style is not None and text else escape(text)
    pieces: list[str] = []
    at = 0
    for start, end, span_style in spans:
        pieces.append(escape(text[at:start]))
        pieces.append(_span(text[start:end], span_style))
        at = end
    pieces.append(escape(text[at:]))
    return "".join(pieces)


def _span(text: str, style: Style) -> str:
    classes: list[str] = []
    foreground, background = style.color, style.bgcolor
    if style.reverse:
        foreground, background = background, foreground
        if foreground is None and background is None:
            classes.append("inverse")
    if foreground is not None and (number := _number(foreground)) is not None:
        classes.append(f"f{number}")
    if background is not None and (number := _number(background)) is not None:
        classes.append(f"b{number}")
    classes += [
        name
        for name, on in (
            ("bold", style.bold),
            ("dim", style.dim),
            ("italic", style.italic),
            ("under", style.underline),
        )
        if on
    ]
    return f'<span class="{" ".join(classes)}">{escape(text)}</span>' if classes else escape(text)


def _number(colour: Color) -> int | None:
    """The colour's number among the 256; None for the terminal's default."""
    if colour.number is not None:
        return colour.number
    if colour.triplet is None:
        return None
    red, green, blue = (
        min(range(6), key=lambda i, part=part: abs(_CUBE_LEVELS[i] - part)) for part in colour.triplet
    )
    return _STANDARD_COLOURS + 36 * red + 6 * green + blue


def _hex(number: int) -> str:
    """The colour of one of the numbers 16 to 255, as in xterm: a cube of six levels, then greys."""
    if number >= 232:  # noqa: PLR2004 - where xterm's greys begin
        grey = 8 + 10 * (number - 232)
        return f"#{grey:02x}{grey:02x}{grey:02x}"
    red, rest = divmod(number - _STANDARD_COLOURS, 36)
    green, blue = divmod(rest, 6)
    return "#" + "".join(f"{_CUBE_LEVELS[part]:02x}" for part in (red, green, blue))
