"""Other tools' runs: made run directories of, listed, and collected."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tfruns_rs.importers._discover import discover, read_run
from tfruns_rs.importers._known import Known, exclusively, fingerprint
from tfruns_rs.importers._write import points_frame, write_run
from tfruns_rs.tfruns._options import runs_dir_or_option

if TYPE_CHECKING:
    import polars as pl

    from tfruns_rs.importers._foreign import ForeignRun
    from tfruns_rs.tfruns._run_dir import PathLike

Tool: TypeAlias = Literal["lightning", "mlflow", "guild", "sacred", "wandb"]


def import_runs(
    path: PathLike, runs_dir: PathLike | None = None, *, tool: Tool | None = None, files: bool = False
) -> pl.DataFrame:
    r"""Makes run directories of the runs that other tools recorded.

    Understood are `lightning_logs/` of PyTorch Lightning's loggers, `mlruns/` of MLflow's file store, the
    runs of Guild, those of Sacred's `FileStorageObserver`, and offline runs of W&B (`run-*.wandb`). Nothing
    is ever changed in the source. A run that was imported before is left as it is, or renewed if its source
    has changed since; labels that were added to it stay.

    Parameters become flags, scalars events (and so metrics), the console `output`; how a run ended, when, and
    with which error are kept. Scalars that belong to no step (a result, a W&B summary) become the evaluation.
    What can't be taken is told in `problem`.

    Args:
        path: A tool's directory, one that holds several of them, a single run's, or a `.wandb` file.
        runs_dir: Where to; None for the option `runs_dir`.
        tool: Take this tool's runs only.
        files: Whether to copy the files that runs left (artifacts, checkpoints) as well, into `artifacts/`.

    Returns:
        A row a run: tool, source (its directory or file), id, name, status ("imported", "unchanged",
        "updated", "skipped" for deleted and staged ones, "failed" for those that can't be read), run_dir
        (null where there is none), problem (null if there is none).

    Raises:
        RunNotFoundError: There is no such path, or no run below it.
        ValueError: There is no such tool.
        OSError: A run directory can't be written. Those written before are whole.

    Examples:
        >>> import tfruns_rs as tfr
        >>> log = tmp_path / "lightning_logs/version_0"
        >>> log.mkdir(parents=True)
        >>> _ = (log / "hparams.yaml").write_text("lr: 0.1")
        >>> _ = (log / "metrics.csv").write_text("step,loss\n0,0.5\n1,0.25\n")
        >>> tfr.import_runs(log, tmp_path / "runs")["status"].to_list()
        ['imported']
        >>> tfr.ls_runs(runs_dir=tmp_path / "runs").select("flag_lr", "metric_loss").row(0)
        (0.1, 0.25)
    """
    import polars as pl

    target = os.path.abspath(runs_dir_or_option(runs_dir))  # noqa: PTH100
    places = discover(path, tool)
    with exclusively(target):
        known = Known(target)
        rows = [_import(name, place, target, known, files=files) for name, place in places]
        known.tell_parents()
    columns = ("tool", "source", "id", "name", "status", "run_dir", "problem")
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")


def _import(tool: str, place: str, runs_dir: str, known: Known, *, files: bool) -> tuple[str | None, ...]:
    """Imports a run, unless it is there and has not changed; returns its row."""
    try:
        now = fingerprint(place)
    except OSError as error:
        return (tool, place, None, None, "failed", None, str(error))
    mark = known.by_source(tool, place)
    if mark is not None and mark.is_current(now, files=files):
        return (tool, place, mark.id, mark.name, "unchanged", mark.run_dir, mark.problem)
    found = read_run(tool, place)
    if isinstance(found, tuple):
        return (tool, place, None, None, found[0], None, found[1])
    problem = "; ".join(found.problems) or None
    mark = known.by_id(tool, found.id)
    if mark is not None and mark.is_current(now, files=files):  # the source was moved
        return (tool, place, found.id, found.name, "unchanged", mark.run_dir, problem)
    files |= mark is not None and mark.has_files
    before = None if mark is None else mark.run_dir
    imported = {
        "tool": tool,
        "id": found.id,
        "source": os.path.abspath(place),  # noqa: PTH100
        "fingerprint": now,
        "files": files,
        "problem": problem,
    }
    run_dir = write_run(found, runs_dir, imported, before, files=files)
    known.add(run_dir, found.name, imported, found.parent)
    status = "imported" if before is None else "updated"
    return (tool, place, found.id, found.name, status, run_dir, problem)


def ls_foreign_runs(path: PathLike, *, tool: Tool | None = None) -> pl.DataFrame:
    """Lists the runs that other tools recorded, where they are; nothing is written.

    Args:
        path: As in `import_runs`.
        tool: Take this tool's runs only.

    Returns:
        A row a run, the latest first: source, tool, id, name; `eval_*`, `metric_*` (the last value of each)
        and `flag_*`; start and end (seconds since the epoch), status ("completed", "failed", "interrupted",
        "unknown", "skipped", or "invalid" for those that can't be read), problem. Scalars in event files are
        not read here: `collect_foreign_events` has them.

    Raises:
        RunNotFoundError: There is no such path, or no run below it.
        ValueError: There is no such tool.
    """
    import polars as pl

    rows: list[dict[str, Any]] = []
    for name, place in discover(path, tool):
        found = read_run(name, place)
        if isinstance(found, tuple):
            status = "skipped" if found[0] == "skipped" else "invalid"
            rows.append({"source": place, "tool": name, "status": status, "problem": found[1]})
        else:
            rows.append(_row(found))
    schema = {"source": pl.String, "tool": pl.String, "id": pl.String, "name": pl.String}
    last = {"start": pl.Float64, "end": pl.Float64, "status": pl.String, "problem": pl.String}
    names = list(dict.fromkeys(name for row in rows for name in row))
    prefixes = ("eval_", "metric_", "flag_")
    values = [name for prefix in prefixes for name in names if name.startswith(prefix) and name not in last]
    columns = [
        *(pl.Series(name, [row.get(name) for row in rows], dtype) for name, dtype in schema.items()),
        *(_series(name, [row.get(name) for row in rows]) for name in values),
        *(pl.Series(name, [row.get(name) for row in rows], dtype) for name, dtype in last.items()),
    ]
    return pl.DataFrame(columns).sort("start", descending=True, nulls_last=True, maintain_order=True)


def collect_foreign_events(path: PathLike, *, tool: Tool | None = None) -> pl.DataFrame:
    """Collects the scalars that other tools recorded, where they are; nothing is written.

    Args:
        path: As in `import_runs`.
        tool: Take this tool's runs only.

    Returns:
        A frame of the columns of `collect_events(type="scalar")`: run (the source below `path`; of event
        files deeper in it with their directory), tag, step, wall_time, value. Runs that can't be read have no
        rows; `ls_foreign_runs` names them.

    Raises:
        RunNotFoundError: There is no such path, or no run below it.
        ValueError: There is no such tool.
    """
    import polars as pl

    from tfruns_rs.tfevents._read import collect_events

    empty = dict.fromkeys(("run", "tag"), pl.String) | {"step": pl.Int64}
    empty |= dict.fromkeys(("wall_time", "value"), pl.Float64)
    frames = [pl.DataFrame(schema=empty)]
    root = os.fspath(path)
    for name, place in discover(path, tool):
        found = read_run(name, place)
        if isinstance(found, tuple):
            continue
        run = os.path.relpath(place, root).replace(os.sep, "/")
        frames.append(points_frame(found).with_columns(run=pl.lit(run)))
        for file, below in found.event_files:
            inner = run if below == "." else f"{run}/{below}".removeprefix("./")
            frames.append(
                collect_events(file, type="scalar", on_corrupt="skip").with_columns(run=pl.lit(inner))
            )
    return pl.concat([frame.select(list(empty)) for frame in frames])


def _row(run: ForeignRun) -> dict[str, Any]:
    from tfruns_rs.tracking._hparams import leaves

    last: dict[str, tuple[int, float]] = {}
    for tag, step, _, value in run.points:
        if tag not in last or step >= last[tag][0]:
            last[tag] = (step, value)
    return {
        "source": run.source,
        "tool": run.tool,
        "id": run.id,
        "name": run.name,
        **{f"eval_{name}": value for name, value in run.evaluation.items()},
        **{f"metric_{tag}": value for tag, (_, value) in last.items()},
        **{f"flag_{name}": value for name, value in leaves(run.hparams).items()},
        "start": run.start,
        "end": run.end,
        "status": run.status,
        "problem": "; ".join(run.problems) or None,
    }


def _series(name: str, values: list[Any]) -> pl.Series:
    """A column of the values' own type if they have one in common, else of texts."""
    import polars as pl

    kinds: set[type] = {type(value) for value in values if value is not None}
    if kinds <= {bool} or kinds <= {str}:
        return pl.Series(name, values, pl.Boolean if kinds == {bool} else pl.String)
    if kinds <= {int, float}:
        try:
            return pl.Series(name, values, pl.Float64 if float in kinds else pl.Int64, strict=False)
        except OverflowError:
            return pl.Series(name, [None if value is None else float(value) for value in values], pl.Float64)
    return pl.Series(name, [None if value is None else str(value) for value in values], pl.String)
