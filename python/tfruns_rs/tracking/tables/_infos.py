"""Which metrics tables a run refers to: one small file a table, so that any number of ranks register without
a lock.

metrics_tables/metrics_0000/         a table
metrics_tables/metrics_0000.json     the run refers to it: url, file_size, stream_name, row_count
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

from tfruns_rs.errors import MetricsTableError
from tfruns_rs.tracking.tables._url import Url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TABLES = "metrics_tables"
_TABLE_FILE = "table.json"
_LARGEST_INFO = 1 << 20


class MetricTableInfo(TypedDict):
    """What a run knows of one of its metrics tables.

    Attributes:
        url: Where it is, from the run's directory.
        file_size: The size of its data, in bytes.
        stream_name: The series of tables it belongs to.
        row_count: How many rows it has.
    """

    url: str
    file_size: int
    stream_name: str
    row_count: int


def metric_infos(run_dir: str | os.PathLike[str]) -> list[MetricTableInfo]:
    """The metrics tables that a run refers to, in the order of their names."""
    infos: list[MetricTableInfo] = []
    for path in sorted(Path(run_dir, _TABLES).glob("[!.]*.json")):
        if path.stat().st_size > _LARGEST_INFO:
            raise MetricsTableError(f"{path}: too large for what it should be")
        try:
            infos.append(_checked(json.loads(path.read_bytes())))
        except (ValueError, TypeError, KeyError) as error:
            raise MetricsTableError(f"{path}: does not describe a metrics table: {error}") from error
    return infos


def update_metrics(
    run_dir: str | os.PathLike[str],
    infos: Iterable[Mapping[str, object]] | None = None,
    *,
    validate: bool = True,
) -> None:
    """Lets a run refer to metrics tables; those it refers to already stay as they are.

    Args:
        run_dir: The run's directory.
        infos: What `MetricsTableWriter.get_written_metrics_infos` returned, URLs absolute or from the run;
            None for all tables inside the run.
        validate: Whether the tables must exist.

    Raises:
        FileNotFoundError: A table does not exist.
        MetricsTableError: An info lacks a field.
    """
    run = Url(run_dir).to_absolute()
    checked = [_checked(info) for info in (_inside(Path(run)) if infos is None else infos)]
    known = {str((run / info["url"]).expand()) for info in metric_infos(run_dir)}
    for info in checked:
        url = Url(info["url"]).to_absolute(run)
        if validate and not url.expand().scheme and not Path(url, _TABLE_FILE).is_file():
            raise FileNotFoundError(2, "there is no metrics table", str(url))
        if str(url.expand()) not in known:
            relative = url.to_relative(run)
            _create(Path(run, _TABLES, _name(relative)), {**info, "url": str(relative)})
            known.add(str(url.expand()))


def _checked(info: Mapping[str, object]) -> MetricTableInfo:
    try:
        return {
            "url": str(info["url"]),
            "file_size": int(cast("int", info["file_size"])),
            "stream_name": str(info["stream_name"]),
            "row_count": int(cast("int", info["row_count"])),
        }
    except KeyError as error:
        raise MetricsTableError(f"the description of a metrics table lacks {error}") from error


def _inside(run: Path) -> list[MetricTableInfo]:
    """The descriptions of all whole tables in a run's directory."""
    from tfruns_rs.tracking.tables._table import MetricsTable  # noqa: PLC0415 - reads tables, and so needs
    polars

    return [
        MetricsTable(path.parent).info(run) for path in sorted(run.glob(f"{_TABLES}/[!.]*/{_TABLE_FILE}"))
    ]


def _name(url: Url) -> str:
    """The file that says the run refers to a table: its own by their names, others with a hash."""
    if url.parts[:-1] == (_TABLES,):
        return f"{url.name}.json"
    return f"{url.name[:100]}-{hashlib.blake2b(str(url).encode(), digest_size=4).hexdigest()}.json"


def _create(path: Path, info: MetricTableInfo) -> None:
    """Writes the file whole, unless it is there."""
    path.parent.mkdir(exist_ok=True)
    made = path.with_name(f".{path.stem}-{secrets.token_hex(4)}.made")
    with made.open("x", encoding="utf-8") as file:
        file.write(json.dumps(info) + "\n")
    made.replace(path)  # another process that registers the same table writes the same facts
