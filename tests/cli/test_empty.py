"""What a person is told where there is nothing yet: what to do next, in one line."""

import json
from pathlib import Path

import pytest

import tfruns_rs as tfr

NEEDS_A_RUN = [
    ("show",), ("events",), ("tail",), ("verify",), ("rerun",), ("view",), ("compare",),
    ("tag", "good"), ("note", "latest", "-m", "x"), ("rename", "latest", "x"), ("copy", "latest"),
    ("diff", "latest", "latest~1"), ("upload", "latest", "--to", "elsewhere"),
]  # fmt: skip


@pytest.mark.parametrize("words", NEEDS_A_RUN, ids=lambda words: words[0])
@pytest.mark.parametrize("is_there", [True, False])
def test_what_needs_a_run_says_how_to_come_by_one(call, words, is_there):
    if is_there:
        Path("runs").mkdir()
    said = call(*words, code=3).stderr
    assert said.startswith("Error: there ")
    assert "tfruns run train.py" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("ls",),
        ("sweeps",),
        ("du",),
        ("gc", "--keep-best", "1", "--by", "loss"),
        ("clean",),
        ("restore",),
        ("purge",),
    ],
)
def test_what_lists_or_tidies_up_says_that_there_is_nothing(call, words):
    result = call(*words)
    assert result.stderr.count("\n") == 1
    if words[0] in {"ls", "sweeps", "du", "gc"}:
        assert json.loads(call(*words, "--json").stdout) == []


@pytest.mark.usefixtures("runs")
def test_further_back_than_there_are_runs(call):
    assert "there are only 3 runs" in call("show", "latest~3", code=3).stderr


def test_upload_asks_where_to(call):
    assert "--to" in call("upload", code=2).stderr


def test_tail_of_an_ended_run_that_logged_nothing_ends(call):
    run = tfr.unique_run_dir("runs")
    tfr.write_run_metadata(
        "properties", {"type": "training", "start": 1.0, "end": 2.0, "completed": True}, run
    )
    assert call("tail").stdout == ""


def test_a_flag_that_is_not_declared_is_told_beside_those_that_are(call):
    Path("train.py").write_text(
        "import tfruns_rs as tfr\ntfr.flags(tfr.flag_numeric('learning_rate', 0.1))\n"
    )
    assert "lr (declared: learning_rate)" in call("run", "-q", "train.py", "-f", "lr=1", code=1).stderr
