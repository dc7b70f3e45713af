"""Listing ten thousand runs, beside the loop a user would write and, if it is installed, MLflow on SQLite.

R's `ls_runs()` needs R: it does not start here.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
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


LOOP = """
import json, sys, time
start = time.perf_counter()
import polars as pl
from pathlib import Path
rows = []
for run in sorted(Path(sys.argv[1]).iterdir(), reverse=True):
    about = run / "tfruns.d"
    row = {"run_dir": str(run)}
    row |= {path.name: path.read_text().rstrip("\\n") for path in (about / "properties").iterdir()}
    row |= {f"flag_{name}": value for name, value in json.loads((about / "flags.json").read_text()).items()}
    evaluation = json.loads((about / "evaluation.json").read_text())
    row |= {f"eval_{name}": value for name, value in evaluation.items()}
    metrics = json.loads((about / "metrics.json").read_text())
    row |= {f"metric_{name}": values[-1] for name, values in metrics.items()}
    rows.append(row)
runs = pl.DataFrame(rows)
assert runs.height == int(sys.argv[2]), runs.height
print(json.dumps({"new": time.perf_counter() - start}))
"""

MLFLOW_RUNS = 1000
MLFLOW_FILL = """
import sys, mlflow
mlflow.set_tracking_uri(f"sqlite:///{sys.argv[1]}")
client = mlflow.MlflowClient()
from mlflow.entities import Metric, Param, RunTag
for i in range(int(sys.argv[2])):
    run = client.create_run("0").info.run_id
    names = ("loss", "acc", "val_loss", "val_acc")
    metrics = [Metric(name, 1 / (1 + e + i), e, e) for name in names for e in range(50)]
    client.log_batch(run, metrics, [Param("learning_rate", "0.001"), Param("units", "16")],
                     [RunTag(f"p{n}", "text") for n in range(15)])
"""
MLFLOW = """
import json, sys, time
start = time.perf_counter()
import mlflow
mlflow.set_tracking_uri(f"sqlite:///{sys.argv[1]}")
runs = mlflow.search_runs(["0"], max_results=100_000)
assert len(runs) == int(sys.argv[2]), len(runs)
print(json.dumps({"new": time.perf_counter() - start}))
"""


def mlflow_runs(count: int) -> Path:
    """The same runs, fewer of them, in an MLflow database; filling it takes minutes."""
    database = CACHE / f"mlflow_{count}.db"
    if not database.exists():
        unfinished = database.with_name(f".unfinished.{os.getpid()}.db")
        subprocess.run([sys.executable, "-c", MLFLOW_FILL, str(unfinished), str(count)], check=True)
        unfinished.rename(database)
    return database


def run_directories(count: int) -> Path:
    """A runs directory of finished runs, each with the properties, flags and metrics a training leaves."""
    runs = CACHE / f"runs_{count}_50"
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
            "epochs": "50",
            "batch_size": "128",
            "samples": "48000",
            "validation_samples": "12000",
            "model": "Model: sequential\n" + "dense (Dense)  (None, 10)  100\n" * 10,
            "loss_function": "categorical_crossentropy",
            "optimizer": "RMSprop",
            "learning_rate": "0.001",
            "output": "epoch 1/50 - loss 0.3\n" * 20,
        }
        for name, text in properties.items():
            (about / "properties" / name).write_text(text)
        metrics = {
            name: [1 / (1 + e + i) for e in range(50)] for name in ("loss", "acc", "val_loss", "val_acc")
        }
        (about / "flags.json").write_text(json.dumps({"learning_rate": 0.001 * (1 + i % 7), "units": 16}))
        (about / "metrics.json").write_text(json.dumps(metrics))
        (about / "evaluation.json").write_text(json.dumps({"loss": 0.1, "acc": 0.9}))
    unfinished.rename(runs)
    return runs


def rows() -> Iterator[Row]:
    """The figures of a new process and of a second call, beside the peers'."""
    runs = str(run_directories(10_000))
    seconds = median_child(LIST, runs, "10000", on_cores=2)
    loop = median_child(LOOP, runs, "10000", on_cores=2)["new"]
    note = "new process, two cores"
    yield Row("ls_runs() of 10 000 runs", "s", seconds["new"], "plain Python loop", loop, "0.5", note)
    yield Row("the same again", "s", seconds["again"], goal="0.1", note="same process, nothing changed")
    if find_spec("mlflow") is not None:
        fewer = median_child(LIST, str(run_directories(MLFLOW_RUNS)), str(MLFLOW_RUNS), on_cores=2)["new"]
        database = str(mlflow_runs(MLFLOW_RUNS))
        theirs = median_child(MLFLOW, database, str(MLFLOW_RUNS), on_cores=2)["new"]
        yield Row(f"ls_runs() of {MLFLOW_RUNS} runs", "s", fewer, "MLflow on SQLite", theirs, note=note)


if __name__ == "__main__":
    show("Runs", rows())
