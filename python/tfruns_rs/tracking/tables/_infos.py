"""The metrics tables that a run refers to, as `run.json` says: each writer adds its own, under a lock."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

from tfruns_rs.errors import MetricsTableError
from tfruns_rs.tfruns import _record
from tfruns_rs.tracking._url import Url

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

_INFOS = "metric_infos"
_TABLES = "metrics_tables"
_TABLE_FILE = "table.json"


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
    """The metrics tables that a run refers to, in the order in which they were added.

    Raises:
        MetricsTableError: The run's record says something else than it should.
    """
    stored = _record.read(str(Url(run_dir))).get(_INFOS, [])
    if not isinstance(stored, list):
        raise MetricsTableError(f"{run_dir}: the list of metrics tables is none")
    return [_checked(info) for info in cast("list[Any]", stored)]


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
    run = Url(run_dir).expand().to_absolute()
    fresh: list[MetricTableInfo] = []
    for info in _inside(Path(run)) if infos is None else infos:
        url = Url(str(info["url"]) if "url" in info else "").to_absolute(run)
        if validate and not url.expand().scheme and not Path(url, _TABLE_FILE).is_file():
            raise FileNotFoundError(2, "there is no metrics table", str(url))
        fresh.append(_checked({**info, "url": str(url.to_relative(run))}))

    def add(record: dict[str, Any]) -> None:
        present = record.setdefault(_INFOS, [])
        known = {info["url"] for info in present}
        for info in fresh:
            if info["url"] not in known:
                known.add(info["url"])
                present.append(info)

    Path(run, _record.META_DIR).mkdir(exist_ok=True)
    _record.update(str(run), add)


def _checked(info: Any) -> MetricTableInfo:
    try:
        return {
            "url": str(info["url"]),
            "file_size": int(info["file_size"]),
            "stream_name": str(info["stream_name"]),
            "row_count": int(info["row_count"]),
        }
    except KeyError as error:
        raise MetricsTableError(f"the description of a metrics table lacks {error}") from error
    except (TypeError, ValueError) as error:
        raise MetricsTableError(f"{info!r} does not describe a metrics table") from error


def _inside(run: Path) -> list[MetricTableInfo]:
    """The descriptions of all whole tables in a run's directory."""
    from tfruns_rs.tracking.tables._table import MetricsTable

    return [
        MetricsTable(path.parent).info(run) for path in sorted(run.glob(f"{_TABLES}/[!.]*/{_TABLE_FILE}"))
    ]
