"""What people and programs read: tables, JSON, CSV.

Names and texts of runs are other people's data. On the way to a terminal nothing in them is a control
character any more: what could move the cursor, change colours or the direction of the text is shown
escaped. At a terminal tables fit its width; piped, they are tab-separated and whole.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import os
import re
import shutil
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import polars as pl

# C0, C1, marks of direction, invisible characters, lone surrogates (bytes that are no text), tags.
_UNSAFE = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f"
)
_IN_LINE = re.compile(f"[\t\n{_UNSAFE}]")
_IN_TEXT = re.compile(f"[{_UNSAFE}]")
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
_WIDEST_CELL = 40
_NARROWEST_CELL = 8
_GAP = "  "
_BYTE = 0x100
_WIDE = 0x10000
_STATUS_COLOURS = {
    "completed": "green",
    "running": "cyan",
    "stale": "magenta",
    "failed": "red",
    "killed": "red",
    "invalid": "red",
    "interrupted": "magenta",
}


def plain(text: str) -> str:
    """The text as one line that any terminal shows as it is."""
    return _IN_LINE.sub(_escape, text)


def plain_text(text: str) -> str:
    """The text with its lines and tabs, the rest as in `plain`."""
    return _IN_TEXT.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # noqa: PLR2004 - a byte that is no text, as Python keeps it
        return f"\\x{number - 0xDC00:02x}"
    if number < _BYTE:
        return _SHORT.get(character) or f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < _WIDE else f"\\U{number:08x}"


def is_terminal() -> bool:
    """Whether a person reads what is written."""
    return sys.stdout.isatty()


def paint(text: str, colour: str | None = None, *, bold: bool = False, dim: bool = False) -> str:
    """The text in a colour, where there are colours."""
    if not text or not (colour or bold or dim) or not _has_colours():
        return text
    return click.style(text, fg=colour, bold=bold or None, dim=dim or None)


def _has_colours() -> bool:
    return is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def status_colour(status: str) -> str | None:
    """The colour of a run's status."""
    return _STATUS_COLOURS.get(status)


def width() -> int:
    """The columns of the terminal."""
    return shutil.get_terminal_size().columns


def echo(text: str = "") -> None:
    """Writes a line, which must be safe already."""
    sys.stdout.write(f"{text}\n")


def note(text: str) -> None:
    """Says something to the person at the terminal; nothing when piped."""
    if is_terminal():
        echo(paint(text, dim=True))


# Values


def cell(value: Any) -> str:
    """A value in a table at a terminal."""
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return plain(exact(value))


def exact(value: Any) -> str:
    """A value as text that loses nothing; empty for a missing one."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return _stamp(value)
    if isinstance(value, (dict, list)):
        return to_json(value)
    return str(value)


def _stamp(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_json(value: Any, indent: int | None = None) -> str:
    """Valid JSON: numbers it lacks are "NaN", "Inf", "-Inf"; bytes are base64; nothing in it is unsafe."""
    text = json.dumps(_jsonable(value), ensure_ascii=False, allow_nan=False, indent=indent)
    return _IN_TEXT.sub(_json_escape, text)


def _json_escape(match: re.Match[str]) -> str:
    """As JSON escapes it: two units for what lies beyond the basic plane."""
    return json.dumps(match[0])[1:-1] if ord(match[0]) >= 0x7F else match[0]  # noqa: PLR2004 - json did those below


def _jsonable(value: Any) -> Any:  # noqa: PLR0911 - a line a type
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in cast("Iterable[Any]", value)]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, datetime):
        return _stamp(value)
    if isinstance(value, bytes):
        import base64

        return base64.b64encode(value).decode()
    if hasattr(value, "to_dicts"):
        return _jsonable(value.to_dicts())
    return _jsonable(value.to_list()) if hasattr(value, "to_list") else str(value)


def size(count: int) -> str:
    """A number of bytes for people."""
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:  # noqa: PLR2004 - the next unit
            return f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"  # noqa: PLR2004
        number /= 1024
    return f"{number:.1f} TiB"


def count(number: int, thing: str) -> str:
    """So many of a thing."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """A time span for people."""
    if seconds < 100:  # noqa: PLR2004
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {whole:02} s"


def age(seconds: float) -> str:
    """How long ago, in one unit."""
    for unit, limit, length in (("s", 100, 1), ("min", 6000, 60), ("h", 48 * 3600, 3600)):
        if seconds < limit:
            return f"{max(seconds, 0) // length:.0f} {unit}"
    return f"{seconds // 86400:.0f} d"


def spark(values: Sequence[float | None], columns: int) -> str:
    """The course of numbers in so many characters."""
    # Of a quarter of each no sum and no difference overflows; the course is the same.
    numbers = [value / 4 for value in values if value is not None and math.isfinite(value)]
    if not numbers or columns <= 0:
        return ""
    count = min(columns, len(numbers))
    # Each character is the mean of the points it stands for.
    edges = [index * len(numbers) // count for index in range(count + 1)]
    means = [
        math.fsum(number / (end - start) for number in numbers[start:end])
        for start, end in itertools.pairwise(edges)
    ]
    low, high = min(means), max(means)
    marks = _marks()
    if high <= low:
        return marks[len(marks) // 2 - 1] * count
    return "".join(marks[round((mean - low) / (high - low) * (len(marks) - 1))] for mean in means)


@functools.cache
def _marks() -> str:
    blocks = "▁▂▃▄▅▆▇█"
    try:
        blocks.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "_.-=+*#@"
    return blocks


# Tables


def show_frame(
    frame: pl.DataFrame,
    *,
    as_json: bool = False,
    as_csv: bool = False,
    styles: Mapping[str, Callable[[str], str | None]] | None = None,
    hidden: Sequence[str] = (),
    squeeze: bool = False,
) -> None:
    """Writes a frame as JSON, as CSV, or as a table.

    Args:
        frame: The frame.
        as_json: An array of objects, a line each.
        as_csv: CSV.
        styles: The colour of a cell, by column.
        hidden: Columns to name as left out.
        squeeze: Where the terminal is too narrow, cut the widest columns rather than leaving some out.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    if as_json:
        _write_json(frame)
    elif as_csv:
        _write_csv(frame)
    elif is_terminal():
        show_table(frame.columns, _texts(frame), _numeric(frame), styles or {}, hidden, squeeze=squeeze)
    else:
        _write_tsv(frame)


def _write_json(frame: pl.DataFrame) -> None:
    sys.stdout.write("[")
    for number, row in enumerate(frame.iter_rows(named=True)):
        sys.stdout.write(f"{',' if number else ''}\n{to_json(row)}")
    sys.stdout.write("\n]\n" if frame.height else "]\n")


def _write_csv(frame: pl.DataFrame) -> None:
    text = flat(frame).write_csv()
    sys.stdout.write(plain_text(text) if is_terminal() else text)


def flat(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with columns that CSV can hold: nested ones become JSON, times ISO 8601 in UTC."""
    import polars as pl

    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested() or dtype == pl.Binary]
    times = [name for name, dtype in frame.schema.items() if dtype.is_temporal()]
    return frame.with_columns(
        *(
            pl.Series(name, [None if v is None else to_json(v) for v in frame[name].to_list()])
            for name in nested
        ),
        *(pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ") for name in times),
    )


def _write_tsv(frame: pl.DataFrame) -> None:
    write = sys.stdout.write
    write("\t".join(map(plain, frame.columns)) + "\n")
    for row in frame.iter_rows():
        write("\t".join([plain(exact(value)) for value in row]) + "\n")


def _texts(frame: pl.DataFrame) -> list[list[str]]:
    return [[cell(value) for value in column.to_list()] for column in frame.get_columns()]


def _numeric(frame: pl.DataFrame) -> list[bool]:
    return [dtype.is_numeric() for dtype in frame.dtypes]


def show_table(
    names: Sequence[str],
    columns: Sequence[Sequence[str]],
    is_number: Sequence[bool],
    styles: Mapping[str, Callable[[str], str | None]],
    hidden: Sequence[str] = (),
    *,
    squeeze: bool = False,
) -> None:
    """Writes a table of safe texts as wide as the terminal; what does not fit is named below."""
    heads = [plain(name) for name in names]
    natural = [max(map(cells, [head, *column])) for head, column in zip(heads, columns, strict=True)]
    widths = _squeezed(natural) if squeeze else _fitting([min(wide, _WIDEST_CELL) for wide in natural])
    echo(paint(_line(heads, widths, is_number), bold=True))
    for row in zip(*columns, strict=True):
        painted = [
            paint(fitted(text, wide, right=right), styles[name](text) if name in styles else None)
            for text, wide, right, name in zip(row, widths, is_number, names, strict=False)
        ]
        echo(_GAP.join(painted).rstrip())
    missing = [*heads[len(widths) :], *map(plain, hidden)]
    if missing:
        count = f"{len(missing)} more column{'s' if len(missing) > 1 else ''}: "
        note(fitted(count + ", ".join(missing), width()).rstrip())


def _fitting(natural: Sequence[int]) -> list[int]:
    """The widths of the first columns, as many as fit."""
    room = width()
    widths = [min(natural[0], room)] if natural else []
    for wide in natural[1:]:
        if sum(widths) + len(_GAP) * len(widths) + wide > room:
            break
        widths.append(wide)
    return widths


def _squeezed(natural: Sequence[int]) -> list[int]:
    """The widths of all columns, the widest cut until they fit or are narrow."""
    widths = list(natural)
    while sum(widths) + len(_GAP) * (len(widths) - 1) > width() and max(widths) > _NARROWEST_CELL:
        widths[widths.index(max(widths))] -= 1
    return widths


def _line(texts: Sequence[str], widths: Sequence[int], is_number: Sequence[bool]) -> str:
    return _GAP.join(
        fitted(text, wide, right=right) for text, wide, right in zip(texts, widths, is_number, strict=False)
    ).rstrip()


def cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def fitted(text: str, columns: int, *, right: bool = False) -> str:
    """The text cut or padded to so many columns."""
    taken = cells(text)
    if taken > columns:
        if text.isascii():
            return text[: columns - 1] + "…"
        from rich.cells import set_cell_size

        return set_cell_size(text, columns - 1) + "…"
    return " " * (columns - taken) + text if right else text + " " * (columns - taken)
