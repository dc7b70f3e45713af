"""Writing per-example metrics while a model trains or is evaluated."""

from __future__ import annotations

import os
import threading
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, cast

from tfruns_rs import __version__
from tfruns_rs.errors import MetricsTableError, NoActiveRunError, RunNotFoundError
from tfruns_rs.tracking._url import Url
from tfruns_rs.tracking.tables._batch import Batches
from tfruns_rs.tracking.tables._draft import TABLES, Draft
from tfruns_rs.tracking.tables._foreign import ForeignTable
from tfruns_rs.tracking.tables._infos import MetricTableInfo, update_metrics
from tfruns_rs.tracking.tables._schema import ColumnSchema
from tfruns_rs.tracking.tables._table import MetricsTable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    class RunLike(Protocol):
        """What has a directory of its own."""

        @property
        def url(self) -> Url: ...

    RunUrl = str | os.PathLike[str] | RunLike


class MetricsTableWriter:
    """Writes one metrics table into a run.

    Rows are on disk when `add_batch` returns, so memory does not grow with the table and a killed process
    loses none of them (`recover_tables`). The table itself appears at once and whole, when `finalize` makes
    it. Any number of writers and ranks may write tables of one run at a time; the threads of a process may
    share a writer.

    As a context manager the writer finalizes the table and adds it to the run; after an exception it leaves
    nothing.

    Args:
        run_url: The run, its directory or URL; None for the active run.
        foreign_table_url: The table whose rows `example_id` counts: Parquet, Arrow, CSV or NDJSON, a
            directory of such files, an address in an object store, or another metrics table. Relative to the
            working directory.
        foreign_table_display_name: Its name for people; empty for the last component of its URL.
        column_schemas: What the columns mean and how they are stored, where that is not as it comes: a
            `ColumnSchema`, a mapping of its fields, or a dtype.
        stream_name: The series of tables this one belongs to.
        strict: Whether every batch must have the types of the first one; otherwise numbers widen where
            nothing is lost.
        check_foreign: `range`: an `example_id` beyond the foreign table is refused; `none`: the foreign table
            is not opened.
        compression: How the Parquet file is compressed.

    Raises:
        NoActiveRunError: No run was named and none is active.
        RunNotFoundError: The run's directory does not exist.

    Example:
        >>> import tfruns_rs as tfr
        >>> with tfr.MetricsTableWriter(tfr.unique_run_dir(tmp_path)) as writer:
        ...     writer.add_batch({"loss": [0.1, 0.2], "label": ["cat", "dog"]})
        >>> writer.table.row_count
        2
    """

    def __init__(
        self,
        run_url: RunUrl | None = None,
        foreign_table_url: str | os.PathLike[str] = "",
        foreign_table_display_name: str = "",
        column_schemas: Mapping[str, ColumnSchema | Mapping[str, Any] | Any] | None = None,
        *,
        stream_name: str = "default_stream",
        strict: bool = True,
        check_foreign: Literal["range", "none"] = "range",
        compression: Literal["zstd", "lz4", "snappy", "uncompressed"] = "zstd",
    ) -> None:
        if check_foreign not in {"range", "none"}:
            raise ValueError(f'check_foreign is "range" or "none", not {check_foreign!r}')
        if compression not in {"zstd", "lz4", "snappy", "uncompressed"}:
            raise ValueError(f'compression is "zstd", "lz4", "snappy" or "uncompressed", not {compression!r}')
        self._run_dir = run_directory(run_url)
        self._schemas = {name: ColumnSchema.of(schema) for name, schema in (column_schemas or {}).items()}
        self._check_foreign = check_foreign
        self._foreign_url = Url(foreign_table_url).to_absolute() if Url(foreign_table_url) else None
        self._process = os.getpid()
        self._table: MetricsTable | None = None
        self._state = "open"
        foreign = self._described(self._foreign_url, foreign_table_display_name) if self._foreign_url else {}
        self._batches = Batches(
            self._schemas,
            keyed=bool(foreign),
            foreign_rows=foreign.get("row_count"),
            strict=strict,
        )
        self._facts: dict[str, Any] = {
            "kind": "metrics_table",
            "format_version": 1,
            "written_by": f"tfruns_rs {__version__}",
            "created": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "stream_name": stream_name,
            "columns": {name: schema.to_dict() for name, schema in self._schemas.items()},
            "foreign": foreign,
            "compression": compression,
        }
        self._draft: Draft | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._state != "open":
            return
        if kind is not None:
            self.discard()
            return
        self.finalize(register=True)

    def add_batch(self, metrics_batch: Mapping[str, Any] | Any) -> None:
        """Adds rows; they are on disk when this returns.

        Args:
            metrics_batch: Columns of one length by name: lists, arrays and tensors of any rank of 1 or more,
                Polars or Arrow columns; or a whole Polars frame or Arrow table. A column `example_id` holds
                row numbers of the foreign table, from 0, any number of times and in any order.

        Raises:
            BatchError: The batch can't be written, or its columns or types are not those of the earlier
                batches. The table is as it was before; the next batch may be right.
            OSError: The disk refused it. The table is as it was before.
            RuntimeError: The table was finalized or discarded, or the writer was made by another process.
        """
        self._refuse_in_other_processes()
        with self._lock:
            self._refuse_unless_open()
            if self._draft is not None and self._batches.plain and type(metrics_batch) is dict:
                largest = self._draft.append_columns(cast("dict[str, Any]", metrics_batch))
                if largest is not None:
                    self._batches.count_in(largest)
                    return
            frame, types = self._batches.check(metrics_batch)
            if self._draft is None:
                self._draft = Draft.create(self._run_dir, self._facts)
            self._draft.append(frame, types)
            self._batches.take(frame, types)

    def finalize(self, *, register: bool = False) -> MetricsTable:
        """Makes the table of all batches, in one atomic step.

        Args:
            register: Whether the run refers to the table from now on, as after `Run.update_metrics`.

        Raises:
            ValueError: There was no batch, or a schema names a column that never came, or an example id
                turned out to be beyond the foreign table. Rows that were added are kept, for
                `recover_tables`.
            RuntimeError: It was finalized or discarded before.
        """
        self._refuse_in_other_processes()
        with self._lock:
            self._refuse_unless_open()
            if self._draft is None:
                self._state = "discarded"
                raise MetricsTableError("no batch was added: there is nothing to finalize")
            if missing := sorted(self._schemas.keys() - self._batches.types.keys()):
                raise MetricsTableError(
                    f"column_schemas names {missing}, but the batches have no such column"
                )
            self._check_late_foreign()
            self._table = MetricsTable(self._draft.finish())
            self._state = "finalized"
        if register:
            update_metrics(self._run_dir, self.get_written_metrics_infos())
        return self._table

    def discard(self) -> None:
        """Removes what was written. Nothing of the table is left."""
        self._refuse_in_other_processes()
        with self._lock:
            self._refuse_unless_open()
            self._state = "discarded"
            if self._draft is not None:
                self._draft.discard()

    def get_written_metrics_infos(self) -> list[MetricTableInfo]:
        """What `Run.update_metrics` takes: the table with its URL from the run; nothing before `finalize`."""
        return [] if self._table is None else [self._table.info(self._run_dir)]

    @property
    def table(self) -> MetricsTable:
        """The finalized table.

        Raises:
            RuntimeError: It is not finalized.
        """
        if self._table is None:
            raise RuntimeError("the table is not finalized")
        return self._table

    def _refuse_unless_open(self) -> None:
        if self._state != "open":
            raise RuntimeError(f"the table is {self._state} already")

    def _refuse_in_other_processes(self) -> None:
        """Comes before the lock, which another thread may have held when the process was forked."""
        if os.getpid() != self._process:
            raise RuntimeError("the writer belongs to another process; open one here")

    def _described(self, url: Url, display_name: str) -> dict[str, Any]:
        """The facts about the foreign table."""
        # The way from a name that no table has: it is the same from any, and any may be its end.
        way = url.to_relative(self._run_dir / TABLES / "any")
        facts: dict[str, Any] = {
            "url": str(way),
            "display_name": display_name or (url.name if "*" in url.name else url.stem),
        }
        if self._check_foreign == "range":
            try:
                facts |= ForeignTable(url).fingerprint()
            except FileNotFoundError:
                warnings.warn(
                    f"there is no table at {url} yet; example ids are checked at the end", stacklevel=3
                )
        return facts

    def _check_late_foreign(self) -> None:
        """Checks the example ids against a foreign table that was not there at the start."""
        if (
            self._foreign_url is None
            or self._check_foreign != "range"
            or "row_count" in self._facts["foreign"]
        ):
            return
        try:
            found = ForeignTable(self._foreign_url).fingerprint()
        except FileNotFoundError:
            warnings.warn(
                f"there is no table at {self._foreign_url}; example ids are not checked", stacklevel=3
            )
            return
        largest = self._batches.largest_example_id
        if largest is not None and largest >= found["row_count"]:
            raise MetricsTableError(
                f"example_id {largest} is beyond {self._foreign_url}, which has {found['row_count']} rows"
            )
        if self._draft is not None:
            self._draft.facts["foreign"] |= found


def run_directory(run: RunUrl | None) -> Path:
    """The directory of a run; of the active one for None.

    Raises:
        NoActiveRunError: None, and no run is active.
        RunNotFoundError: It does not exist.
    """
    if run is None:
        from tfruns_rs.tfruns._run_dir import is_run_active, run_dir

        if not is_run_active():
            raise NoActiveRunError("no run is active; name one with run_url, or start one")
        return Path(run_dir()).absolute()
    url = Url(run if isinstance(run, (str, os.PathLike)) else run.url)
    path = Path(url.to_absolute())
    if not path.is_dir():
        raise RunNotFoundError(2, "there is no run", str(path))
    return path


def recover_tables(run: RunUrl | None = None) -> list[MetricsTable]:
    """Makes tables of what killed processes left, with every batch that was added whole.

    Tables that are being written are left alone. The run does not refer to the new tables until
    `Run.update_metrics`.

    Args:
        run: The run, its directory or URL; None for the active run.

    Returns:
        The tables; none if nothing was left.
    """
    tables: list[MetricsTable] = []
    for draft in Draft.abandoned(run_directory(run)):
        if draft.is_empty():
            draft.discard()
        else:
            tables.append(MetricsTable(draft.finish(recovered=True)))
    return tables
