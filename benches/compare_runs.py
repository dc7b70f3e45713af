"""Listing ten thousand runs, beside the loop a user would write and, if it is installed, MLflow on SQLite.

The runs hold all that `training_run` leaves. R's `ls_runs()` needs R: it does not start here. Then what big
consoles and many artifacts cost the listing, and what making a run costs.
"""

import contextlib
import io
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

from _measure import CACHE, median, median_child, pinned
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

BARE = Path(__file__).with_name("bare_reads.c")


def bare_reads(runs: str) -> float | None:
    """Seconds of the system calls alone, by two threads on two cores; None without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as place:
        program = f"{place}/bare_reads"
        subprocess.run([compiler, "-O2", "-pthread", "-o", program, str(BARE)], check=True)
        return median(lambda: float(subprocess.check_output([program, runs, "2"], preexec_fn=pinned(2))))


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


ARTIFACTS = 20
CONSOLE_BYTES = 200_000

CREATE = """
import json, sys, tempfile, time
import tfruns_rs as tfr
with tempfile.TemporaryDirectory() as runs:
    start = time.perf_counter()
    for _ in range(2000):
        tfr.unique_run_dir(runs)
    print(json.dumps({"rate": 2000 / (time.perf_counter() - start)}))
"""

WHOLE = """
import json, os, subprocess, sys, tempfile, time
import tfruns_rs as tfr
with tempfile.TemporaryDirectory() as place:
    os.chdir(place)
    if sys.argv[1] == "git":
        open("train.py", "w").write("print(1)")
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "first"]):
            subprocess.run(["git", *words], check=True)
    for count in (5, 200):
        start = time.perf_counter()
        for _ in range(count):
            tfr.create_run().finish()
    print(json.dumps({"rate": count / (time.perf_counter() - start)}))
"""

OVERHEAD_ROUNDS = 15


def cpu_seconds() -> float:
    """Those of this process and of its children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def training_overhead() -> tuple[float, float]:
    """What `training_run` takes more than its script alone, in ms: CPU time and wall time, medians."""
    import tfruns_rs as tfr

    def timed(work) -> tuple[float, float]:
        began, used = time.perf_counter(), cpu_seconds()
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
            work()
        return cpu_seconds() - used, time.perf_counter() - began

    with tempfile.TemporaryDirectory() as place:
        script = Path(place, "train.py")
        script.write_text("print('trained')\n")
        alone, recorded = [], []

        def run() -> None:
            tfr.training_run(script, runs_dir=f"{place}/runs", artifacts_dir=place, echo=False, view=False)

        timed(run)  # imports what a session has imported
        for _ in range(OVERHEAD_ROUNDS):
            alone.append(timed(lambda: subprocess.check_output([sys.executable, script])))
            recorded.append(timed(run))
    cpu, wall = (
        1e3 * (statistics.median(ours) - statistics.median(theirs))
        for ours, theirs in zip(zip(*recorded, strict=True), zip(*alone, strict=True), strict=True)
    )
    return cpu, wall


def source_archive() -> bytes:
    """A small `source.tar.gz`."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        content = b"import tfruns_rs as tfr\n" * 40
        entry = tarfile.TarInfo("source/train.py")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def beside_the_metadata(start: float, name: str) -> dict[str, str]:
    """What `training_run` leaves besides the files that R knows."""
    alive = {
        "host": "node",
        "boot_id": "0",
        "pid_namespace": "pid:[1]",
        "pid": 1,
        "pid_start": "1",
        "interval_secs": 10,
        "beat": 4,
        "time": start + 40,
    }
    environment = {
        "python": "3.12.0",
        "command": ["python", "-u", "train.py"],
        "packages": {f"package_{n}": "1.2.3" for n in range(150)},
        "git": {"commit": "0" * 40, "branch": "main", "dirty": False},
    }
    session = {"start": start, "completed": True, "end": start + 45}
    return {
        "alive.json": json.dumps(alive),
        "environment.json": json.dumps(environment, indent=2),
        "run.json": json.dumps({"format": 1, "name": name, "sessions": [session]}, indent=2),
        "stderr": "",
        ".run.json.lock": "",
    }


def run_directories(count: int, *, is_full: bool = False) -> Path:
    """A runs directory of finished runs, each with all that a training leaves; full ones hold more of it."""
    runs = CACHE / f"runs_{count}_{'full' if is_full else 'whole'}"
    if runs.exists():
        return runs
    unfinished = runs.with_name(f".unfinished.{os.getpid()}")
    source = source_archive()
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
            "output": "epoch 1/50 - loss 0.3\n" * (CONSOLE_BYTES // 22 if is_full else 20),
        }
        for name, text in properties.items():
            (about / "properties" / name).write_text(text)
        metrics = {
            name: [1 / (1 + e + i) for e in range(50)] for name in ("loss", "acc", "val_loss", "val_acc")
        }
        (about / "flags.json").write_text(json.dumps({"learning_rate": 0.001 * (1 + i % 7), "units": 16}))
        (about / "metrics.json").write_text(json.dumps(metrics))
        (about / "evaluation.json").write_text(json.dumps({"loss": 0.1, "acc": 0.9}))
        (about / "source.tar.gz").write_bytes(source)
        for name, text in beside_the_metadata(start.timestamp(), about.parent.name).items():
            (about / name).write_text(text)
        (about.parent / "plots").mkdir()
        for number in range(ARTIFACTS if is_full else 0):
            (about.parent / f"checkpoint_{number:02}.bin").write_bytes(bytes(1000))
    unfinished.rename(runs)
    return runs


def rows() -> Iterator[Row]:
    """The figures of a new process and of a second call, beside the peers'."""
    runs = str(run_directories(10_000))
    seconds = median_child(LIST, runs, "10000", on_cores=2)
    loop = median_child(LOOP, runs, "10000", on_cores=2)["new"]
    note = "new process, two cores"
    yield Row("ls_runs() of 10 000 runs", "s", seconds["new"], "plain Python loop", loop, "0.5", note)
    floor = bare_reads(runs)
    if floor is not None:
        what = "the system calls alone, on the same files"
        yield Row(what, "s", seconds["new"], "bare_reads.c", floor, note="no start, no parsing, no table")
    yield Row("ls_runs() again", "s", seconds["again"], goal="0.1", note="same process, nothing changed")
    few = median_child(LIST, str(run_directories(1000)), "1000", on_cores=2)["new"]
    full = median_child(LIST, str(run_directories(1000, is_full=True)), "1000", on_cores=2)["new"]
    what = f"1000 runs with {ARTIFACTS} files and consoles of {CONSOLE_BYTES // 1000} kB"
    yield Row(f"ls_runs() of {what}", "s", full, "plain runs", few, note=note)
    yield Row("unique_run_dir", "runs/s", median_child(CREATE)["rate"], goal="500", note="one process")
    for where, said in (("alone", "with environment and beat"), ("git", "the same in a git work tree")):
        yield Row("create_run() and finish()", "runs/s", median_child(WHOLE, where)["rate"], note=said)
    cpu, wall = training_overhead()
    yield Row("training_run over its script", "ms", cpu, goal="150", note=f"CPU; {wall:.0f} ms wall")
    if find_spec("mlflow") is not None:
        fewer = median_child(LIST, str(run_directories(MLFLOW_RUNS)), str(MLFLOW_RUNS), on_cores=2)["new"]
        database = str(mlflow_runs(MLFLOW_RUNS))
        theirs = median_child(MLFLOW, database, str(MLFLOW_RUNS), on_cores=2)["new"]
        yield Row(f"ls_runs() of {MLFLOW_RUNS} runs", "s", fewer, "MLflow on SQLite", theirs, note=note)


if __name__ == "__main__":
    show("Runs", rows())
