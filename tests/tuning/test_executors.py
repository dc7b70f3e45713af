"""Trials on executors of others: a cluster of several worker processes, pools of the standard library."""

import multiprocessing
import os
import signal
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import polars as pl
import pytest

from tfruns_rs import ls_runs, tuning_run
from tfruns_rs.errors import TrainingRunError

SCRIPT = """
import os
from tfruns_rs import flag_numeric, flags, log_event
F = flags(flag_numeric("lr", 0.1), flag_numeric("units", 3))
for epoch in range(3):
    log_event(loss=F.lr * F.units / (epoch + 1), step=epoch)
"""
FORKSERVER = multiprocessing.get_context("forkserver")
FLAGS = {"lr": [0.1, 0.2, 0.3], "units": [16, 32]}
SAME = ["flag_lr", "flag_units", "metric_loss", "completed", "status", "script", "context", "type"]


@pytest.fixture
def cluster(tmp_path):
    distributed = pytest.importorskip("distributed", reason="install tfruns-rs[distributed]")
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            local_directory=str(tmp_path / "dask"),
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def same(runs):
    return runs.select(SAME).sort("flag_lr", "flag_units")


@pytest.mark.filterwarnings("ignore")  # Dask's own, of ports and of slow shutdown
def test_the_same_grid_on_dask_gives_the_same_frame(cluster):
    Path("train.py").write_text(SCRIPT)
    here = tuning_run("train.py", flags=FLAGS, workers=2, properties={"where": "here"})
    there = tuning_run(
        "train.py", flags=FLAGS, executor=cluster.get_executor(), properties={"where": "there"}
    )
    assert same(here).equals(same(there))
    assert here.columns == there.columns
    assert here["sweep"].n_unique() == there["sweep"].n_unique() == 1
    assert there["where"].unique().to_list() == ["there"]
    assert ls_runs().height == 12
    # A worker is killed in the middle of a trial: the cluster starts another, which takes the claim over.
    Path("train.py").write_text(KILL_ONCE)
    again = tuning_run("train.py", flags=FLAGS, executor=cluster.get_executor(), retries=2)
    assert same(again).equals(same(here))
    assert sorted(again["flag_lr"]) == sorted(here["flag_lr"])
    assert Path("killed").exists()
    mine = ls_runs(pl.col("sweep") == again["sweep"][0])
    assert mine.height > 6
    assert mine.filter("completed").group_by("flag_lr", "flag_units").len()["len"].to_list() == [1] * 6


KILL_ONCE = (
    SCRIPT
    + """
import signal, time
from pathlib import Path
if F.lr == 0.2 and F.units == 16 and not Path("killed").exists():
    Path("killed").touch()
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(30)
"""
)


def test_standard_pools_run_trials_as_well():
    Path("train.py").write_text(SCRIPT)
    here = tuning_run("train.py", flags=FLAGS)
    with ThreadPoolExecutor(2) as threads:
        assert same(tuning_run("train.py", flags=FLAGS, executor=threads)).equals(same(here))
    with ProcessPoolExecutor(2, mp_context=FORKSERVER) as processes:
        assert same(tuning_run("train.py", flags=FLAGS, executor=processes)).equals(same(here))


def test_a_function_goes_to_an_executor_by_its_value():
    factor = 3
    with ProcessPoolExecutor(1, mp_context=FORKSERVER) as processes:
        runs = tuning_run(lambda x: {"y": factor * x}, flags={"x": [1, 2]}, executor=processes)
    assert sorted(runs["eval_y"]) == [3, 6]


def test_errors_come_back_from_executors():
    Path("train.py").write_text("raise ValueError('not today')\n")
    with (
        ProcessPoolExecutor(1, mp_context=FORKSERVER) as processes,
        pytest.raises(TrainingRunError, match="not today"),
    ):
        tuning_run("train.py", flags={"lr": [1, 2]}, executor=processes, workers=1)
    assert ls_runs()["status"].to_list() == ["failed"]


def suicide(x):  # noqa: ARG001 - it does not come so far
    os.kill(os.getpid(), signal.SIGKILL)


def test_an_executor_that_breaks_leaves_a_sweep_that_goes_on():
    with (
        ProcessPoolExecutor(1, mp_context=FORKSERVER) as processes,
        pytest.raises(BrokenProcessPool),
    ):
        tuning_run(suicide, flags={"x": [1]}, executor=processes, in_process=True)
    assert ls_runs()["status"].to_list() == ["killed"]

    def again(x):
        return x

    again.__qualname__ = "suicide"
    runs = tuning_run(again, resume="2")
    assert runs["status"].to_list() == ["completed"]


def test_ray_runs_the_same_grid_by_a_few_lines():
    ray = pytest.importorskip("ray")
    Path("train.py").write_text(SCRIPT)
    here = tuning_run("train.py", flags=FLAGS, workers=2)

    class RayExecutor(Executor):
        def submit(self, fn, /, *args, **kwargs):
            return ray.remote(fn).remote(*args, **kwargs).future()

    path = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    ray.init(num_cpus=2, include_dashboard=False, runtime_env={"env_vars": path})
    try:
        there = tuning_run("train.py", flags=FLAGS, executor=RayExecutor())
    finally:
        ray.shutdown()
    assert same(here).equals(same(there))


def test_submitit_runs_jobs_by_a_few_lines():
    submitit = pytest.importorskip("submitit")
    Path("train.py").write_text(SCRIPT)
    slurm = submitit.AutoExecutor(folder="slurm_logs", cluster="local")
    slurm.update_parameters(timeout_min=5)

    class SlurmExecutor(ThreadPoolExecutor):
        def submit(self, fn, /, *args, **kwargs):
            return super().submit(slurm.submit(fn, *args, **kwargs).result)

    with SlurmExecutor(2) as executor:
        there = tuning_run("train.py", flags=FLAGS, executor=executor, workers=2)
    assert same(tuning_run("train.py", flags=FLAGS)).equals(same(there))
