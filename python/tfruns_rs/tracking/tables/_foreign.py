"""The tables that metrics speak about: opened wherever they are, counted, recognised when they changed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import polars as pl

from tfruns_rs.errors import MetricsTableError
from tfruns_rs.tracking.tables._draft import DATA_FILE, TABLE_FILE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tfruns_rs.tracking._url import Url

_WHOLE_BYTES = 64 << 20  # files up to this size are hashed whole
_SAMPLES = 64
_SAMPLE_BYTES = 256 << 10
_SCANS: dict[str, Callable[[list[Path]], pl.LazyFrame]] = {
    "parquet": lambda source: pl.scan_parquet(source, glob=False),
    "ipc": pl.scan_ipc,
    "stream": lambda source: pl.concat([pl.read_ipc_stream(one).lazy() for one in source]),
    "csv": lambda source: pl.scan_csv(source, glob=False),
    "ndjson": pl.scan_ndjson,
}
_SUFFIXES = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "ipc",
    ".ipc": "ipc",
    ".feather": "ipc",
    ".arrows": "stream",
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}


class ForeignTable:
    """A table of rows in a fixed order, wherever it is.

    A Parquet, Arrow, CSV or NDJSON file; a directory of them or a pattern, in the order of their names; a
    metrics table; any of these in an object store. Local files are recognised by their content, remote ones
    by their names.

    Args:
        url: Where it is.
        files: The names of its files, if it was opened before and had several; others are not looked at.
    """

    def __init__(self, url: Url, files: list[str] | None = None) -> None:
        self.url = url
        expanded = url.expand()
        self._remote = bool(expanded.scheme)
        self._base, self.paths = Path(), list[Path]()
        if self._remote:
            self._format = _SUFFIXES.get(expanded.suffix, "parquet")
        else:
            self._base, self.paths = _local_files(Path(expanded), files)
            self._format = _format(self.paths[0])

    def scan(self) -> pl.LazyFrame:
        """Its rows, in order, lazily."""
        if self._remote:
            scans: dict[str, Callable[[str], pl.LazyFrame]] = {
                "parquet": pl.scan_parquet,
                "ipc": pl.scan_ipc,
                "csv": pl.scan_csv,
                "ndjson": pl.scan_ndjson,
            }
            return scans[self._format](str(self.url.expand()))
        return _SCANS[self._format](self.paths)

    def row_count(self) -> int:
        """How many rows it has; of Parquet and Arrow files only the footers are read."""
        return self.scan().select(pl.len()).collect().item()

    def size(self) -> int:
        """The bytes of its local files."""
        return sum(path.stat().st_size for path in self.paths)

    def fingerprint(self) -> dict[str, Any]:
        """What tells it from a later version of itself: rows, columns and content.

        No times, which change with a copy.
        Files beyond 64 MiB are sampled at 64 places, their beginning and end among them.
        """
        schema = self.scan().collect_schema()
        found: dict[str, Any] = {
            "row_count": self.row_count(),
            "columns": {name: str(dtype) for name, dtype in schema.items()},
        }
        if not self._remote:
            found["size"] = self.size()
            found["content"] = _content(self.paths)
            if len(self.paths) > 1:
                found["files"] = [path.relative_to(self._base).as_posix() for path in self.paths]
        return found


def recorded(url: Url, facts: dict[str, Any], largest: int) -> ForeignTable | None:
    """The table that was recorded, if it is a local one of up to `largest` bytes and still what it was.

    For readers who trust neither the record nor the place. Whoever recorded the content of a file knew it, so
    a record can't be made to show its reader's own files; nothing is parsed before its content is
    the recorded one.
    """
    if url.expand().scheme or not facts.get("content") or not 0 < int(facts.get("size") or 0) <= largest:
        return None
    try:
        table = ForeignTable(url, facts.get("files"))
        if table.size() == facts["size"] and _content(table.paths) == facts["content"]:
            return table
    except (OSError, ValueError, MetricsTableError, pl.exceptions.PolarsError):
        pass
    return None


def _local_files(place: Path, names: list[str] | None) -> tuple[Path, list[Path]]:
    """The directory that the files are named from, and the files."""
    if names:
        base = place if place.is_dir() else place.parent
        return base, [base / name for name in names]
    if place.is_file():
        return place.parent, [place]
    if (place / TABLE_FILE).is_file():
        return place, [place / DATA_FILE]
    if place.is_dir():
        base, files = place, _tables_below(place)
    else:
        base, files = place.parent, sorted(place.parent.glob(place.name)) if "*" in place.name else []
        files = [path for path in files if not path.name.startswith(".")]
    if not files:
        raise FileNotFoundError(2, "there is no table", str(place))
    return base, files


def _tables_below(directory: Path) -> list[Path]:
    """The files of a directory in the first format of which there are any, without hidden ones."""
    found: dict[str, list[Path]] = {}
    for path in sorted(directory.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(directory).parts)
        if path.suffix.lower() in _SUFFIXES and path.is_file() and not hidden:
            found.setdefault(_SUFFIXES[path.suffix.lower()], []).append(path)
    return next((found[kind] for kind in _SCANS if kind in found), list[Path]())


def _format(path: Path) -> str:
    """What a file is, by its first bytes."""
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"ARROW1"):
        return "ipc"
    if head.startswith(b"\xff\xff\xff\xff"):
        return "stream"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"{"):
        return "ndjson"
    if not text:
        raise MetricsTableError(f"{path}: the table is empty")
    named = _SUFFIXES.get(path.suffix.lower(), "csv")
    if named != "csv" or path.suffix.lower() == ".json" or b"\0" in head:
        formats = "Parquet, Arrow, CSV or NDJSON (an object a line)"
        raise MetricsTableError(f"{path}: no table of rows; it is {formats} that is read")
    return "csv"


def _content(paths: list[Path]) -> str:
    """A hash over files."""
    total = hashlib.blake2b(digest_size=16)
    for path in paths:
        size = path.stat().st_size
        with path.open("rb", buffering=0) as file:
            if size <= _WHOLE_BYTES:
                total.update(
                    hashlib.file_digest(cast("Any", file), lambda: hashlib.blake2b(digest_size=16)).digest()
                )
                continue
            for sample in range(_SAMPLES):
                file.seek((size - _SAMPLE_BYTES) * sample // (_SAMPLES - 1))
                total.update(file.read(_SAMPLE_BYTES))
    return total.hexdigest()


def changes(recorded: dict[str, Any], now: dict[str, Any]) -> str:
    """How a table differs from what was recorded of it; empty if it is the same."""
    if recorded.get("row_count") not in {None, now["row_count"]}:
        return f"it had {recorded['row_count']} rows and has {now['row_count']}"
    if recorded.get("columns") not in (None, now["columns"]):
        return "its columns are others"
    if recorded.get("content") not in {None, now.get("content")}:
        return "its content is another"
    return ""
