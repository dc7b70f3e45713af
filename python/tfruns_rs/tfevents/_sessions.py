"""`collect_hparams`: the sessions of an experiment, a row each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfruns_rs import _core
from tfruns_rs.tfevents._hparams import END_TAG, START_TAG, status_name
from tfruns_rs.tfevents._question import resolve_logdirs
from tfruns_rs.tfevents._read import collect_events

if TYPE_CHECKING:
    import polars as pl

    from tfruns_rs.tfevents._question import Logdirs, OnCorrupt

_OWN_COLUMNS = ("run", "trial", "status", "started", "ended")


def collect_hparams(
    logdir: Logdirs | None = None, *, metrics: bool = True, on_corrupt: OnCorrupt = "warn"
) -> pl.DataFrame:
    """Collect the sessions of an experiment: what was tried, and what came of it.

    A session is a run with hyperparameters (`log_hparams`, TensorBoard's `hp.hparams`, PyTorch's
    `add_hparams`). Its metrics are the scalars of that run, and of the runs below it that are no sessions
    themselves; those are named with their run: "valid/loss". Of each, the last value is taken.

    Args:
        logdir: A log directory, or several, which the column logdir then tells apart; the default logdir if
            left out.
        metrics: Whether to take the metrics as well.
        on_corrupt: What to do about damaged records, as in `collect_events`.

    Returns:
        A frame of the columns run, trial, status ("success", "failure", "running" or "unknown"), started
        and ended (seconds since the epoch, or null); then one for each hyperparameter (Float64, Boolean or
        String; String where sessions differ in type); then one for each metric (Float64). A metric of a
        hyperparameter's name gets the prefix "metric.".

    Examples:
        >>> import tfruns_rs as tfr
        >>> with tfr.with_logdir(tmp_path):
        ...     tfr.log_hparams(lr=0.1, optimizer="adam")
        ...     tfr.log_event(loss=0.25)
        >>> tfr.collect_hparams(tmp_path).select("lr", "optimizer", "loss").row(0)
        (0.1, 'adam', 0.25)
    """
    import polars as pl

    logdirs = resolve_logdirs(logdir)
    if len(logdirs) > 1:
        frames = [collect_hparams(one, metrics=metrics, on_corrupt=on_corrupt) for one in logdirs]
        named = [frame.with_columns(logdir=pl.lit(one)) for one, frame in zip(logdirs, frames, strict=True)]
        return pl.concat(named, how="diagonal_relaxed")
    rows = collect_events(logdir, type="summary", tag=[START_TAG, END_TAG], on_corrupt=on_corrupt)
    sessions: dict[str, dict[str, Any]] = {}
    ends: dict[str, tuple[str, float]] = {}
    for run, summary in rows.select("run", "summary").iter_rows():
        match _core.decode_hparams(summary["plugin_content"] or b""):
            case ("start", values, trial, started):
                sessions[run] = {"values": values, "trial": trial, "started": started or None}
                ends.pop(run, None)  # a session that is resumed has not ended
            case ("end", status, ended):
                ends[run] = (status_name(status), ended)
            case _:
                pass
    own = {
        "run": pl.Series("run", list(sessions), pl.String),
        "trial": pl.Series("trial", [s["trial"] for s in sessions.values()], pl.String),
        "status": pl.Series("status", [ends.get(run, ("unknown",))[0] for run in sessions], pl.String),
        "started": pl.Series("started", [s["started"] for s in sessions.values()], pl.Float64),
        "ended": pl.Series("ended", [ends.get(run, ("", None))[1] for run in sessions], pl.Float64),
    }
    names = sorted({name for session in sessions.values() for name in session["values"]})
    values = [
        _column(_free(name, _OWN_COLUMNS, "hparam."), [s["values"].get(name) for s in sessions.values()])
        for name in names
    ]
    frame = pl.DataFrame([*own.values(), *values])
    return _with_metrics(frame, logdir, on_corrupt) if metrics and sessions else frame


def _column(name: str, values: list[Any]) -> pl.Series:
    """A column of one hyperparameter: of the values' own type if they have one in common, else of strings."""
    import polars as pl

    types: set[type] = {type(value) for value in values if value is not None}
    if types == {bool}:
        return pl.Series(name, values, pl.Boolean)
    if types == {float}:
        return pl.Series(name, values, pl.Float64)
    return pl.Series(name, [value if value is None else str(value) for value in values], pl.String)


def _free(name: str, taken: Any, prefix: str) -> str:
    while name in taken:
        name = prefix + name
    return name


def _with_metrics(frame: pl.DataFrame, logdir: Logdirs | None, on_corrupt: OnCorrupt) -> pl.DataFrame:
    import polars as pl

    runs = frame["run"].to_list()
    known = set(runs)
    scalars = collect_events(logdir, type="scalar", on_corrupt=on_corrupt)
    last = scalars.group_by("run", "tag", maintain_order=True).agg(
        pl.col("value").sort_by("step", maintain_order=True).last()
    )
    found: dict[str, dict[str, float]] = {}
    for run, tag, number in last.iter_rows():
        session = _session_of(run, known)
        if session is not None:
            group = run if session == "." else run.removeprefix(session).removeprefix("/")
            name = tag if run == session else f"{group}/{tag}"
            found.setdefault(name, {})[session] = number
    columns = [
        pl.Series(_free(name, frame.columns, "metric."), [of.get(run) for run in runs], pl.Float64)
        for name, of in found.items()
    ]
    return frame.with_columns(columns)


def _session_of(run: str, sessions: set[str]) -> str | None:
    """The session that a run belongs to: itself, or the nearest directory above it that is one."""
    while run not in sessions:
        if run == ".":
            return None
        run = run.rpartition("/")[0] or "."
    return run
