"""What was made from what: the edges between runs and all that they were told to have read and made."""

from __future__ import annotations

import html
import json
import os
from typing import TYPE_CHECKING, Any

from tfruns_rs.errors import LogdirNotFoundError
from tfruns_rs.tfruns import _record
from tfruns_rs.tfruns._options import runs_dir_or_option
from tfruns_rs.tracking import _associations
from tfruns_rs.tracking._login import current_login
from tfruns_rs.tracking._nodes import ROOT
from tfruns_rs.tracking._upload import node_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    PathLike = str | os.PathLike[str]

COLUMNS = ("from_kind", "from", "to_kind", "to", "role", "time")


def lineage(runs_dir: PathLike | None = None, *, remote: bool = False) -> pl.DataFrame:
    """The edges of all runs of a directory, or of the destination of `login()`.

    Args:
        runs_dir: Where the runs are; by default the option `runs_dir`.
        remote: Whether to read the destination's edges instead.

    Returns:
        A row an edge, from what was read or did the making to what came of it: `from_kind, from, to_kind,
        to`, `role` ("input" or "output"), `time` (of the run's start, at a destination of the edge). Runs and
        artifacts are named by their alternative names, everything else by its path. `mermaid(frame)` draws
        it.

    Raises:
        LogdirNotFoundError: There is no such directory.

    Examples:
        >>> import tfruns_rs as tfr
        >>> with tfr.create_run(name="mnist", runs_dir=tmp_path) as run:
        ...     run.mark_input(tfr.Url("s3://data/digits.parquet"))
        >>> tfr.lineage(tmp_path).height
        1
    """
    import polars as pl

    rows = sorted(set(_of_destination() if remote else _of_runs(runs_dir_or_option(runs_dir))))
    return pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")


def _of_runs(root: str) -> Iterator[tuple[str, ...]]:
    try:
        directories = [entry.path for entry in os.scandir(root) if entry.is_dir()]
    except FileNotFoundError:
        raise LogdirNotFoundError(f"there is no directory {root}") from None
    for directory in directories:
        record = _record.read(directory)
        run = ("Run", str(record.get("alternative_name", "")))
        for role in _associations.ROLES:
            for entry in record.get("associations", {}).get(role, []):
                other = (str(entry.get("kind", "")), str(entry.get("name") or entry.get("path", "")))
                ends = other + run if role == "input" else run + other
                yield (*ends, role, str(record.get("start_timestamp", "")))


def _of_destination() -> Iterator[tuple[str, ...]]:
    destination = current_login().destination
    if destination is None:
        return
    for name in destination.names(f"{ROOT}/graph"):
        try:
            edge: dict[str, Any] = json.loads(destination.read(f"{ROOT}/graph/{name}"))
            ends = [(end["kind"], _shown(end)) for end in (edge["from"], edge["to"])]
            yield (*map(str, (*ends[0], *ends[1], edge["role"], edge["time"])),)
        except (ValueError, KeyError, TypeError, FileNotFoundError):
            continue  # an edge cut short by a crash


def _shown(end: dict[str, str]) -> str:
    """A run's or artifact's identity; the path of anything else, whose identity is a digest of it."""
    return end["path"] if end["id"] == node_id({"path": end["path"]}) else end["id"]


def mermaid(edges: pl.DataFrame) -> str:
    """A graph of the edges as Mermaid draws it, left to right.

    Args:
        edges: What `lineage()` returns, or some of its rows.
    """
    nodes: dict[tuple[str, str], str] = {}
    lines: list[str] = []
    for from_kind, source, to_kind, target, *_ in edges.select(COLUMNS).iter_rows():
        for node in ((from_kind, source), (to_kind, target)):
            if node not in nodes:
                nodes[node] = f"n{len(nodes)}"
                opened, closed = ("([", "])") if node[0] == "Run" else ("[", "]")
                lines.append(f'  {nodes[node]}{opened}"{_escaped(node[1])}"{closed}')
        lines.append(f"  {nodes[from_kind, source]} --> {nodes[to_kind, target]}")
    return "\n".join(["flowchart LR", *lines]) + "\n"


def _escaped(text: str) -> str:
    """Text as Mermaid takes it inside quotes.

    Its own entities (`#34;`) show as they are in some versions, those of HTML in none. A space of no width
    keeps `#` from beginning an entity, and a backtick from beginning Markdown.
    """
    text = html.escape(" ".join(text.split()), quote=False).replace('"', "&quot;")
    return text.replace("#", "#\u200b").replace("`", "\u200b`")
