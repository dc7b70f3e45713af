"""A logdir as users name it: a path, or a run for the run's events."""

from __future__ import annotations

import glob
import os

import click

from tfruns_rs.cli import _params

argument = click.argument("logdirs", nargs=-1, type=_params.RunName(), metavar="[LOGDIR|RUN]...")


def found(names: tuple[str, ...]) -> list[str]:
    """The logdirs; the events of the latest run where none are named."""
    if names:
        return [logdir_of(name) for name in names]
    from tfruns_rs.errors import RunNotFoundError

    try:
        return [logdir_of("latest")]
    except RunNotFoundError as error:
        raise RunNotFoundError(f"{error}; or name a logdir") from None


def logdir_of(name: str) -> str:
    """A path as it is; of a run its events."""
    is_path = os.path.exists(name) or bool(glob.glob(name))  # noqa: PTH110, PTH207 - texts stay as given
    run = name if is_path else _params.found_run(name)
    if not os.path.isdir(os.path.join(run, "tfruns.d")):  # noqa: PTH112, PTH118
        return run
    logs = os.path.join(run, "logs")  # noqa: PTH118
    return logs if os.path.isdir(logs) else run  # noqa: PTH112


def steps(
    _: click.Context, __: click.Parameter, text: str | None
) -> int | tuple[int | None, int | None] | None:
    """The callback of --step: a step, or the first and the last of a span."""
    if text is None:
        return None
    first, colon, last = text.partition(":")
    try:
        if not colon:
            return int(first)
        return (int(first) if first else None, int(last) if last else None)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no step and no span such as 10:20, 10: or :20") from None
