"""Listing ten thousand runs. R's `ls_runs()` needs R and MLflow a database: no peer starts here."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from _measure import CACHE, median_child
from _table import Row, show

FIRST = datetime(2024, 1, 1, tzinfo=UTC)

LIST = """
import json, sys, time
start = time.perf_counter()
import tfruns_rs as tfr
runs = tfr.ls_runs(runs_dir=sys.argv[1])
new = time.perf_counter() - start
assert runs.height == int(sys.argv[2]), runs.height
start = time.perf_counter()
tfr.ls_runs(runs_dir=sys.argv[1])
print(json.dumps({"new": new, "again": time.perf_counter() - start}))
"""


def run_directories(count: int) -> Path:
    """A runs directory of finished runs, each with the properties, flags and metrics a training leaves."""
    runs = CACHE / f"runs_{count}"
    if runs.exists():
        return runs
    unfinished = runs.with_name(f".unfinished.{os.getpid()}")
    for i in range(count):
        start = FIRST + timedelta(minutes=i)
        about = unfinished / f"{start:%Y-%m-%dT%H-%M-%SZ}" / "tfruns.d"
        (about / "properties").mkdir(parents=True)
        properties = {
            "type": "training",
            "script": "train.py",
            "context": "local",
            "start": f"{start.timestamp():.2f}",
            "end": f"{start.timestamp() + 45:.2f}",
            "completed": "TRUE",
            "epochs": "5",
            "batch_size": "128",
            "samples": "48000",
            "validation_samples": "12000",
            "output": "epoch 1/5 - loss 0.3\n" * 20,
        }
        for name, text in properties.items():
            (about / "properties" / name).write_text(text)
        metrics = {
            name: [1 / (1 + e + i) for e in range(5)] for name in ("loss", "acc", "val_loss", "val_acc")
        }
        (about / "flags.json").write_text(json.dumps({"learning_rate": 0.001 * (1 + i % 7), "units": 16}))
        (about / "metrics.json").write_text(json.dumps(metrics))
        (about / "evaluation.json").write_text(json.dumps({"loss": 0.1, "acc": 0.9}))
    unfinished.rename(runs)
    return runs


def rows() -> Iterator[Row]:
    """The figures of a new process and of a second call."""
    seconds = median_child(LIST, str(run_directories(10_000)), "10000", on_cores=2)
    yield Row("ls_runs() of 10 000 runs", "s", seconds["new"], goal="0.5", note="new process, two cores")
    yield Row("the same again", "s", seconds["again"], goal="0.1", note="same process, nothing changed")


if __name__ == "__main__":
    show("Runs", rows())
