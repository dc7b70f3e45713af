"""A written metrics table: its rows, what is known of them, and the join with what they speak about."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import polars as pl

from tfruns_rs.errors import ForeignKeyError, MetricsTableError
from tfruns_rs.tracking._url import Url
from tfruns_rs.tracking.tables._batch import EXAMPLE_ID
from tfruns_rs.tracking.tables._draft import DATA_FILE, METADATA_KEY, TABLE_FILE
from tfruns_rs.tracking.tables._foreign import ForeignTable, changes, recorded
from tfruns_rs.tracking.tables._schema import ColumnSchema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfruns_rs.tracking.tables._infos import MetricTableInfo

Join = Literal["left", "inner", "right", "full"]

_LARGEST_DESCRIPTION = 16 << 20
_FIRST_ORPHANS = 5
_PARQUET_ENDS = 12  # both marks and the length of the footer


class MetricsTable:
    """Per-example metrics of a run, on disk.

    Args:
        url: The table's directory, or its Parquet file alone, which knows as much.

    Attributes:
        url: Where it is, absolute.
        stream_name: The series of tables it belongs to.
        row_count: How many rows it has.
        created: When its writer was opened, in ISO 8601 and UTC.

    Raises:
        FileNotFoundError: There is nothing.
        MetricsTableError: It is no metrics table.

    Example:
        >>> import polars as pl
        >>> pl.DataFrame({"image": ["a.png", "b.png", "c.png"]}).write_parquet("images.parquet")
        >>> with tfr.MetricsTableWriter(tfr.unique_run_dir(tmp_path), "images.parquet") as writer:
        ...     writer.add_batch({"example_id": [2, 0], "loss": [0.25, 0.5]})
        >>> table = tfr.MetricsTable(writer.table.url)
        >>> table.join_foreign(["image"]).select("image", "loss").collect().rows()
        [('c.png', 0.25), ('a.png', 0.5)]
        >>> table.coverage().filter(pl.col("rows") == 0).collect()["example_id"].to_list()
        [1]
    """

    def __init__(self, url: str | os.PathLike[str]) -> None:
        self.url = Url(url).expand().to_absolute()
        self._directory, self._data = _files(os.fspath(self.url))
        facts = _facts(self._directory, self._data)
        try:
            self.stream_name = str(facts["stream_name"])
            self.row_count = int(facts["row_count"])
            self.created = str(facts["created"])
            self._columns = {str(name): dict(said) for name, said in facts["columns"].items()}
            self._foreign: dict[str, Any] = dict(facts.get("foreign") or {})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MetricsTableError(f"{self.url}: does not describe a metrics table: {error!r}") from error

    def __repr__(self) -> str:
        return f"MetricsTable({str(self.url)!r}, {self.row_count} rows of {', '.join(self._columns)})"

    def __len__(self) -> int:
        return self.row_count

    @property
    def name(self) -> str:
        """The name of its directory."""
        return self._directory.name

    @property
    def columns(self) -> list[str]:
        """The names of its columns."""
        return list(self._columns)

    @property
    def file_size(self) -> int:
        """The size of its data, in bytes."""
        return self._data.stat().st_size

    @property
    def schema(self) -> dict[str, ColumnSchema]:
        """What its columns mean, with the types they are stored in."""
        types = pl.read_parquet_schema(self._data)
        return {name: ColumnSchema.from_dict(said, types.get(name)) for name, said in self._columns.items()}

    def info(self, run_dir: str | os.PathLike[str]) -> MetricTableInfo:
        """How a run refers to it."""
        return {
            "url": str(Url(self._directory).to_relative(run_dir)),
            "file_size": self.file_size,
            "stream_name": self.stream_name,
            "row_count": self.row_count,
        }

    def scan(self) -> pl.LazyFrame:
        """Its rows in the order they were added, lazily."""
        return pl.scan_parquet(self._data, glob=False)

    def read(self) -> pl.DataFrame:
        """Its rows in the order they were added."""
        return self.scan().collect()

    @property
    def foreign_table_url(self) -> Url | None:
        """Where the table is that `example_id` counts in, absolute; None if there is none."""
        stored = self._foreign.get("url")
        if not stored:
            return None
        url = Url(stored).to_absolute(self._directory)
        if url.scheme or url.expand() != url or Path(url).exists():
            return url
        # The way was recorded along symbolic links that are not on the way here.
        return Url(os.path.normpath(self._directory.resolve() / stored))

    @property
    def foreign_table_display_name(self) -> str:
        """The foreign table's name for people; empty if there is none."""
        return str(self._foreign.get("display_name", ""))

    @property
    def foreign_content(self) -> str:
        """A hash of the foreign table's content; empty if there is none or it is unknown."""
        return str(self._foreign.get("content", ""))

    def foreign(self) -> pl.LazyFrame:
        """The rows of the foreign table, in order, lazily.

        Raises:
            MetricsTableError: The table has none.
            FileNotFoundError: It is gone.
        """
        return self._open_foreign().scan()

    def join_foreign(
        self,
        columns: Sequence[str] | None = None,
        *,
        how: Join = "left",
        suffix: str = "_input",
        revision: str | os.PathLike[str] = "recorded",
        validate: bool = True,
    ) -> pl.LazyFrame:
        """Every row with the row of the foreign table that it speaks about, lazily.

        Args:
            columns: The columns of the foreign table to add; None for all.
            how: `left`: all rows in their order; `inner`: without those that have no partner; `right` and
                `full`: with the foreign rows that no row speaks about.
            suffix: Added to foreign columns whose name is taken.
            revision: `recorded`: the foreign table, with a warning if it changed since; `latest`: without
                one; or the place of another table whose rows stand in the same order.
            validate: Whether example ids without a row in the foreign table are an error.

        Raises:
            ForeignKeyError: Example ids beyond the foreign table.
            MetricsTableError: The table has no foreign table.
            FileNotFoundError: The foreign table is gone.
        """
        foreign = self._open_foreign(revision)
        if validate and how in {"left", "full"}:
            self._refuse_orphans(foreign.row_count())
        rows = foreign.scan()
        if columns is not None:
            rows = rows.select(columns)
        names = rows.collect_schema().names()
        if EXAMPLE_ID in names:
            rows = rows.rename({EXAMPLE_ID: EXAMPLE_ID + suffix})
        key = self.scan().collect_schema()[EXAMPLE_ID]
        rows = rows.with_row_index(EXAMPLE_ID).with_columns(pl.col(EXAMPLE_ID).cast(key))
        order: Any = "right_left" if how == "right" else "left_right" if how == "full" else "left"
        return self.scan().join(
            rows, on=EXAMPLE_ID, how=how, suffix=suffix, coalesce=True, maintain_order=order
        )

    def coverage(self) -> pl.LazyFrame:
        """How many rows speak about each row of the foreign table, none included: `example_id`, `rows`.

        A foreign table that changed since is warned of, as by `join_foreign`.
        """
        count = self._open_foreign("recorded").row_count()
        key = self.scan().collect_schema()[EXAMPLE_ID]
        scored = self.scan().group_by(EXAMPLE_ID).agg(pl.len().cast(pl.Int64).alias("rows"))
        every = pl.LazyFrame().select(pl.int_range(count, dtype=pl.Int64).cast(key).alias(EXAMPLE_ID))
        return every.join(scored, on=EXAMPLE_ID, how="left", maintain_order="left").with_columns(
            pl.col("rows").fill_null(0)
        )

    def recorded_foreign(self, largest: int) -> ForeignTable | None:
        """The foreign table if it is a local one of up to so many bytes, and what it was for this one."""
        url = self.foreign_table_url
        return None if url is None else recorded(url, self._foreign, largest)

    def foreign_changes(self) -> str:
        """How the foreign table differs from what it was for this one; empty if it does not."""
        return changes(self._foreign, self._open_foreign("latest").fingerprint())

    def _open_foreign(self, revision: str | os.PathLike[str] = "latest") -> ForeignTable:
        url = self.foreign_table_url
        if url is None:
            raise MetricsTableError(f"{self.url} has no foreign table")
        if revision not in ("recorded", "latest"):
            return ForeignTable(Url(revision))
        if revision == "latest":
            return ForeignTable(url)
        foreign = ForeignTable(url, self._foreign.get("files"))
        changed = changes(self._foreign, foreign.fingerprint())
        if changed:
            warnings.warn(
                f"the foreign table {url} changed since {self.name} was written: {changed}", stacklevel=3
            )
        return foreign

    def _refuse_orphans(self, count: int) -> None:
        largest = self._foreign.get("largest_example_id")
        if largest is not None and int(largest) < count:
            return
        orphans = self.scan().filter(pl.col(EXAMPLE_ID) >= count).select(EXAMPLE_ID).collect()[EXAMPLE_ID]
        if not orphans.is_empty():
            first = tuple(
                cast("list[int]", orphans.unique(maintain_order=True).head(_FIRST_ORPHANS).to_list())
            )
            error = ForeignKeyError(
                f"{len(orphans)} rows of {self.name} are about rows beyond the foreign table's {count}: "
                f"{', '.join(map(str, first))}{', …' if len(orphans) > len(first) else ''}"
            )
            error.count, error.example_ids = len(orphans), first
            raise error


def _files(path: str) -> tuple[Path, Path]:
    """The table's directory, and its data."""
    place = Path(path)
    if place.is_dir():
        return place, place / DATA_FILE
    return place.parent, place


def _facts(directory: Path, data: Path) -> dict[str, Any]:
    """What is known of a table: its description, or the copy of it that the data carries."""
    description = directory / TABLE_FILE
    try:
        if description.is_file() and data.name == DATA_FILE:
            if description.stat().st_size > _LARGEST_DESCRIPTION:
                raise MetricsTableError(f"{description}: too large for what it should be")
            return _mapping(json.loads(description.read_bytes()))
        if data.is_file() and data.stat().st_size >= _PARQUET_ENDS:
            return _mapping(json.loads(pl.read_parquet_metadata(data)[METADATA_KEY]))
    except (ValueError, KeyError, pl.exceptions.PolarsError) as error:
        raise MetricsTableError(f"{directory}: no metrics table: {error}") from error
    raise FileNotFoundError(
        2, "there is no metrics table", str(directory if data.name == DATA_FILE else data)
    )


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("its description is no object")  # noqa: TRY004 - the text is at fault
    return cast("dict[str, Any]", value)
