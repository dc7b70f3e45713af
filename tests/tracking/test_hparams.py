"""Hyperparameters."""

import json
from pathlib import Path

import numpy as np
import pytest

import tfruns_rs as tfr
from tfruns_rs.tracking._hparams import HParams


@pytest.fixture
def run(tmp_path):
    with tfr.create_run(hparams={"lr": 0.1, "net": {"width": 8}}, runs_dir=tmp_path) as run:
        yield run


def written(run, name="hparams"):
    return json.loads(Path(run.local, f"tfruns.d/{name}.json").read_text())


def test_17_changes_are_in_the_file_at_once(run):
    run.hparams["epochs"] = 10
    run.hparams.update({"lr": 0.5, "seed": 1}, override=False)
    assert run.hparams == {"lr": 0.1, "net": {"width": 8}, "epochs": 10, "seed": 1}
    assert written(run) == run.hparams.as_dict()
    assert tfr.load_run(run.local).hparams == run.hparams


@pytest.mark.parametrize("bad", [object(), {1, 2}, lambda: 0, {"a": object()}, [object()], {1: 2}, 1j, b"x"])
def test_17_what_json_cannot_hold_changes_nothing(run, bad):
    before = run.hparams.as_dict()
    with pytest.raises(TypeError):
        run.hparams.update({"fine": 1, "bad": bad})
    assert run.hparams == before
    assert written(run) == before


def test_attributes_and_items_are_one(run):
    run.hparams.net.depth = 3
    assert run.hparams["net"]["depth"] == 3
    del run.hparams.net.width
    assert written(run) == {"lr": 0.1, "net": {"depth": 3}}
    assert run.hparams.lr == 0.1
    with pytest.raises(AttributeError, match="nothing"):
        _ = run.hparams.nothing
    with pytest.raises(KeyError):
        del run.hparams["nothing"]


def test_scalars_of_numpy_become_plain(run):
    run.hparams.update(a=np.float32(0.5), b=np.int64(3), c=np.array([1, 2]), d=np.float64(0.1), e=True)
    plain = run.hparams.as_dict()
    assert plain == {"lr": 0.1, "net": {"width": 8}, "a": 0.5, "b": 3, "c": [1, 2], "d": 0.1, "e": True}
    assert [type(plain[name]) for name in "abde"] == [float, int, float, bool]


def test_leaves_are_flags(run):
    run.hparams.update(ratio=float("nan"), name=None, layers=[1, 2])
    assert written(run, "flags") == {"lr": 0.1, "net.width": 8, "ratio": "NaN"}
    frame = tfr.ls_runs(runs_dir=Path(run.local).parent)
    assert frame["flag_net.width"].to_list() == [8]
    assert np.isnan(tfr.load_run(run.local).hparams.ratio)
    del run.hparams["lr"]
    assert "lr" not in written(run, "flags")


def test_flags_of_the_script_stay(run):
    tfr.write_run_metadata("flags", {"dropout": 0.5}, run.local)
    run.hparams.lr = 0.2
    assert written(run, "flags") == {"dropout": 0.5, "lr": 0.2, "net.width": 8}


def test_secrets_are_masked_in_files_and_kept_in_memory(run):
    run.hparams.update(api_key="abcdef", tokens=17, model={"password": "geheim"})
    assert run.hparams.api_key == "abcdef"
    text = "".join(path.read_text(errors="replace") for path in Path(run.local).rglob("*.json"))
    assert "abcdef" not in text
    assert "geheim" not in text
    assert written(run)["tokens"] == 17


def test_in_memory_they_are_a_mapping():
    hparams = HParams({"a": {"b": 1}})
    copy = hparams.as_dict()
    copy["a"]["b"] = 2
    assert hparams.a.b == 1
    assert dict(hparams) == {"a": {"b": 1}}
    assert hparams == HParams({"a": {"b": 1}})
