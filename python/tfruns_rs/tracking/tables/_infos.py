"""Which metrics tables a run refers to: a small file each, so that any number of ranks need no lock.

metrics_tables/metrics_0000/         a table
metrics_tables/metrics_0000.json     the run refers to it: url, file_size, stream_name, row_count
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

from tfruns_rs import _core
from tfruns_rs.errors import MetricsTableError
from tfruns_rs.tracking.tables._url import Url

if TYPE_CHECKING:
    import os
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
    if checked:
        Path(run, _TABLES).mkdir(exist_ok=True)
    for info in checked:
        url = Url(info["url"]).to_absolute(run)
        if validate and not url.expand().scheme and not Path(url, _TABLE_FILE).is_file():
            raise FileNotFoundError(2, "there is no metrics table", str(url))
        if str(url.expand()) not in known:
            relative = url.to_relative(run)
            # Another process that registers the same table writes the same facts.
            _core.write_atomic(
                Path(run, _TABLES, _name(relative)), json.dumps({**info, "url": str(relative)}).encode()
            )
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
    from tfruns_rs.tracking.tables._table import MetricsTable

    return [
        MetricsTable(path.parent).info(run) for path in sorted(run.glob(f"{_TABLES}/[!.]*/{_TABLE_FILE}"))
    ]


def _name(url: Url) -> str:
    """The file that says the run refers to a table: its own by their names, others with a hash."""
    if url.parts[:-1] == (_TABLES,):
        return f"{url.name}.json"
    return f"{url.name[:100]}-{hashlib.blake2b(str(url).encode(), digest_size=4).hexdigest()}.json"
