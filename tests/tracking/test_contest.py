"""Uploads that are killed, and uploads at the same time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def contest(tmp_path, mode, *arguments):
    (tmp_path / "work").mkdir()
    done = subprocess.run(
        [
            sys.executable,
            HERE / "contest.py",
            mode,
            tmp_path / "shared",
            tmp_path / "work",
            *arguments,
        ],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(HERE.parent), *sys.path[1:]]),
            "TFRUNS_RUNS_DIR": "runs",
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_29_a_replace_killed_at_any_step_leaves_one_whole_run(tmp_path):
    told = contest(tmp_path, "kill", "1")
    assert told["steps"] > 50
    assert told["old"] > 30
    assert told["new"] >= 2


@pytest.mark.parametrize(
    ("strategy", "statuses", "nodes"),
    [
        ("error", [0, 7, 7, 7], 1),
        ("new", [0, 0, 0, 0], 4),
        ("skip", [0, 3, 3, 3], 1),
        ("replace", [0, 0, 0, 0], 1),
    ],
)
def test_32_of_uploads_at_once_each_strategy_keeps_its_word(tmp_path, strategy, statuses, nodes):
    rounds = contest(tmp_path, "race", strategy, "4", "10")
    assert len(rounds) == 10
    for told in rounds:
        assert told["statuses"] == statuses
        assert told["nodes"] == nodes
        assert told["holder_won"]
        assert told["generations"] == (4 if strategy == "replace" else 1)
