"""`training_run(autolog=True)`: scripts that know nothing of us become runs."""

import shutil
import sys
from pathlib import Path

import pytest

import tfruns_rs as tfr

EXAMPLES = Path(__file__).parents[2] / "examples" / "frameworks"
LIGHT = {
    "tensorboardx_sine.py": {"metric_loss", "metric_val_loss"},
    "sklearn_search.py": {"metric_score", "metric_val_score", "eval_score", "samples", "model"},
    "xgboost_cancer.py": {"metric_logloss", "metric_val_logloss", "samples", "epochs", "learning_rate"},
    "lightgbm_cancer.py": {"metric_val_binary_logloss", "epochs", "learning_rate", "loss_function"},
}
R_KERAS = {"samples", "validation_samples", "epochs", "batch_size", "model", "optimizer", "learning_rate"}
HEAVY = {
    "torch_mnist.py": {"metric_loss", "metric_val_loss", "metric_val_accuracy"},
    "keras_digits.py": {*R_KERAS, "loss_function", "metric_loss", "metric_val_accuracy", "eval_accuracy"},
    "lightning_digits.py": {*R_KERAS, "loss_function", "metric_loss", "metric_val_loss", "eval_accuracy"},
    "transformers_parity.py": {*R_KERAS, "loss_function", "metric_loss", "metric_val_loss", "eval_accuracy"},
}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TFRUNS_RUNS_DIR", raising=False)


def recorded(name, columns, tmp_path):
    """Runs an example as it is; its run has these columns, and they hold something."""
    shutil.copy(EXAMPLES / name, tmp_path / name)
    tfr.training_run(name, autolog=True, view=False, echo=False)
    (row,) = tfr.ls_runs().rows(named=True)
    assert row["status"] == "completed"
    assert {column for column in columns if row.get(column) is None} == set()
    assert tfr.run_info(row["run_dir"]).metrics.height > 1
    return row


@pytest.mark.parametrize("name", LIGHT)
def test_examples(name, tmp_path):
    recorded(name, LIGHT[name], tmp_path)


@pytest.mark.frameworks
@pytest.mark.parametrize("name", HEAVY)
def test_examples_of_heavy_frameworks(name, tmp_path):
    recorded(name, HEAVY[name], tmp_path)


def test_every_example_is_run():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*LIGHT, *HEAVY}


def test_off_unless_asked_for(tmp_path):
    name = "tensorboardx_sine.py"
    shutil.copy(EXAMPLES / name, tmp_path / name)
    tfr.training_run(name, view=False, echo=False, artifacts_dir=None)
    run = tfr.ls_runs().row(0, named=True)
    assert not any(column.startswith("metric_") for column in run)
    assert list(tmp_path.glob("runs/*_*/events*"))  # where tensorboardX puts it


SCRIPT = """
import sys
sys.path.insert(0, ".")
from tensorboardX import SummaryWriter
writer = SummaryWriter()
writer.add_scalar("a", 1.0, 1)
writer.close()
"""


def test_commands_and_their_children():
    Path("inner.py").write_text(SCRIPT)
    Path("outer.py").write_text(
        "import subprocess, sys; subprocess.run([sys.executable, 'inner.py'], check=True)"
    )
    run = tfr.training_run(command=[sys.executable, "outer.py"], autolog=True, view=False, echo=False)
    assert run["metric_a"].item() == 1.0


def test_in_this_process_and_undone():
    import tensorboardX.writer

    before = tensorboardX.writer.SummaryWriter.__init__

    def train():
        with tensorboardX.SummaryWriter(comment="_x") as writer:
            writer.add_scalar("a", 2.0, 1)

    run = tfr.training_run(train, autolog=True, view=False, echo=False)
    assert run["metric_x_a"].item() == 2.0
    assert tensorboardX.writer.SummaryWriter.__init__ is before
    assert not any(type(finder).__name__ == "Watcher" for finder in sys.meta_path)


def test_figures_of_a_backend_of_the_script_s_choice():
    Path("plot.py").write_text("""
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
import warnings
warnings.simplefilter("ignore")
plt.plot([1, 2])
plt.show()
plt.savefig("mine.png")
""")
    run = tfr.training_run("plot.py", autolog=True, view=False, echo=False)
    assert [path.name for path in Path(run["run_dir"].item(), "plots").iterdir()] == ["Rplot001.png"]
    assert Path("mine.png").stat().st_size > 5000  # the figure was still there


def test_a_sitecustomize_of_the_user_s_runs_too():
    Path("own").mkdir()
    Path("own/sitecustomize.py").write_text("import builtins; builtins.mine = 7")
    Path("s.py").write_text("print('mine', mine)")
    run = tfr.training_run("s.py", autolog=True, view=False, echo=False, env={"PYTHONPATH": path_with("own")})
    assert run["output"].item() == "mine 7"


def path_with(directory):
    import os

    return os.pathsep.join([str(Path(directory).absolute()), *filter(None, [os.environ.get("PYTHONPATH")])])


def test_a_framework_of_another_shape_costs_a_line():
    Path("tensorboardX").mkdir()
    Path("tensorboardX/__init__.py").write_text("")
    Path("tensorboardX/writer.py").write_text("answer = 42")
    Path("s.py").write_text("import tensorboardX.writer; print(tensorboardX.writer.answer)")
    run = tfr.training_run("s.py", autolog=True, view=False, echo=False)
    assert run["output"].item() == "42"
    told = Path(run["run_dir"].item(), "tfruns.d", "stderr").read_text()
    assert "tensorboardX.writer is not logged by itself" in told


def test_watching_imports_nothing():
    Path("s.py").write_text("""
import sys
print(sorted({m.split(".")[0] for m in sys.modules} & {"tfruns_rs", "keras", "torch", "matplotlib", "numpy"}))
""")
    run = tfr.training_run("s.py", autolog=True, view=False, echo=False)
    assert run["output"].item() == "[]"
