"""`tfruns clean`, `restore` and `purge`: the archive beside the runs."""

from __future__ import annotations

import os

import click

from tfruns_rs.cli import _params

_force = click.option("--force", is_flag=True, help="Running runs as well.")


@click.command()
@_params.runs_argument()
@_params.subset
@_force
@_params.yes
@_params.runs_dir
def clean(runs: tuple[str, ...], subset: str | None, force: bool, yes: bool) -> int:
    """Move runs to the archive; all of them where none are named. Running ones stay.

    \b
    Examples:
      tfruns clean 2026-11-21T07-07-03Z
      tfruns clean --filter "status = 'failed'"
      tfruns clean --yes
    """
    from tfruns_rs import clean_runs

    named = _params.found_runs(runs, subset) if runs or subset else None
    return _params.ended(clean_runs(named, confirm=_asks(yes), force=force))


@click.command()
@_params.runs_argument(archived=True)
@_params.yes
@_params.runs_dir
def restore(runs: tuple[str, ...], yes: bool) -> int:
    """Move runs back from the archive; all of them where none are named.

    \b
    Examples:
      tfruns restore 2026-11-21T07-07-03Z
      tfruns restore --yes
    """
    from tfruns_rs import option_context, restore_runs

    directory = _params.runs_dir_path()
    archive = os.path.join(directory, "archive")  # noqa: PTH118 - texts stay as given
    with option_context(runs_dir=archive):
        named = _params.found_runs(runs) if runs else None
    return _params.ended(restore_runs(named, directory, confirm=_asks(yes)))


@click.command()
@_force
@_params.yes
@_params.runs_dir
def purge(force: bool, yes: bool) -> int:
    """Remove the archived runs for good.

    \b
    Examples:
      tfruns purge
      tfruns purge --yes
    """
    from tfruns_rs import purge_runs

    return _params.ended(purge_runs(confirm=_asks(yes), force=force))


def _asks(yes: bool) -> bool | None:
    return False if yes else None
