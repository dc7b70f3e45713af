"""The verbs that read event files."""

import json
import signal
import subprocess
from pathlib import Path

import polars as pl
import pytest

import tfruns_rs as tfr
from cli.command import TFRUNS, at_terminal


@pytest.fixture
def logdir():
    with tfr.with_logdir("logs"):
        for step in range(20):
            tfr.log_event(train={"loss": 1 / (step + 1), "nan": float("nan")}, val={"loss": 0.1 + step})
    tfr.flush()
    return "logs"


@pytest.mark.parametrize("ending", ["parquet", "csv", "ndjson", "json"])
def test_files_hold_what_collect_events_gives(call, logdir, ending):
    call("events", logdir, "-o", f"events.{ending}")
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv}.get(ending)
    frame = tfr.collect_events(logdir, type="scalar")
    assert frame.height == 60
    if read:
        assert read(f"events.{ending}").equals(frame)
        return
    text = Path(f"events.{ending}").read_text()
    rows = json.loads(text) if ending == "json" else [json.loads(line) for line in text.splitlines()]
    assert [row["wall_time"] for row in rows] == frame["wall_time"].to_list()
    assert [row["value"] for row in rows if row["tag"] == "loss"] == frame.filter(tag="loss")[
        "value"
    ].to_list()
    assert {row["value"] for row in rows if row["tag"] == "nan"} == {"NaN"}


def test_filters(call, logdir):
    lines = call("events", logdir, "--run", "train", "--tag", "l*", "--step", "3:5").stdout.splitlines()
    assert [line.split("\t")[2] for line in lines] == ["step", "3", "4", "5"]
    assert len(call("events", logdir, "--step", "7").stdout.splitlines()) == 4
    assert len(call("events", logdir, "-n", "2").stdout.splitlines()) == 3
    call("events", logdir, "--step", "x", code=2)
    call("events", logdir, "-o", "events.xls", code=2)


def test_binary_to_a_pipe(logdir, tmp_path):
    done = subprocess.run(
        [*TFRUNS, "events", logdir, "--format", "parquet"], stdout=subprocess.PIPE, check=True
    )
    (tmp_path / "piped.parquet").write_bytes(done.stdout)
    assert pl.read_parquet(tmp_path / "piped.parquet").height == 60
    _, code = at_terminal(["events", logdir, "--format", "parquet"])
    assert code == 2


def test_a_failed_write_leaves_what_was_there(call, logdir, monkeypatch):
    Path("events.parquet").write_text("before")
    monkeypatch.setattr(pl.DataFrame, "write_parquet", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    call("events", logdir, "-o", "events.parquet", code=1)
    assert Path("events.parquet").read_text() == "before"
    assert not [name for name in Path().iterdir() if name.name.startswith(".events")]


def test_a_run_stands_for_its_events(call, runs):
    assert len(call("events").stdout.splitlines()) == 3
    assert len(call("events", runs[0].name).stdout.splitlines()) == 3


def test_verify_and_repair(call, logdir):
    assert "whole" in call("verify", logdir).stderr
    file = next(Path(logdir).rglob("*tfevents*"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)
    (row,) = json.loads(call("verify", logdir, "--json", code=1).stdout)
    assert row["file"] == str(file)
    call("repair", logdir, "repaired")
    call("verify", "repaired")
    call("repair", logdir, "repaired", code=1)
    assert "Warning" in call("events", logdir).stderr
    call("events", logdir, "--strict", code=1)


def test_tail_once(call, logdir):
    lines = call("tail", logdir, "--once", "-n", "4").stdout.splitlines()
    assert len(lines) == 4
    assert lines[-1].split("\t")[:3] == ["val", "loss", "19"]


def test_tail_follows_what_another_writes(logdir):
    command = [*TFRUNS, "tail", logdir, "--poll", "0.1", "--tag", "new"]

    def log(step):
        with tfr.with_logdir(logdir):
            tfr.log_event({"new": float(step)}, step=step)
        tfr.flush()

    log(100)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        seen = [process.stdout.readline().split("\t")[2]]  # by now it follows
        for step in (101, 102):
            log(step)
            seen.append(process.stdout.readline().split("\t")[2])
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert seen == ["100", "101", "102"]


@pytest.mark.usefixtures("runs")
def test_tail_of_an_ended_run_ends(call):
    assert len(call("tail", "latest", "--poll", "0.1").stdout.splitlines()) == 2


def test_tail_at_a_terminal(logdir):
    text, code = at_terminal(["tail", logdir, "--once"], 120)
    assert code == 0
    assert "▁" in text
    assert "3 metrics" in text
