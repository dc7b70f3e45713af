"""The verbs that list, show, mark and move runs."""

import csv
import io
import json
import os
import re
from pathlib import Path

import pytest

import tfruns_rs as tfr
from cli.command import at_terminal, make_run


def names_of(text):
    return [Path(line).name for line in text.split()]


@pytest.mark.usefixtures("runs")
def test_ls_is_ls_runs(call):
    rows = json.loads(call("ls", "--json").stdout)
    frame = tfr.ls_runs()
    assert [row["run_dir"] for row in rows] == frame["run_dir"].to_list()
    assert list(rows[0]) == frame.columns
    assert rows[0]["start"] == "2023-11-14T22:20:00.000Z"
    table = list(csv.DictReader(io.StringIO(call("ls", "--csv").stdout)))
    assert [float(row["flag_rate"]) for row in table] == frame["flag_rate"].to_list()
    assert call("ls").stdout.split("\n")[0].split("\t") == frame.columns


def test_ls_filters_sorts_and_picks(call, runs):
    assert names_of(call("ls", "--names", "--sort", "eval_accuracy").stdout) == [
        runs[2].name,
        runs[0].name,
        runs[1].name,
    ]
    assert names_of(call("ls", "--names", "--sort", "flag_rate", "--reverse").stdout)[0] == runs[2].name
    assert names_of(call("ls", "--names", "--filter", "flag_rate > 3").stdout) == [runs[1].name]
    assert names_of(call("ls", "--names", "-n", "1").stdout) == [runs[1].name]
    picked = call("ls", "-c", "run,flag_*,best_*", "--best", "loss=min").stdout
    assert picked.splitlines()[1] == f"{runs[1].name}\t4.0\t4.0\t2.0"
    assert call("ls", "--names", "--status", "failed").stdout == ""
    assert json.loads(call("ls", "--json", "--status", "failed").stdout) == []
    call("ls", "-c", "nonsense", code=2)


def test_ls_without_runs_says_what_to_do(call):
    result = call("ls")
    assert "tfruns run train.py" in result.stderr
    assert json.loads(call("ls", "--json").stdout) == []


def test_ls_at_a_terminal(runs):
    text, code = at_terminal(["ls"], 100)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    assert code == 0
    assert plain[0].split()[:4] == ["run", "status", "age", "took"]
    assert plain[1].startswith(runs[1].name)
    assert "  90 s  " in plain[1]


def test_runs_by_every_kind_of_name(call, runs):
    latest = runs[1].name
    for name in (runs[1], runs[1].name, "latest"):
        assert call("show", name).stdout.startswith(latest)
    assert call("show", "latest~1").stdout.startswith(runs[0].name)
    call("show", "latest~9", code=3)
    assert "may be any of" in call("show", runs[0].name[:4], code=3).stderr
    call("rename", "latest", "wide-net")
    assert call("show", "wide-net").stdout.startswith(latest)
    assert call("ls", "-c", "name").stdout.split() == ["name", "wide-net"]
    call("rename", "latest", "no name!", code=1)
    listed = call("ls", "--names", "--filter", "flag_rate > 2.5").stdout
    assert len(call("tag", "good", "-", stdin=listed).stdout.splitlines()) == 2


def test_show(call, runs):
    text = call("show", runs[2]).stdout
    assert re.search(r"^  rate +2.0$", text, re.MULTILINE)
    assert re.search(r"^  accuracy +0.8$", text, re.MULTILINE)
    assert re.search(r"^  val_loss +3 +3 +6  ", text, re.MULTILINE)
    assert "loss 2.0" in text
    assert call("show", runs[2], "--console").stdout == "loss 2.0\n"
    assert json.loads(call("show", runs[2], "--metrics", "--json").stdout)[1] == {
        "loss": 2.0,
        "val_loss": 3.0,
    }
    info = json.loads(call("show", runs[2], "--json").stdout)
    assert info["metrics"][0]["loss"] == 4.0
    call("show", runs[2], "--csv", code=2)


def test_tag_note_rename_are_seen_by_all(call, runs):
    call("tag", "good,paper", "latest", runs[0])
    call("tag", "-x", "paper", "latest")
    assert tfr.load_run(runs[1]).labels == ["good"]
    assert call("ls", "--names", "--tag", "paper").stdout.split() == [str(runs[0])]
    assert tfr.ls_runs()["labels"].to_list() == ["good", "good, paper", None]
    call("note", "latest", "-m", "diverged")
    call("note", "latest", "--append", "-m", "again")
    assert call("note", "latest").stdout == "diverged\nagain\n"
    assert tfr.load_run(runs[1]).description == "diverged\nagain"
    call("note", "latest", "-m", "")
    assert call("note", "latest").stdout == ""
    call("tag", "a\x1b[31m", "latest", code=1)
    call("tag", code=2)


def test_labels_set_on_a_run_object_are_listed(call):
    with tfr.create_run(name="mnist", labels=["first"]) as run:
        run.labels = ["first", "second"]
    assert len(call("ls", "--names", "--tag", "second").stdout.splitlines()) == 1


def test_diff(call, runs):
    rows = json.loads(call("diff", runs[0], runs[2], "--json", code=1).stdout)
    assert {"part": "flag", "name": "rate", "left": "3.0", "right": "2.0"} in rows
    assert {row["part"] for row in rows} == {"flag", "evaluation", "metric"}


def test_diff_of_sources(call, tmp_path):
    pair = [tfr.unique_run_dir("runs") for _ in range(2)]
    for run, text in zip(pair, ["a\nb\nc\n", "a\nB\nc\n"], strict=True):
        (tmp_path / "code").mkdir(exist_ok=True)
        (tmp_path / "code/train.py").write_text(text)
        tfr.write_run_metadata("source", tmp_path / "code", run)
    rows = json.loads(call("diff", *pair, "--json", code=1).stdout)
    assert [(row["left"], row["right"]) for row in rows] == [("-1 lines", "+1 lines")]
    text = call("diff", *pair, "--source", code=1).stdout
    assert "-b\n+B\n" in text


def test_archive_and_back(call, runs):
    call("clean", "--filter", "flag_rate > 2.5", "--yes")
    assert call("ls", "--names").stdout.split() == [str(runs[2])]
    call("restore", runs[0].name, "--yes")
    assert len(call("ls", "--names").stdout.split()) == 2
    call("purge", "--yes")
    assert not list(Path("runs/archive").iterdir())
    # Nobody can be asked in a pipe, and silence is no consent.
    assert "asked" in call("clean", code=1).stderr
    assert len(call("ls", "--names").stdout.split()) == 2


def test_partly_done_is_told(call, runs):
    result = call("copy", runs[0], "--to", "copies")
    assert result.stdout.strip() == f"copies/{runs[0].name}"
    result = call("copy", runs[0], runs[1], "--to", "copies", code=4)
    assert runs[0].name in result.stderr
    assert result.stdout.strip() == f"copies/{runs[1].name}"
    call("copy", runs[0], "--files", "--to", "made", "--rename", "model")
    assert [path.name for path in Path("made/model").iterdir()] == ["weights.bin"]


def test_du_and_gc(call, runs):
    sizes = {row["run_dir"]: row for row in json.loads(call("du", "--json").stdout)}
    for run in runs:
        files = [path for path in run.rglob("*") if path.is_file()]
        assert sizes[str(run)]["bytes"] == sum(path.stat().st_size for path in files)
        assert sizes[str(run)]["files"] == len(files)
        assert sizes[str(run)]["artifacts"] == 1000
    call("tag", "keep", runs[1])
    words = ("gc", "--keep-best", "1", "--by", "val_loss")
    assert call(*words, "--dry-run").stdout.splitlines()[1:] == [
        f"{runs[0]}\t4.5\t{sizes[str(runs[0])]['bytes']}"
    ]
    assert "asked" in call(*words, "--artifacts", code=1).stderr
    call(*words, "--artifacts", "--yes")
    assert not (runs[0] / "weights.bin").exists()
    assert (runs[1] / "weights.bin").exists()
    assert (runs[0] / "logs").exists()
    call(*words, "--yes")
    assert sorted(call("ls", "--names").stdout.split()) == sorted([str(runs[1]), str(runs[2])])
    call("gc", "--keep-best", "1", "--by", "nonsense", code=2)


def test_gc_leaves_the_running_and_links(call, runs, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    (runs[0] / "link").symlink_to(outside)
    running = tfr.unique_run_dir("runs")
    tfr.write_run_metadata("metrics", {"loss": [9.0]}, running)
    tfr.write_run_metadata("properties", {"start": 1.7e9, "completed": False}, running)
    call("gc", "--keep-best", "0", "--by", "loss", "--artifacts", "--yes")
    assert (outside / "precious").exists()
    assert running.exists()
    assert not os.path.lexists(runs[0] / "link")


@pytest.mark.usefixtures("runs")
def test_upload(call, tmp_path):
    (tmp_path / "there").mkdir()
    words = ("upload", "--to", tmp_path / "there", "--make-folder", "--json")
    assert {row["action"] for row in json.loads(call(*words).stdout)} <= {"created", "renamed"}
    assert {row["action"] for row in json.loads(call(*words).stdout)} == {"unchanged"}
    call("upload", "nothing", "--to", tmp_path / "there", code=3)
    tfr.logout()


@pytest.mark.usefixtures("runs")
def test_doctor(call):
    rows = json.loads(call("doctor", "--json").stdout)
    assert {"part": "runs", "name": "runs", "state": "ok", "text": "3: 3 completed"} in rows
    bad = Path("runs/bad/tfruns.d")
    bad.mkdir(parents=True)
    (bad / "flags.json").write_text("{")
    assert "problem" in call("doctor", code=1).stdout


@pytest.mark.usefixtures("runs")
def test_pages(call):
    pytest.importorskip("altair")
    assert call("view", "latest", "-o", "report.html").stdout.endswith("/report.html\n")
    assert Path("report.html").stat().st_size > 1000
    assert call("compare", "-o", "two.html").stdout.endswith("/two.html\n")


def test_many_runs_are_a_screen_at_a_terminal():
    for index in range(60):
        make_run(1.0, name=f"run-{index:03}", start=1.7e9 + index)
    text, _ = at_terminal(["ls"], 100)
    assert text.count("run-0") == 50
    assert "run-059" in text
    assert "-n 0" in text


@pytest.mark.usefixtures("runs")
def test_a_best_of_what_no_run_has_is_told(call):
    said = call("ls", "--best", "nothing=min").stderr
    assert "no run has a metric nothing (there are loss, val_loss)" in said
    assert call("ls", "--best", "loss=min").stderr == ""


def test_moving_runs_tells_how_many(call, runs):
    assert "Moved 1 run to" in call("clean", "--yes", runs[0]).stderr
    assert "Restored 1 run to" in call("restore", "--yes").stderr
    call("clean", "--yes")
    assert "removed 3 runs" in call("purge", "--yes").stderr


def test_diff_shows_long_texts_from_where_they_differ(runs):
    for run, end in zip(runs, ("one", "two"), strict=False):
        tfr.write_run_metadata("properties", {"note": f"{'the same beginning ' * 9}{end}"}, run)
    text, code = at_terminal(["diff", runs[0].name, runs[1].name], 80)
    assert code == 1
    assert "inning one" in text
    assert "inning two" in text
