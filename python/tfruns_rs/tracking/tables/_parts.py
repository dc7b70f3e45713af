"""The rows of a draft that are Parquet already: whole parts, one behind the other in one file.

    parts.parquet   part | part | … | perhaps the beginning of one that was never whole
    parts.ndjson    a line a part, written once the part is there:
                    {"part": 0, "end": 16012345, "rows": 131072, "largest_example_id": 7, "columns": {…}}

Each part is a Parquet file of its own, so it can be read back. `close` makes them one table by a footer at
the end; nothing is copied.
"""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any, cast

import polars as pl

from tfruns_rs import _core
from tfruns_rs.errors import MetricsTableError
from tfruns_rs.tracking.tables._batch import EXAMPLE_ID, INPUT_TABLE_ID, merge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from polars._typing import ParquetCompression

_ZSTD_LEVEL = 1  # a third less time than Polars' own 3, for files of nearly the same size
_INT32_MAX = 2**31 - 1


class Parts:
    """The parts in a directory.

    Args:
        directory: Where the two files are, or will be.
        compression: How the parts are compressed.
        keyed: Whether the rows refer to those of a foreign table.
    """

    def __init__(self, directory: Path, compression: str, *, keyed: bool) -> None:
        self._path = directory / "parts.parquet"
        self._journal = directory / "parts.ndjson"
        self._compression = compression
        self._keyed = keyed
        self._told: list[dict[str, Any]] = []
        self._types: dict[str, pl.DataType] = {}

    def restore(self) -> None:
        """Takes over the parts that are there."""
        if not self._journal.exists():
            return
        lines = self._journal.read_bytes().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        os.truncate(self._journal, sum(map(len, whole)))
        self._told = [json.loads(line) for line in whole]

    @property
    def count(self) -> int:
        """How many parts there are."""
        return len(self._told)

    @property
    def following(self) -> int:
        """The number that the next part has at least."""
        return self._told[-1]["part"] + 1 if self._told else 0

    @property
    def rows(self) -> int:
        """How many rows the parts hold."""
        return sum(part["rows"] for part in self._told)

    @property
    def largest_example_id(self) -> int | None:
        """The largest example id; None if no row has one."""
        found = [part["largest_example_id"] for part in self._told]
        return max((largest for largest in found if largest is not None), default=None)

    def append(self, number: int, rows: pl.DataFrame) -> None:
        """Adds rows as the part of this number.

        Raises:
            OSError: The disk refused it. The parts are as they were.
        """
        largest = None
        if self._keyed:
            largest = cast("int | None", rows[EXAMPLE_ID].max())
            if largest is None or largest <= _INT32_MAX:
                rows = rows.with_columns(pl.col(EXAMPLE_ID).cast(pl.Int32))
            if INPUT_TABLE_ID not in rows.columns:
                rows = rows.with_columns(pl.lit(0, pl.Int32).alias(INPUT_TABLE_ID))
        end = self._write(self._path, self._end, rows)
        self._tell(
            {
                "part": number,
                "end": end,
                "rows": rows.height,
                "largest_example_id": largest,
                "columns": {name: str(dtype) for name, dtype in rows.schema.items()},
            }
        )
        self._types = dict(rows.schema)

    def conform(self) -> dict[str, pl.DataType]:
        """Gives all parts the columns that hold the values of each; returns them."""
        if all(part["columns"] == self._told[0]["columns"] for part in self._told):
            return self._types or dict(self._read(0).schema)
        types: dict[str, pl.DataType] = {}
        for number in range(self.count):
            for name, dtype in self._read(number).schema.items():
                merged = merge(types.get(name, dtype), dtype, strict=False)
                if merged is None:
                    message = f"part {number}: column {name!r} holds {dtype}, not {types[name]}"
                    raise MetricsTableError(f"{self._path}: {message}")
                types[name] = merged
        conformed = self._path.with_name("conformed.parquet")
        ends: list[int] = []
        for number in range(self.count):
            ends.append(
                self._write(conformed, ends[-1] if ends else 0, self._read(number).cast(pl.Schema(types)))
            )
        self._path = conformed
        self._told = [{**part, "end": end} for part, end in zip(self._told, ends, strict=True)]
        return types

    def close(self, entries: Sequence[tuple[str, str]]) -> Path:
        """Makes the parts one Parquet file with these entries in its metadata; returns it."""
        _core.close_parquet(self._path, [part["end"] for part in self._told], entries)
        return self._path

    @property
    def _end(self) -> int:
        return self._told[-1]["end"] if self._told else 0

    def _read(self, number: int) -> pl.DataFrame:
        start = self._told[number - 1]["end"] if number else 0
        with self._path.open("rb") as file:
            file.seek(start)
            return pl.read_parquet(io.BytesIO(file.read(self._told[number]["end"] - start)))

    def _write(self, path: Path, start: int, rows: pl.DataFrame) -> int:
        """Writes a part that begins at `start`; its end."""
        with path.open("ab", buffering=0) as file:
            file.truncate(start)
            rows.write_parquet(
                file,
                compression=cast("ParquetCompression", self._compression),
                compression_level=_ZSTD_LEVEL if self._compression == "zstd" else None,
                row_group_size=max(1, rows.height),
            )
            return os.fstat(file.fileno()).st_size

    def _tell(self, part: dict[str, Any]) -> None:
        size = self._journal.stat().st_size if self._told else 0
        try:
            with self._journal.open("ab") as journal:
                journal.truncate(size)
                journal.write(json.dumps(part).encode() + b"\n")
        except OSError:
            os.truncate(self._journal, size)
            raise
        self._told.append(part)
