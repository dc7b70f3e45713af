import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import polars as pl
import pytest

from tfruns_rs import ls_runs, ls_sweeps, run_dir, training_run, tuning_run
from tfruns_rs.errors import FlagsError, SweepNotFoundError, TfrunsError, TrainingRunError

EVALUATE = """
import os
from tfruns_rs import flag_numeric, flag_string, flags, write_run_metadata
F = flags(flag_numeric("x", 0), flag_numeric("y", 0), flag_string("act", "none"))
write_run_metadata("evaluation", {"z": 10 * F.x + F.y, "device": os.environ.get("CUDA_VISIBLE_DEVICES", "?")})
"""
GRID = {"x": [1, 2, 3], "y": [4, 5]}


@pytest.fixture(autouse=True)
def script():
    Path("train.py").write_text(EVALUATE)


def identity(x):
    return x


def test_the_first_flag_varies_fastest(capfd):
    runs = tuning_run("train.py", flags={**GRID, "act": "relu"}, context="test", properties={"team": "a"})
    oldest_first = runs.reverse()
    assert oldest_first["flag_x"].to_list() == [1, 2, 3, 1, 2, 3]
    assert oldest_first["flag_y"].to_list() == [4, 4, 4, 5, 5, 5]
    assert runs["flag_act"].unique().to_list() == ["relu"]
    assert runs["eval_z"].to_list() == [35, 25, 15, 34, 24, 14]
    assert runs["context"].unique().to_list() == ["test"]
    assert runs["team"].unique().to_list() == ["a"]
    shown = capfd.readouterr().err
    assert "6 total combinations of flags (use sample parameter to run a random subset)" in shown
    assert "Training run 2/6 (flags = x = 2, y = 4, act = relu)" in shown


def test_r_columns_stay_where_they_are():
    alone = training_run("train.py", flags={"x": 1}, echo=False)
    tuned = tuning_run("train.py", flags={"x": [1]})
    assert [name for name in tuned.columns if name != "sweep"] == alone.columns
    with pytest.raises(ValueError, match="sweep"):
        tuning_run("train.py", flags={"x": [1]}, properties={"sweep": "mine"})


def test_a_frame_may_repeat_rows_and_leave_flags_out():
    frame = pl.DataFrame({"x": [1, 1, 2], "y": [None, None, 7]})
    runs = tuning_run("train.py", flags=frame, workers=3)
    assert sorted(runs["eval_z"]) == [10, 10, 27]
    again = tuning_run("train.py", flags=frame, resume=True)
    assert again["run_dir"].sort().equals(runs["run_dir"].sort())
    with pytest.raises(FlagsError, match="no rows"):
        tuning_run("train.py", flags=frame.clear())


def test_sample_draws_without_replacement_by_seed(capfd):
    def values(seed):
        runs = tuning_run(identity, flags={"x": list(range(20))}, sample=0.21, seed=seed, echo=False)
        return runs.reverse()["flag_x"].to_list()

    first = values(7)
    assert "20 total combinations of flags (sampled to 5 combinations)" in capfd.readouterr().err
    assert len(set(first)) == 5
    assert first == values(7)
    assert first != values(8)


def test_the_frame_holds_exactly_the_runs_of_the_sweep():
    stop = threading.Event()

    def others():
        while not stop.is_set():
            training_run("train.py", echo=False)

    beside = threading.Thread(target=others)
    beside.start()
    try:
        runs = tuning_run("train.py", flags=GRID, workers=2)
    finally:
        stop.set()
        beside.join()
    assert runs.height == 6
    assert sorted(runs["eval_z"]) == [14, 15, 24, 25, 34, 35]
    assert ls_runs().height > 6


def test_confirmation_asks_with_the_count(monkeypatch, capfd):
    asked = []
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda _: True})())
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "n")
    assert tuning_run("train.py", flags=GRID) is None
    assert asked == ["Proceed with tuning run? [Y/n]: "]
    assert "6 total combinations" in capfd.readouterr().err
    assert not Path("runs").exists()


def test_slots_have_devices():
    runs = tuning_run("train.py", flags=GRID, devices=["cuda:0", "cuda:3"])
    assert set(runs["eval_device"]) == {"0", "3"}
    runs = tuning_run("train.py", flags={"x": [1]}, devices=lambda slot: {"CUDA_VISIBLE_DEVICES": f"u{slot}"})
    assert runs["eval_device"].to_list() == ["u0"]
    with pytest.raises(ValueError, match="devices is a list"):
        tuning_run("train.py", flags=GRID, devices="cuda:0")


FAILS = """
from pathlib import Path
from tfruns_rs import flag_integer, flags
F = flags(flag_integer("x", 0))
tries = len(list(Path().glob(f"tried-{F.x}-*")))
Path(f"tried-{F.x}-{tries}").touch()
if F.x == 1 and tries < 2:
    raise ValueError("bad luck")
"""


def test_a_failure_stops_the_sweep():
    Path("train.py").write_text(FAILS)
    with pytest.raises(TrainingRunError, match="bad luck"):
        tuning_run("train.py", flags={"x": [0, 1, 2]})
    assert ls_runs()["status"].to_list() == ["failed", "completed"]
    (about,) = ls_sweeps().rows(named=True)
    assert (about["completed"], about["failed"], about["waiting"], about["status"]) == (1, 1, 1, "unfinished")


def test_a_failure_is_a_row_where_the_sweep_continues(capfd):
    Path("train.py").write_text(FAILS)
    runs = tuning_run("train.py", flags={"x": [0, 1, 2]}, on_error="continue")
    assert runs.sort("flag_x")["status"].to_list() == ["completed", "failed", "completed"]
    assert "1 of 3 combinations failed" in capfd.readouterr().err


def test_retries_try_again():
    Path("train.py").write_text(FAILS)
    runs = tuning_run("train.py", flags={"x": [0, 1, 2]}, retries=2)
    assert runs["status"].to_list() == ["completed"] * 3
    assert ls_runs()["status"].sort().to_list() == ["completed"] * 3 + ["failed"] * 2


def test_a_run_has_its_time():
    Path("train.py").write_text("import time; time.sleep(60)\n")
    runs = tuning_run("train.py", flags={"x": [1]}, timeout=1, on_error="continue")
    assert "timeout of 1 s" in runs["error_message"][0]


def test_resume_begins_goes_on_and_tells_sweeps_apart():
    Path("train.py").write_text(FAILS)
    with pytest.raises(TrainingRunError):
        tuning_run("train.py", flags={"x": [1, 2]}, resume=True)
    with pytest.raises(TrainingRunError):
        tuning_run("train.py", flags={"x": [1, 2]}, resume=True)
    assert ls_sweeps().height == 1
    runs = tuning_run("train.py", flags={"x": [1, 2]}, resume=True)
    assert runs["status"].to_list() == ["completed"] * 2
    assert ls_sweeps()["status"].to_list() == ["finished"]
    assert tuning_run("train.py", flags={"x": [1, 2]}, resume=True).equals(runs)
    tuning_run("train.py", flags={"x": [1, 2]})
    with pytest.raises(ValueError, match="several sweeps"):
        tuning_run("train.py", flags={"x": [1, 2]}, resume=True)
    with pytest.raises(ValueError, match="several sweeps"):
        tuning_run("train.py", resume="20")
    with pytest.raises(SweepNotFoundError):
        tuning_run("train.py", resume="nothing")
    first = ls_sweeps()["sweep"][-1]
    with pytest.raises(ValueError, match="something else"):
        tuning_run("train.py", flags={"x": [3]}, resume=first)
    assert tuning_run("train.py", resume=first).equals(runs)


def test_several_processes_work_on_one_sweep():
    """They begin at the same moment, as the tasks of a job array do."""
    Path("train.py").write_text("import time; time.sleep(0.3)\n" + EVALUATE)
    flags = {"x": list(range(8))}
    text = f"import tfruns_rs as t; print(t.tuning_run('train.py', flags={flags}, resume=True).height)"
    tasks = [
        subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(3)
    ]
    assert [task.communicate(timeout=120)[0] for task in tasks] == [b"8\n"] * 3
    assert ls_sweeps()["status"].to_list() == ["finished"]
    completed = ls_runs("completed")
    assert sorted(completed["flag_x"]) == flags["x"], "none ran twice"
    shutil.rmtree("runs/.sweeps/" + ls_sweeps()["sweep"][0])
    assert tuning_run("train.py", flags={"x": [1]}, resume=True).height == 1


def test_a_function_runs_here_or_in_processes_of_its_own():
    here = []

    def objective(x, y=1):
        here.append(os.getpid())
        assert run_dir().parent.name == "runs"
        return {"sum": x + y}

    runs = tuning_run(objective, flags={"x": [1, 2]}, echo=False)
    assert sorted(runs["eval_sum"]) == [2, 3]
    assert here == [os.getpid()] * 2
    runs = tuning_run(objective, flags={"x": [1, 2]}, workers=2)
    assert sorted(runs["eval_sum"]) == [2, 3]
    assert here == [os.getpid()] * 2, "those ran elsewhere"
    assert runs["script"].unique().to_list() == [objective.__qualname__]
    with pytest.raises(ValueError, match="one at a time"):
        tuning_run(objective, flags={"x": [1]}, workers=2, in_process=True)


def test_sweeps_do_not_nest():
    def outer(x):
        tuning_run(identity, flags={"x": [x]})

    with pytest.raises(TfrunsError, match="sweeps do not nest"):
        tuning_run(outer, flags={"x": [1]}, echo=False)
    Path("train.py").write_text("import tfruns_rs as t\nt.tuning_run('train.py', flags={'x': [1]})\n")
    with pytest.raises(TrainingRunError, match="sweeps do not nest"):
        tuning_run("train.py", flags={"x": [1]})
    assert tuning_run(identity, flags={"x": [1]}, echo=False).height == 1


def test_bad_requests_say_so_before_anything_runs():
    with pytest.raises(FileNotFoundError):
        tuning_run("missing.py", flags=GRID)
    with pytest.raises(FlagsError, match="has no values"):
        tuning_run("train.py", flags={"x": []})
    with pytest.raises(FlagsError, match="of type object"):
        tuning_run("train.py", flags={"x": [object()]})
    with pytest.raises(ValueError, match="workers"):
        tuning_run("train.py", flags=GRID, workers=0)
    with pytest.raises(ValueError, match="on_error"):
        tuning_run("train.py", flags=GRID, on_error="ignore")
    with pytest.raises(ValueError, match="belong to a search"):
        tuning_run("train.py", flags=GRID, max_runs=3)
    assert not Path("runs").exists()


def test_ls_sweeps_has_a_fixed_schema():
    empty = ls_sweeps()
    tuning_run(identity, flags={"x": [3, 1, 2]}, metric="value", echo=False)
    sweeps = ls_sweeps()
    assert sweeps.schema == empty.schema
    (row,) = sweeps.rows(named=True)
    assert (row["script"], row["search"], row["total"], row["completed"]) == ("identity", "grid", 3, 3)
    assert (row["metric"], row["direction"], row["best"], row["status"]) == (
        "value",
        "minimize",
        1.0,
        "finished",
    )
    assert ls_runs(pl.col("run_dir") == row["best_run"])["flag_x"].to_list() == [1]
    assert time.time() - row["created"].timestamp() < 600


def test_r_can_list_the_runs_beside_a_sweep():
    tuning_run(identity, flags={"x": [1]}, echo=False)
    visible = [path for path in Path("runs").iterdir() if not path.name.startswith(".")]
    assert all((path / "tfruns.d/properties/sweep").is_file() for path in visible)
    assert len(visible) == 1
