"""`tfruns import`: what other tools recorded."""

import json
import shutil
from pathlib import Path

from cli.command import at_terminal

FOREIGN = Path(__file__).parents[1] / "data/importers"


def test_import_tells_a_row_a_run(call):
    source = FOREIGN / "sacred"
    told = json.loads(call("import", source, "--json").stdout)
    assert [row["status"] for row in told] == ["imported", "imported"]
    again = json.loads(call("import", source, "--json").stdout)
    assert [row["status"] for row in again] == ["unchanged", "unchanged"]
    assert [row["run_dir"] for row in again] == [row["run_dir"] for row in told]
    listed = json.loads(call("ls", "--json").stdout)
    assert sorted(row["status"] for row in listed) == ["completed", "failed"]


def test_import_lists_and_writes_nothing(call):
    rows = json.loads(call("import", FOREIGN / "sacred", FOREIGN / "guild", "--list", "--json").stdout)
    assert sorted({row["tool"] for row in rows}) == ["guild", "sacred"]
    assert {"flag_lr", "status"} <= rows[0].keys()
    assert not Path("runs").exists()


def test_import_says_which_runs_it_can_not_read(call, tmp_path):
    broken = tmp_path / "sacred/3"
    broken.mkdir(parents=True)
    (broken / "run.json").write_text("{")
    (broken / "config.json").write_text("{}")
    assert str(broken) in call("import", tmp_path / "sacred", code=1).stderr
    shutil.copytree(FOREIGN / "sacred/1", tmp_path / "sacred/1")
    assert str(broken) in call("import", tmp_path / "sacred", code=4).stderr
    assert "no run of wandb" in call("import", tmp_path / "sacred", "--tool", "wandb", code=3).stderr
    call("import", "nowhere", code=3)
    call("import", code=2)


def test_import_at_a_terminal():
    text, code = at_terminal(["import", str(FOREIGN / "wandb")], 80, environment={"NO_COLOR": "1"})
    assert code == 0
    (first, *_) = Path("runs").glob("2*")
    assert f"imported  {first.name}" in text
    assert max(map(len, text.splitlines())) <= 80
