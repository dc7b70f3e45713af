"""A table in the making: a hidden directory beside the tables of a run, renamed when the table is whole.

    metrics_tables/.metrics_0000/        the draft; only its owner holds the lock on draft.json
        draft.json                       what the table will be: foreign table, schemas, stream name
        000000.parquet                   rows that fill a part, as Parquet
        000001.arrows                    rows since then, as they came
    metrics_tables/metrics_0000/         the table
        data.parquet  table.json

The number is taken by making the draft's directory, which one process alone can do. Rows are on disk when
`append` returns; a part is compressed by a thread while the next ones come. Of a draft whose owner was killed
every whole batch is left, and `finish` makes a table of it as of any other.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import polars as pl

from tfruns_rs import _core
from tfruns_rs.errors import MetricsTableError
from tfruns_rs.tracking.tables._batch import EXAMPLE_ID, INPUT_TABLE_ID, merge
from tfruns_rs.tracking.tables._schema import ColumnSchema, known_schema
from tfruns_rs.tracking.tables._spill import Spill, read_torn

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from polars._typing import ParquetCompression

TABLES = "metrics_tables"
TABLE_FILE = "table.json"
DATA_FILE = "data.parquet"
METADATA_KEY = "tfruns_rs.metrics_table"
_DRAFT_FILE = "draft.json"
_NUMBER = "[0-9]" * 6
_PART_BYTES = 16 << 20
_ZSTD_LEVEL = 1  # a third less time than Polars' own 3, for files of nearly the same size
_INT32_MAX = 2**31 - 1


class Draft:
    """A metrics table that is being written.

    Attributes:
        facts: What is known of the table from the start; becomes part of its `table.json`.
        path: Where the table will be.
    """

    def __init__(self, hidden: Path, facts: dict[str, Any], lock: int) -> None:
        self.facts = facts
        self.path = hidden.with_name(hidden.name.removeprefix("."))
        self._hidden = hidden
        self._lock = lock
        self._types: dict[str, pl.DataType] = {}
        self._part = 0
        self._spill: Spill | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="metrics-table")
        self._compressing: Future[None] | None = None

    @classmethod
    def create(cls, run_dir: Path, facts: dict[str, Any]) -> Draft:
        """A new draft in a run's directory, under the first free number."""
        tables = run_dir / TABLES
        hidden = _reserve(tables)
        lock = os.open(hidden / _DRAFT_FILE, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        _lock(lock)
        os.write(lock, json.dumps(facts).encode())
        return cls(hidden, facts, lock)

    @classmethod
    def abandoned(cls, run_dir: Path) -> list[Draft]:
        """The drafts of a run that nobody writes any more, locked so that nobody else takes them."""
        drafts: list[Draft] = []
        for hidden in sorted((run_dir / TABLES).glob(".metrics_*")):
            try:
                lock = os.open(hidden / _DRAFT_FILE, os.O_RDWR)
            except FileNotFoundError:
                continue
            if not _lock(lock):
                os.close(lock)
                continue
            try:
                facts = json.loads((hidden / _DRAFT_FILE).read_bytes())
            except ValueError:  # killed in its first instant: there are no rows
                os.close(lock)
                shutil.rmtree(hidden)
                continue
            draft = cls(hidden, facts, lock)
            draft._restore()
            drafts.append(draft)
        return drafts

    def append(self, frame: pl.DataFrame, types: Mapping[str, pl.DataType]) -> None:
        """Stores rows with columns of these types."""
        if types != self._types or (self._spill and self._spill.size >= _PART_BYTES):
            self._next_part()
        if self._spill is None:
            self._spill = Spill(self._at(self._part, "arrows"))
        self._spill.append(frame)
        self._types = dict(types)

    def finish(self, **facts: Any) -> Path:
        """Makes the table; the draft is gone. Returns the table's directory.

        Args:
            facts: What is known of the table only now.
        """
        if not (self._hidden / TABLE_FILE).exists():
            self._next_part()
            self._wait()
            self._make_table({**self.facts, **facts})
        for leftover in self._hidden.iterdir():
            if leftover.name not in {TABLE_FILE, DATA_FILE, _DRAFT_FILE}:
                leftover.unlink()
        self._hidden.rename(self.path)
        (self.path / _DRAFT_FILE).unlink()  # last: until here it tells that there is something to recover
        self._release()
        return self.path

    def discard(self) -> None:
        """Removes all of it."""
        if self._spill is not None:
            self._spill.close()
        self._wait()
        shutil.rmtree(self._hidden)
        with contextlib.suppress(OSError):  # other tables are there
            self._hidden.parent.rmdir()
        self._release()

    def _release(self) -> None:
        self._thread.shutdown()
        os.close(self._lock)

    def _at(self, part: int, suffix: str) -> Path:
        return self._hidden / f"{part:06}.{suffix}"

    def _next_part(self) -> None:
        """Ends the part that is being filled and leaves it to the thread."""
        if self._spill is None:
            return
        self._spill.close()
        self._spill = None
        self._wait()  # so that at most one part is in memory
        with contextlib.suppress(RuntimeError):  # the interpreter is ending: `finish` compresses what is left
            self._compressing = self._thread.submit(self._compress, self._part)
        self._part += 1

    def _wait(self) -> None:
        if self._compressing is not None:
            # A failure left the spill where it was; `finish` compresses it again and raises what it meets.
            self._compressing.exception()
            self._compressing = None

    def _compress(self, part: int) -> None:
        spill = self._at(part, "arrows")
        self._write_part(part, pl.read_ipc_stream(spill))
        spill.unlink()

    def _write_part(self, part: int, rows: pl.DataFrame) -> None:
        if self.facts.get("foreign"):
            if not rows.height or cast("int", rows[EXAMPLE_ID].max()) <= _INT32_MAX:
                rows = rows.with_columns(pl.col(EXAMPLE_ID).cast(pl.Int32))
            if INPUT_TABLE_ID not in rows.columns:
                rows = rows.with_columns(pl.lit(0, pl.Int32).alias(INPUT_TABLE_ID))
        self._write_parquet(self._at(part, "parquet"), rows)

    def _write_parquet(self, path: Path, rows: pl.DataFrame) -> None:
        made = path.with_suffix(".made")
        rows.write_parquet(
            made,
            compression=cast("ParquetCompression", self.facts["compression"]),
            compression_level=_ZSTD_LEVEL if self.facts["compression"] == "zstd" else None,
            row_group_size=max(1, rows.height),
        )
        made.rename(path)

    def _restore(self) -> None:
        """Makes parts of all spills that a killed owner left."""
        for spill in sorted(self._hidden.glob(f"{_NUMBER}.arrows")):
            part = int(spill.stem)
            rows = None if self._at(part, "parquet").exists() else read_torn(spill)
            if rows is not None:
                self._write_part(part, rows)
            spill.unlink()

    def is_empty(self) -> bool:
        """Whether nothing was appended."""
        return not any(self._hidden.glob(f"{_NUMBER}.*")) and not (self._hidden / TABLE_FILE).exists()

    def _make_table(self, facts: dict[str, Any]) -> None:
        for spill in sorted(self._hidden.glob(f"{_NUMBER}.arrows")):
            self._compress(int(spill.stem))
        parts = sorted(self._hidden.glob(f"{_NUMBER}.parquet"))
        types = self._conform(parts)
        rows = pl.scan_parquet(parts, glob=False)
        facts = {**facts, **_counted(rows, facts.get("foreign")), "columns": _described(types, facts)}
        facts.pop("compression")
        data = self._hidden / DATA_FILE
        _core.concat_parquet(parts, data, [(METADATA_KEY, json.dumps(facts))])
        _core.write_atomic(self._hidden / TABLE_FILE, (json.dumps(facts, indent=2) + "\n").encode())

    def _conform(self, parts: list[Path]) -> dict[str, pl.DataType]:
        """Gives all parts the columns that hold the values of each; returns them."""
        if not parts:
            raise MetricsTableError(f"{self._hidden}: there are no rows")
        schemas = [dict(pl.read_parquet_schema(part)) for part in parts]
        types = dict(schemas[0])
        for part, schema in zip(parts[1:], schemas[1:], strict=True):
            for name, dtype in types.items():
                merged = merge(dtype, schema[name], strict=False)
                if merged is None:
                    raise MetricsTableError(f"{part}: column {name!r} holds {schema[name]}, not {dtype}")
                types[name] = merged
        for part, schema in zip(parts, schemas, strict=True):
            if schema != types:
                self._write_parquet(part, pl.read_parquet(part, glob=False).cast(pl.Schema(types)))
        return types


def _reserve(tables: Path) -> Path:
    """Makes the hidden directory of the first free number."""
    number = 0
    while True:
        hidden = tables / f".metrics_{number:04}"
        number += 1
        if (tables / hidden.name[1:]).exists():
            continue
        try:
            hidden.mkdir(parents=True)
        except FileExistsError:
            continue
        if not (tables / hidden.name[1:]).exists():
            return hidden
        hidden.rmdir()  # another draft became a table between the look and the making


def _lock(file: int) -> bool:
    """Takes the lock on an open file unless another process has it; the system drops it with the process."""
    try:
        import fcntl
    except (
        ImportError
    ):  # pragma: no cover - Windows keeps open files from being removed, which protects as well
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _counted(rows: pl.LazyFrame, foreign: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the rows themselves tell: their number, and the largest example id."""
    wanted = [pl.len().alias("row_count")]
    if foreign:
        wanted.append(pl.col(EXAMPLE_ID).max().alias("largest"))
    found = rows.select(wanted).collect().row(0, named=True)
    facts: dict[str, Any] = {"row_count": found["row_count"]}
    if foreign:
        facts["foreign"] = {**foreign, "largest_example_id": found["largest"]}
    return facts


def _described(types: Mapping[str, pl.DataType], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of the table with all that is said of them."""
    columns: dict[str, Any] = {}
    for name, dtype in types.items():
        schema = ColumnSchema.from_dict(facts["columns"].get(name, {})).over(known_schema(name))
        if name == INPUT_TABLE_ID and facts.get("foreign") and not schema.value_map:
            foreign = facts["foreign"]
            label = {"name": foreign["display_name"], "url": foreign["url"]}
            schema = ColumnSchema(value_map={0: label}).over(schema)
        columns[name] = {"dtype": str(dtype), **schema.to_dict()}
    return columns
