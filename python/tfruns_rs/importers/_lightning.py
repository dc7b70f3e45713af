"""PyTorch Lightning's own loggers: `lightning_logs/version_<n>/`.

| file | content |
|---|---|
| `hparams.yaml` | what `save_hyperparameters()` kept |
| `metrics.csv` | of `CSVLogger`: a row a call, with `step`, `epoch` and the metrics; no times |
| `events.out.tfevents.…` | of `TensorBoardLogger` |
| `checkpoints/` | files |

Neither logger says how a run ended. A CSV's values get the time at which the file was last written.
"""

from __future__ import annotations

import csv
import os
import re

from tfruns_rs.importers._foreign import (
    ForeignRun,
    UnreadableRunError,
    files_below,
    mapping,
    read_yaml,
)

TOOL = "lightning"
_OWN = {"hparams.yaml", "metrics.csv"}


def is_run(name: str, folders: set[str], files: set[str]) -> bool:
    """Whether a directory of this name and these entries is a run of this tool."""
    has_metrics = "metrics.csv" in files or any("tfevents" in file for file in files)
    is_named = name.startswith("version_") or "hparams.yaml" in files or "checkpoints" in folders
    return has_metrics and is_named


def read(directory: str) -> ForeignRun:
    """The run in a directory.

    Raises:
        UnreadableRunError: Nothing in it can be read.
    """
    identity = os.path.abspath(directory)  # noqa: PTH100
    name = "/".join(identity.rsplit(os.sep, 2)[-2:])
    run = ForeignRun(TOOL, directory, identity, name)
    files = list(files_below(directory))
    own = [path for path, place in files if place in _OWN or "tfevents" in place]
    run.start = min(map(_start_of, own), default=None)
    try:
        run.hparams = mapping(read_yaml(f"{directory}/hparams.yaml"))
    except UnreadableRunError as error:
        run.problems.append(str(error))
    for path, place in files:
        if "tfevents" in os.path.basename(place):  # noqa: PTH119
            run.event_files.append((path, os.path.dirname(place).replace(os.sep, "/") or "."))  # noqa: PTH120
        elif place == "metrics.csv":
            _read_csv(run, path)
        elif place not in _OWN:
            run.files.append((path, f"artifacts/{place}"))
    return run


def _start_of(path: str) -> float:
    """When a file was begun, as far as is known: an event file's name tells."""
    begun = re.search(r"tfevents\.(\d{10})\.", os.path.basename(path))  # noqa: PTH119
    return float(begun[1]) if begun else os.stat(path).st_mtime  # noqa: PTH116


def _read_csv(run: ForeignRun, path: str) -> None:
    time = os.stat(path).st_mtime  # noqa: PTH116
    left_out = 0
    try:
        with open(path, encoding="utf-8", newline="") as file:  # noqa: PTH123
            for i, row in enumerate(csv.DictReader(file)):
                step = _number(row.get("step") or str(i))
                for tag, text in row.items():
                    if tag is None or tag == "step" or not text or not isinstance(text, str):  # pyright: ignore[reportUnnecessaryComparison, reportUnnecessaryIsInstance]
                        continue
                    value = _number(text)
                    taken = step is not None and value is not None and run.add(tag, int(step), time, value)
                    left_out += not taken
    except (csv.Error, UnicodeDecodeError, ValueError, OverflowError) as error:
        run.problems.append(f"metrics.csv: {error}")
    if left_out:
        run.problems.append(f"metrics.csv: {left_out} values are no numbers")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
