"""`metrics.json` as a projection of a run's events, for R and for listings; the events are the truth.

One row an epoch where the events tell theirs, else one a step, thinned to at most 500 rows; the column
`epoch` says which. `train/loss` becomes `loss`, `val/loss` becomes `val_loss`, anything else its path with
underscores; the date and host by which torch names a directory are left out, so that runs share a column.
Of a series that several ranks logged apart (`train@host-1`), that of the first rank stands for all.
Columns that a user wrote by `write_run_metadata("metrics", …)` are kept as they are.
"""

from __future__ import annotations

import os
import re
import threading
import time
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs import _core
from tfruns_rs.tfevents._lifecycle import flush
from tfruns_rs.tfruns import _json, _record
from tfruns_rs.tfruns._run_metadata import META_DIR, PROJECTED, aligned

if TYPE_CHECKING:
    import polars as pl

MAX_ROWS = 500
INTERVAL_SECS = 10.0
_TRAINING = {"train", "training"}
_VALIDATION = {"val", "valid", "validation", "eval"}
_TORCH_DEFAULT = re.compile(r"[^\W\d_]+\d\d_\d\d-\d\d-\d\d_.+")
"""What `SummaryWriter()` calls its directory: `Nov21_07-07-03_host`."""
_projected: dict[str, tuple[Any, ...]] = {}


def project_metrics(run_dir: str) -> bool:
    """Brings `metrics.json` up to the run's events; returns whether it was written."""
    logs = f"{run_dir}/logs"
    with suppress(OSError):
        flush()
    state = _state(logs)
    if not state or _projected.get(run_dir) == state:
        return False
    columns = _columns(logs, state)
    if not columns:
        return False
    meta = f"{run_dir}/{META_DIR}"
    marker = f"{meta}/{PROJECTED}"
    found = _record.read_json(f"{meta}/metrics.json")
    before = _record.load(marker)
    ours = set(cast("list[str]", before)) if isinstance(before, list) else set[str]()
    theirs = {
        name: cast("list[Any]", values)
        for name, values in found.items()
        if name not in ours and isinstance(values, list)
    }
    added = {name: values for name, values in columns.items() if name not in theirs}
    if theirs and set(added) <= {"epoch"}:
        added = {}
    if theirs and "epoch" in added and len(next(iter(theirs.values()))) != len(added["epoch"]):
        del added["epoch"]
    _core.write_atomic(marker, _marker(added))
    _core.write_atomic(f"{meta}/metrics.json", _json.dumps(aligned({**added, **theirs})))
    _projected[run_dir] = state
    return True


def _marker(names: dict[str, Any]) -> bytes:
    import json

    return json.dumps(list(names)).encode()


def _state(logs: str) -> tuple[Any, ...]:
    """What changes when event files grow."""
    files: list[tuple[str, int]] = []
    for folder, _, names in os.walk(logs):
        for name in names:
            if "tfevents" in name:
                path = os.path.join(folder, name)  # noqa: PTH118 - texts stay as given
                with suppress(OSError):
                    files.append((path, os.path.getsize(path)))  # noqa: PTH202
    return tuple(sorted(files))


def _columns(logs: str, state: tuple[Any, ...]) -> dict[str, list[Any]]:
    import polars as pl

    from tfruns_rs.tfevents._read import collect_events

    apart = any("@" in path for path, _ in state)
    events = collect_events(logs, type="scalar", on_corrupt="skip", columns=["source"] if apart else ())
    if events.is_empty():
        return {}
    if apart:
        events = _first_rank(events)
    names = metric_names(events.select("run", "tag").unique(maintain_order=True).rows())
    if not names:
        return {}
    pairs = pl.DataFrame(
        [(run, tag, name) for (run, tag), name in names.items()], schema=["run", "tag", "name"], orient="row"
    )
    events = events.sort("step", "wall_time", maintain_order=True)
    events = events.join(pairs, on=["run", "tag"], maintain_order="left")
    events = events.with_columns(pl.col("step").rank("dense").sub(1).cast(pl.Int64).alias("row"))
    rows = events["row"].max()
    count = 1 + cast("int", rows)
    if count > MAX_ROWS:
        events = events.with_columns(pl.col("row") * MAX_ROWS // count)
    last = events.group_by("row", "name", maintain_order=True).agg(pl.col("value").last())
    wide = last.pivot(on="name", index="row", values="value").sort("row")
    steps = events.group_by("row").agg(pl.col("step").last()).sort("row")
    ordered = [name for name in dict.fromkeys(names.values()) if name in wide.columns]
    return {"epoch": steps["step"].to_list(), **{name: wide[name].to_list() for name in ordered}}


def _first_rank(events: pl.DataFrame) -> pl.DataFrame:
    """What the first rank that logged a series wrote of it."""
    import polars as pl

    rank = pl.col("source").str.extract(r"-(\d+)$").cast(pl.Int64).fill_null(-1)
    first = (
        events.select("run", "tag", "source")
        .unique()
        .sort(rank, "source")
        .unique(subset=["run", "tag"], keep="first", maintain_order=True)
    )
    return events.join(first, on=["run", "tag", "source"], how="semi", maintain_order="left")


def metric_names(pairs: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """A metric's name for each run and tag; a full path where two would share one. `epoch` is no metric."""
    short = {pair: _name(*pair) for pair in pairs}
    taken = list(short.values())
    named = {pair: name if taken.count(name) == 1 else _full(*pair) for pair, name in short.items()}
    return {pair: name for pair, name in named.items() if name != "epoch"}


def _name(run: str, tag: str) -> str:
    parts = [part for part in (*run.split("/"), *tag.split("/")) if part not in {"", "."}]
    if len(parts) > 1 and _TORCH_DEFAULT.fullmatch(parts[0]):
        parts = parts[1:]
    if len(parts) > 1 and parts[0] in _TRAINING:
        parts = parts[1:]
    elif len(parts) > 1 and parts[0] in _VALIDATION:
        parts = ["val", *parts[1:]]
    return "_".join(parts)


def _full(run: str, tag: str) -> str:
    return "_".join(part for part in (*run.split("/"), *tag.split("/")) if part != ".")


class Projector:
    """Projects a running run's metrics now and then, until it is stopped. Owns one thread."""

    def __init__(self, run_dir: str) -> None:
        self._run_dir = run_dir
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tfruns-metrics", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        wait = INTERVAL_SECS
        while not self._stopped.wait(wait):
            began = time.monotonic()
            # A file that is written at this moment, or a full disk: the next time will do.
            with suppress(Exception):
                project_metrics(self._run_dir)
            # Reading all events of a long run again takes at most a fiftieth of the time.
            wait = max(INTERVAL_SECS, 50 * (time.monotonic() - began))

    def stop(self) -> None:
        """Ends the thread and projects what the run ended with; where that fails, warns."""
        self._stopped.set()
        self._thread.join()
        try:
            project_metrics(self._run_dir)
        except Exception as error:  # noqa: BLE001 - the training is done; no view of it may make it fail
            warnings.warn(
                f"metrics.json of {self._run_dir} lags behind the run's events, which are whole: {error}",
                RuntimeWarning,
                stacklevel=2,
            )
