"""Flags of `training_run` on their way into scripts."""

import json
from pathlib import Path

import pytest

from tfruns.scripts import script
from tfruns_rs import (
    training_run,
)
from tfruns_rs.errors import FlagsError

pytestmark = pytest.mark.usefixtures("workdir")


def test_flags_reach_the_script_and_are_recorded():
    script(
        "from tfruns_rs import flags, flag_numeric, flag_string\n"
        "FLAGS = flags(flag_numeric('lr', 0.01), flag_string('act', 'relu'))\n"
        "print(FLAGS.lr, FLAGS.act)\n"
    )
    row = training_run(flags={"lr": 2e-5}, echo=False)
    assert row["output"][0] == "2e-05 relu"
    assert (row["flag_lr"][0], row["flag_act"][0]) == (2e-5, "relu")
    Path("other.yml").write_text("lr: 7\n")
    assert training_run(flags="other.yml", echo=False)["flag_lr"][0] == 7
    Path("flags.yml").write_text("default:\n  lr: 1\nbig:\n  lr: 9\n")
    assert training_run(config="big", echo=False)["flag_lr"][0] == 9


def test_flags_that_can_not_be_are_refused_before_a_run_is_made():
    script("")
    for wrong in ("missing.yml", ["a"], 3):
        with pytest.raises(FlagsError, match="flags must be"):
            training_run(flags=wrong)
    with pytest.raises(FileNotFoundError, match=r"The script 'missing.py' does not exist."):
        training_run("missing.py")
    for wrong in (
        {"command": ["true"], "file": "train.py"},
        {"command": ["true"], "envir": {}},
        {"envir": {}, "in_process": False},
        {"timeout": 1, "in_process": True},
        {"resume": True},
        {"pass_flags": "xml"},
        {"properties": {"a/b": 1}},
        {"view": "yes"},
        {"command": []},
    ):
        with pytest.raises(ValueError, match=r".+"):
            training_run(**wrong)
    for wrong in ({"command": "echo hi"}, {"file": 3}):
        with pytest.raises(TypeError, match=r"list of words|a script or a function"):
            training_run(**wrong)
    assert not Path("runs").exists()


def test_flags_nobody_takes_are_warned_of():
    script("")
    with pytest.warns(UserWarning, match="did not call flags"):
        training_run(flags={"lr": 1})
    with pytest.warns(UserWarning, match="the function takes none of them"):
        training_run(lambda: None, flags={"lr": 1}, echo=False)
    with pytest.warns(UserWarning, match="flags that the function does not take: zz") as warned:
        training_run(lambda lr: lr, flags={"lr": 1, "zz": 2, "none": None}, echo=False)
    assert len(warned) == 1
    assert warned[0].filename == __file__


def test_flags_are_passed_to_click():
    script(
        "import click\n"
        "@click.command()\n"
        "@click.option('--lr', type=float)\n"
        "@click.option('--fast/--no-fast', default=True)\n"
        "@click.option('--name')\n"
        "def main(**given): print(given)\n"
        "main()\n"
    )
    row = training_run(flags={"lr": 2e-5, "fast": False, "name": "a b=c"}, pass_flags="argv", echo=False)
    assert row["output"][0] == "{'lr': 2e-05, 'fast': False, 'name': 'a b=c'}"
    assert (row["flag_lr"][0], row["flag_fast"][0], row["flag_name"][0]) == (2e-5, False, "a b=c")


def test_flags_as_arguments_reach_flags_as_well():
    script(
        "import tfruns_rs as tfr\n"
        "print(dict(tfr.flags(tfr.flag_boolean('bn', True), tfr.flag_numeric('lr', 1))))\n"
    )
    row = training_run(flags={"bn": False, "lr": 3}, pass_flags="argv", echo=False)
    assert row["output"][0] == "{'bn': False, 'lr': 3.0}"


def test_flags_are_passed_to_hydra():
    pytest.importorskip("hydra")
    Path("conf").mkdir()
    script("lr: 0.1\nmodel:\n  name: a\n  layers: [1]\nflag: false\nnone: 1\n", "conf/config.yaml")
    script(
        "import hydra, json, pathlib\n"
        "from omegaconf import OmegaConf\n"
        "@hydra.main(config_path='conf', config_name='config', version_base=None)\n"
        "def main(config):\n"
        "    print(json.dumps(OmegaConf.to_container(config)))\n"
        "    place = hydra.core.hydra_config.HydraConfig.get().runtime.output_dir\n"
        "    pathlib.Path(place, 'model.bin').write_text('m')\n"
        "main()\n"
    )
    texts = [
        "it's a, b=c {x} \\ $HOME",
        "1e3",
        "true",
        "null",
        "123",
        "",
        "*",
        "[1]",
        "\u00fc",
        "a.b",
        "\\",
        "\\'\\\\",
    ]
    given = {
        "lr": 2e-5,
        "model.name": "x y",
        "model.layers": [1, 2],
        "flag": True,
        "none": None,
        "+texts": texts,
    }
    row = training_run(flags=given, pass_flags="hydra", echo=False)
    assert json.loads(row["output"][0]) == {
        "lr": 2e-5,
        "model": {"name": "x y", "layers": [1, 2]},
        "flag": True,
        "none": None,
        "texts": texts,
    }
    assert (row["flag_lr"][0], row["flag_model.name"][0], row["flag_flag"][0]) == (2e-5, "x y", True)
    assert [path.name for path in Path(row["run_dir"][0], "outputs").rglob("*.bin")] == ["model.bin"]


def test_flags_are_passed_to_foreign_parsers():
    script(
        "import argparse\n"
        "parser = argparse.ArgumentParser()\n"
        "parser.add_argument('--lr', type=float)\n"
        "parser.add_argument('--fast', action=argparse.BooleanOptionalAction)\n"
        "parser.add_argument('--name')\n"
        "print(parser.parse_args())\n"
    )
    row = training_run(
        flags={"lr": 0.5, "fast": False, "name": "a b", "none": None}, pass_flags="argv", echo=False
    )
    assert row["output"][0] == "Namespace(lr=0.5, fast=False, name='a b')"
    assert (row["flag_lr"][0], row["flag_fast"][0], row["flag_name"][0]) == (0.5, False, "a b")
    script("import sys\nprint(sys.argv[1:])")
    row = training_run(
        flags={"a.lr": 0.5, "b": None, "c": [1, "x y"], "d": True}, pass_flags="hydra", echo=False
    )
    assert row["output"][0] == """['a.lr=0.5', 'b=null', "c=[1,'x y']", 'd=true']"""
