"""What people say about runs afterwards: labels, a note, a name.

`run.json` holds it. What listings are to show stands among the properties as well, where R's `ls_runs()`
finds it too: `labels`, comma-separated, `description` and `name`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs.errors import RunNotFoundError
from tfruns_rs.tfruns import _json, _record
from tfruns_rs.tfruns._run_dir import run_dirs
from tfruns_rs.tfruns._run_metadata import write_properties
from tfruns_rs.tracking._names import check_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tfruns_rs.tfruns._run_dir import Runs


def tag_runs(runs: Runs, labels: Iterable[str] = (), *, remove: Iterable[str] = ()) -> dict[str, list[str]]:
    """Gives runs labels, or takes labels away. Those of running runs as well.

    Args:
        runs: Runs, as `as_run_dir` takes them.
        labels: Labels to add.
        remove: Labels to take away.

    Returns:
        The labels that each run has now, by its directory. `ls_runs()` has them in the column `labels`,
        joined by ", ".

    Raises:
        RunNotFoundError: There is no such run; none is changed then.
        ValueError: A label is empty, or holds a comma or a control character.

    Examples:
        >>> import tfruns_rs as tfr
        >>> run = tfr.unique_run_dir(tmp_path)
        >>> tfr.write_run_metadata("properties", {"type": "training"}, run)
        >>> list(tfr.tag_runs(run, ["baseline"]).values())
        [['baseline']]
    """
    added, removed = _checked(labels), set(_checked(remove))
    found: dict[str, list[str]] = {}
    for run in _existing(runs):

        def change(record: dict[str, Any]) -> None:
            before = [str(label) for label in cast("list[Any]", record.get("labels") or [])]
            record["labels"] = [label for label in dict.fromkeys([*before, *added]) if label not in removed]

        found[run] = _changed(run, change)["labels"]
    return found


def describe_run(run: Runs, text: str, *, append: bool = False) -> str:
    """Writes a note on a run, its `description`.

    Args:
        run: The run, or several, as `as_run_dir` takes them.
        text: The note; an empty one takes it away.
        append: Add a line to the note that is there.

    Returns:
        The note as it is now (of several runs that of the last).

    Raises:
        RunNotFoundError: There is no such run.

    Examples:
        >>> import tfruns_rs as tfr
        >>> run = tfr.create_run(name="mnist", runs_dir=tmp_path)
        >>> run.finish()
        >>> tfr.describe_run(run, "The first with augmentation.")
        'The first with augmentation.'
    """
    note = text
    for directory in _existing(run):

        def change(record: dict[str, Any]) -> None:
            before = str(record.get("description") or "")
            record["description"] = f"{before}\n{text}" if append and before else text

        note = _changed(directory, change)["description"]
    return note


def rename_run(run: Runs, name: str) -> None:
    """Gives a run a name. Its directory stays: that is its identity.

    Args:
        run: The run.
        name: 1 to 40 letters, digits, "-" and "_", the first and last a letter or digit.

    Raises:
        RunNotFoundError: There is no such run.
        ValueError: It is no name, or several runs were given.

    Examples:
        >>> import tfruns_rs as tfr
        >>> run = tfr.create_run(name="mnist", runs_dir=tmp_path)
        >>> run.finish()
        >>> tfr.rename_run(run, "baseline")
        >>> tfr.load_run(run.local).name
        'baseline'
    """
    check_name(name)
    directories = _existing(run)
    if len(directories) != 1:
        raise ValueError(f"a name is for one run, not for {len(directories)}")

    def change(record: dict[str, Any]) -> None:
        record["name"] = name

    _changed(directories[0], change)


def mirror(run_dir: str, values: Mapping[str, Any]) -> None:
    """Keeps the properties that listings show in step with `run.json`."""
    for key in ("labels", "description", "name"):
        if key not in values:
            continue
        if text := _json.text(", ".join(values[key] or []) if key == "labels" else values[key]):
            write_properties(run_dir, {key: text})
        else:
            with suppress(FileNotFoundError):
                os.unlink(f"{run_dir}/{_record.META_DIR}/properties/{key}")  # noqa: PTH108


def _changed(run_dir: str, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    before = _record.read(run_dir)
    record = _record.update(run_dir, change)
    mirror(run_dir, {key: value for key, value in record.items() if value != before.get(key)})
    return record


def _existing(runs: Runs) -> list[str]:
    directories = run_dirs(runs)
    for directory in directories:
        if not os.path.isdir(f"{directory}/{_record.META_DIR}"):  # noqa: PTH112
            raise RunNotFoundError(f"there is no run in {directory}")
    return directories


def _checked(labels: Iterable[str]) -> list[str]:
    found = [labels] if isinstance(labels, str) else list(labels)
    for label in found:
        if not label.strip() or "," in label or not label.isprintable():
            raise ValueError(f"{label!r} is no label: not empty, no comma, no control character")
    return found
