"""A table in the making: a hidden directory beside the tables of a run, renamed when the table is whole.

    metrics_tables/.metrics_0000/        the draft; only its owner holds the lock on draft.json
        draft.json                       what the table will be: foreign table, schemas, stream name
        parts.parquet  parts.ndjson      rows that fill parts, as Parquet, and where each part ends
        000001.arrows                    rows since then, as they came
        000000.spare                     a file for such rows to come; what it holds is a part already
    metrics_tables/metrics_0000/         the table
        data.parquet  table.json

The number is taken by making the draft's directory, which one process alone can do. Rows are on disk when
`append` returns; a part is compressed in the background while the next ones come. Of a draft whose owner was
killed every whole batch is left, and `finish` makes a table of it as of any other: once `data.parquet` is
there it is whole and tells what belongs into `table.json`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import polars as pl

from tfruns_rs import _core
from tfruns_rs.errors import MetricsTableError
from tfruns_rs.tracking.tables._batch import EXAMPLE_ID, INPUT_TABLE_ID
from tfruns_rs.tracking.tables._parts import Parts
from tfruns_rs.tracking.tables._schema import ColumnSchema, known_schema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future
    from pathlib import Path

TABLES = "metrics_tables"
TABLE_FILE = "table.json"
DATA_FILE = "data.parquet"
METADATA_KEY = "tfruns_rs.metrics_table"
_DRAFT_FILE = "draft.json"
_NUMBER = "[0-9]" * 6
_PART_BYTES = 16 << 20
_END_MARK = b"\xff\xff\xff\xff\0\0\0\0"  # of an Arrow stream
_LARGEST_SPARE = 4 * _PART_BYTES
_IN_WORK = 2  # one part is decoded while the one before it is compressed


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
        self._keyed = bool(facts["foreign"])
        self._foreign_rows: int | None = facts["foreign"].get("row_count")
        self._types: Mapping[str, pl.DataType] = {}
        self._like = pl.DataFrame()
        self._is_odd = False
        self._parts = Parts(hidden, facts["compression"], keyed=self._keyed)
        self._part = 0
        self._log: _core.BatchLog | None = None
        self._before: _core.BatchLog | None = None
        self._spares: list[Path] = []
        self._threads = ThreadPoolExecutor(_IN_WORK, thread_name_prefix="metrics-table")
        self._in_work: list[Future[None]] = []

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
        if types == self._types:
            self._open_log().append(self._crossing(frame))
            return
        self._next_part()
        before = self._types, self._like, self._is_odd
        self._types, self._like = types, frame.clear()
        self._is_odd = any(map(_is_odd, types.values()))
        try:
            self._open_log().append(self._crossing(frame))
        except BaseException:
            self._types, self._like, self._is_odd = before
            if self._log is not None:
                self._log = None
                self._log_of(self._part).unlink()
            raise

    def append_columns(self, columns: dict[str, Any]) -> int | None:
        """Stores columns that are as those of the last `append`, without the way through a frame.

        Returns:
            The largest example id, -1 if there is none; None if the columns are not as the others and nothing
            was stored.
        """
        if not self._types:
            return None
        key = EXAMPLE_ID if self._keyed else None
        return self._open_log().append_columns(columns, key, self._foreign_rows)

    def _open_log(self) -> _core.BatchLog:
        if self._log is not None and self._log.size >= _PART_BYTES:
            self._next_part()
        if self._log is None:
            spare = self._spares.pop() if self._spares else None
            like = self._crossing(self._like)
            self._log = _core.BatchLog(self._log_of(self._part), self._part, like, spare, self._before)
        return self._log

    def _crossing(self, frame: pl.DataFrame) -> pl.DataFrame | bytes:
        """A frame as the core takes it."""
        if not self._is_odd:
            return frame
        data = io.BytesIO()
        frame.write_ipc_stream(data)
        return data.getvalue()

    def finish(self, **facts: Any) -> Path:
        """Makes the table; the draft is gone. Returns the table's directory.

        Args:
            facts: What is known of the table only now.
        """
        if not (self._hidden / DATA_FILE).exists():
            self._next_part()
            self._wait()
            self._make_data({**self.facts, **facts})
        if not (self._hidden / TABLE_FILE).exists():
            table = json.loads(pl.read_parquet_metadata(self._hidden / DATA_FILE)[METADATA_KEY])
            text = json.dumps(table, indent=2) + "\n"
            _core.write_atomic(self._hidden / TABLE_FILE, text.encode())
        for leftover in self._hidden.iterdir():
            if leftover.name not in {TABLE_FILE, DATA_FILE, _DRAFT_FILE}:
                leftover.unlink()
        self._hidden.rename(self.path)
        (self.path / _DRAFT_FILE).unlink()  # last: until here it tells that there is something to recover
        self._release()
        return self.path

    def discard(self) -> None:
        """Removes all of it."""
        self._log = None
        self._wait()
        shutil.rmtree(self._hidden)
        with contextlib.suppress(OSError):  # other tables are there
            self._hidden.parent.rmdir()
        self._release()

    def _release(self) -> None:
        self._threads.shutdown()
        os.close(self._lock)

    def _log_of(self, part: int) -> Path:
        return self._hidden / f"{part:06}.arrows"

    def _logs(self) -> list[Path]:
        return sorted(self._hidden.glob(f"{_NUMBER}.arrows"))

    def _read(self, part: int) -> pl.DataFrame | None:
        """The whole batches of a log; None if there are none."""
        data = self._log_of(part).read_bytes()
        end = _core.batch_log_end(data, part)
        return pl.read_ipc_stream(data[:end] + _END_MARK) if end else None

    def _next_part(self) -> None:
        """Ends the part that is being filled and leaves it to the threads."""
        if self._log is None:
            return
        while len(self._in_work) >= _IN_WORK:  # so that memory stays bounded
            self._in_work.pop(0).exception()
        log = self._before = self._log
        self._log = None
        if not log.size:  # the disk refused its first batch
            self._log_of(self._part).unlink()
            return
        before = self._in_work[-1] if self._in_work else None
        with contextlib.suppress(RuntimeError):  # the interpreter is ending
            self._in_work.append(
                self._threads.submit(self._compress, self._part, None if self._is_odd else log, before)
            )
        self._part += 1

    def _wait(self) -> None:
        """Waits until nothing is in work.

        A failure left the log where it was; `finish` compresses it again and raises what it meets.
        """
        while self._in_work:
            self._in_work.pop(0).exception()

    def _compress(self, part: int, log: _core.BatchLog | None, before: Future[None] | None) -> None:
        rows = self._read(part) if log is None else pl.DataFrame(log.close())
        if before is not None:
            before.exception()
        if (
            rows is not None and part == self._parts.following
        ):  # parts stand in order: behind one that failed there is none
            self._store(part, rows)

    def _store(self, part: int, rows: pl.DataFrame) -> None:
        self._parts.append(part, rows)
        log = self._log_of(part)
        if log.stat().st_size > _LARGEST_SPARE:
            log.unlink()
        else:  # to be written over: half of the work of a new file
            self._spares.append(log.replace(log.with_suffix(".spare")))

    def _restore(self) -> None:
        """Makes parts of all logs that a killed owner left."""
        if (self._hidden / DATA_FILE).exists():
            return
        self._parts.restore()
        for log in self._logs():
            part = int(log.stem)
            rows = None if part < self._parts.following else self._read(part)
            if rows is not None:
                self._parts.append(part, rows)
            log.unlink()

    def is_empty(self) -> bool:
        """Whether nothing was appended."""
        return not (self._parts.count or self._logs() or (self._hidden / DATA_FILE).exists())

    def _make_data(self, facts: dict[str, Any]) -> None:
        for log in self._logs():
            part = int(log.stem)
            rows = self._read(part)
            if rows is not None:
                self._store(part, rows)
        if not self._parts.count:
            raise MetricsTableError(f"{self._hidden}: there are no rows")
        types = self._parts.conform()
        facts = {**facts, "row_count": self._parts.rows, "columns": _described(types, facts)}
        if facts.get("foreign"):
            facts["foreign"] = {**facts["foreign"], "largest_example_id": self._parts.largest_example_id}
        facts.pop("compression")
        self._parts.close([(METADATA_KEY, json.dumps(facts))]).rename(self._hidden / DATA_FILE)


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


def _is_odd(dtype: Any) -> bool:
    """Whether it does not cross Arrow's C interface as Polars hands it over: columns of nulls alone."""
    if isinstance(dtype, pl.Struct):
        return any(_is_odd(field.dtype) for field in dtype.fields)
    if isinstance(dtype, (pl.List, pl.Array)):
        return _is_odd(dtype.inner)
    return dtype == pl.Null


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
