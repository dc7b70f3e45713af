"""What the tests of R's tfruns hold it to, line by line."""

import json
import tarfile
from pathlib import Path

import polars as pl
import pytest

from tfruns_rs import (
    RunInfo,
    clean_runs,
    copy_run,
    copy_run_files,
    flag_boolean,
    flag_integer,
    flag_numeric,
    flag_string,
    flags,
    latest_run,
    ls_runs,
    purge_runs,
    training_run,
)
from tfruns_rs.errors import FlagsError, TrainingRunError

TRAIN = """
from tfruns_rs import flag_numeric, flags
FLAGS = flags(flag_numeric("learning_rate", 0.01))
"""
TRAIN_ERROR = TRAIN + 'raise Exception("Training error occurred")\n'
WRITE_RUN_DATA = """
from pathlib import Path
from tfruns_rs import flag_integer, flag_numeric, flags, write_run_metadata
FLAGS = flags(flag_numeric("learning_rate", 0.01), flag_integer("max_steps", 5000))
epochs = range(1, 31)
write_run_metadata("metrics", {
    "acc": [epoch / 31 for epoch in epochs],
    "loss": [1 / epoch for epoch in epochs],
    "val_acc": [epoch / 32 for epoch in epochs],
    "val_loss": [1.1 / epoch for epoch in epochs],
})
write_run_metadata("properties", {"foo": "bar", "index": 42})
write_run_metadata("foo", lambda data_dir: (data_dir / "foo").write_text("foo"))
Path("subdir").mkdir()
Path("extra.dat").write_text("extra")
Path("subdir/extra.dat").write_text("extra")
"""
FLAGS_PRECISION = """
from tfruns_rs import flag_numeric, flags
FLAGS = flags(flag_numeric("a", 2e-5), flag_numeric("b", 1e-6))
"""


@pytest.fixture(autouse=True)
def workdir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_scripts()


def write_scripts():
    Path("train.py").write_text(TRAIN)
    Path("train-error.py").write_text(TRAIN_ERROR)
    Path("write_run_data.py").write_text(WRITE_RUN_DATA)
    Path("flags-precision.py").write_text(FLAGS_PRECISION)
    Path("flags-override.yml").write_text("learning_rate: 0.02\n")
    Path("flags-profile-override.yml").write_text(
        "default:\n  max_steps: 7\nmyconfig:\n  learning_rate: 0.03\n"
    )
    Path("flags-learning-rate.yml").write_text("learning_rate: 0.05\n")


def run(file="train.py", **kwargs):
    return training_run(file, view=False, echo=False, **kwargs)


def sources_in(run_dir):
    with tarfile.open(Path(run_dir) / "tfruns.d/source.tar.gz") as archive:
        return {
            Path(file.name).name: archive.extractfile(file).read().decode()
            for file in archive
            if file.isfile()
        }


# copy


def test_01_training_run_returns_a_frame_and_latest_run_a_run():
    for _ in range(3):
        assert isinstance(run(), pl.DataFrame)
    assert isinstance(latest_run(), RunInfo)


def test_02_copy_run_with_rename_copies_artifacts_and_source():
    run("write_run_data.py")
    copy_run(latest_run(), rename="run-copy")
    assert Path("run-copy/subdir/extra.dat").read_text() == "extra"
    assert sources_in("run-copy")["write_run_data.py"] == WRITE_RUN_DATA


def test_03_copy_run_files_with_rename_copies_artifacts():
    run("write_run_data.py")
    copy_run_files(latest_run(), rename="files-copy")
    assert Path("files-copy/extra.dat").read_text() == "extra"
    assert sorted(path.name for path in Path("files-copy").iterdir()) == ["extra.dat", "subdir"]


def test_04_copy_run_copies_the_first_rows_of_ls_runs():
    for _ in range(4):
        run()
    runs = ls_runs().head(3)
    copy_run(runs, to="top-runs")
    assert sorted(path.name for path in Path("top-runs").iterdir()) == sorted(
        Path(name).name for name in runs["run_dir"]
    )


# flags


def four_flags(**kwargs):
    return flags(
        flag_numeric("learning_rate", 0.01, "Initial learning rate."),
        flag_integer("max_steps", 5000, "Number of steps to run trainer."),
        flag_string("data_dir", "MNIST-data", "Directory for training data"),
        flag_boolean("fake_data", False, "If true, use fake data for testing"),
        **kwargs,
    )


EXPECTED = {"learning_rate": 0.01, "max_steps": 5000, "data_dir": "MNIST-data", "fake_data": False}


def test_05_flags_have_the_expected_values():
    assert dict(four_flags()) == EXPECTED


def test_06_flags_have_the_expected_types():
    assert [type(value) for value in four_flags().values()] == [float, int, str, bool]


def test_07_without_overrides_flags_have_their_defaults():
    assert dict(four_flags(arguments=[])) == EXPECTED


def test_08_the_command_line_overrides_flags():
    assert four_flags(arguments=["--learning-rate", "0.02"]).learning_rate == 0.02


def test_09_an_unknown_flag_is_an_error():
    with pytest.raises(FlagsError, match="learn_rate"):
        four_flags(arguments=["--learn-rate", "0.02"])


def test_10_files_and_profiles_override_flags():
    assert four_flags(file="flags-override.yml").learning_rate == 0.02
    assert four_flags(file="flags-profile-override.yml", config="myconfig").learning_rate == 0.03


def test_11_what_follows_args_is_ignored():
    arguments = ["--learning-rate", "0.47", "--args", "--learning-rate", "0.9", "--other=1"]
    assert four_flags(arguments=arguments).learning_rate == 0.47


# run data


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("written")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        write_scripts()
        return directory / run("write_run_data.py")["run_dir"][0]


def test_12_flags_are_written(written):
    flags = json.loads((written / "tfruns.d/flags.json").read_text())
    assert flags == {"learning_rate": 0.01, "max_steps": 5000}


def test_13_source_is_written(written):
    assert sources_in(written)["train.py"] == TRAIN
    assert sources_in(written)["write_run_data.py"] == WRITE_RUN_DATA


def test_14_metrics_are_written(written):
    metrics = json.loads((written / "tfruns.d/metrics.json").read_text())
    assert list(metrics) == ["acc", "loss", "val_acc", "val_loss"]
    assert metrics["loss"] == pytest.approx([1 / epoch for epoch in range(1, 31)])


def test_15_properties_are_written(written):
    assert (written / "tfruns.d/properties/foo").read_text() == "bar\n"
    assert (written / "tfruns.d/properties/index").read_text() == "42\n"


def test_16_custom_types_are_written(written):
    assert (written / "tfruns.d/foo").read_text() == "foo"


def test_17_created_files_are_copied_into_the_run(written):
    assert (written / "extra.dat").read_text() == "extra"
    assert (written / "subdir/extra.dat").read_text() == "extra"


def test_18_flags_keep_their_precision():
    path = Path(run("flags-precision.py")["run_dir"][0])
    assert list(json.loads((path / "tfruns.d/flags.json").read_text()).values()) == [2e-5, 1e-6]


# runs


def test_19_the_run_directory_exists_after_training_run():
    assert Path(run(run_dir="runs/explicit")["run_dir"][0]).resolve() == Path("runs/explicit").resolve()
    assert Path("runs/explicit/tfruns.d").is_dir()


def test_20_ls_runs_is_a_frame_with_start_and_run_dir():
    run()
    assert isinstance(ls_runs(), pl.DataFrame)
    assert {"start", "run_dir"} <= set(ls_runs().columns)


def test_21_latest_run_is_the_run_just_made():
    run()
    name = Path(run()["run_dir"][0]).name
    assert Path(latest_run().run_dir).name == name


def test_22_the_latest_run_is_completed():
    run()
    assert ls_runs(latest_n=1)["completed"].to_list() == [True]


def test_23_clean_and_purge_move_and_remove_all_runs():
    run()
    clean_runs(confirm=False)
    assert len(ls_runs()) == 0
    assert len(ls_runs(runs_dir="runs/archive")) > 0
    purge_runs(confirm=False)
    assert len(ls_runs(runs_dir="runs/archive")) == 0


def test_24_flags_come_from_a_file():
    run(flags="flags-learning-rate.yml")
    assert latest_run().flag_learning_rate == 0.05


def test_25_a_failing_script_tells_its_error_and_is_listed():
    with pytest.raises(TrainingRunError, match="Training error occurred"):
        run("train-error.py")
    listed = ls_runs(latest_n=1).row(0, named=True)
    assert listed["completed"] is False
    assert listed["error_message"] == "Training error occurred"
