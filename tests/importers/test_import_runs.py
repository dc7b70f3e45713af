"""Runs that other tools recorded. The tools wrote the samples themselves (`tests/data/README.md`)."""

import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import polars as pl
import pytest

import tfruns_rs as tfr
from tfevents.tensorboard_reader import Reader
from tfevents.wire import varint
from tfruns_rs.errors import RunNotFoundError
from tfruns_rs.importers import _wandb
from tfruns_rs.tfruns import _record

DATA = Path(__file__).parents[1] / "data" / "importers"
LOSS = [0.1, 0.05, 0.1 / 3, 0.025, 0.02]


@pytest.fixture
def source(tmp_path):
    return Path(shutil.copytree(DATA, tmp_path / "source"))


@pytest.fixture
def runs_dir(tmp_path):
    return tmp_path / "runs"


def everything(directory):
    """Each file's place, content and time."""
    return {
        path.relative_to(directory): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def one(frame, **values):
    found = frame.filter(**values)
    assert found.height == 1
    return found.row(0, named=True)


def series(run_dir, tag):
    events = tfr.collect_events(Path(run_dir) / "logs", type="scalar", tag=tag)
    return events["step"].to_list(), events["value"].to_list()


def test_every_run_of_every_tool(source, runs_dir):
    told = tfr.import_runs(source, runs_dir)
    assert told.schema == dict.fromkeys(
        ("tool", "source", "id", "name", "status", "run_dir", "problem"), pl.String
    )
    assert dict(told.group_by("tool").len().rows()) == {
        "guild": 3,
        "lightning": 2,
        "mlflow": 5,
        "sacred": 2,
        "wandb": 2,
    }
    assert dict(told.group_by("status").len().rows()) == {"imported": 13, "skipped": 1}
    runs = tfr.ls_runs(runs_dir=runs_dir)
    assert runs.height == 13
    assert runs["problem"].null_count() == 13
    assert sorted(map(os.path.abspath, runs["run_dir"])) == sorted(told["run_dir"].drop_nulls())
    assert [path.name for path in runs_dir.iterdir() if path.name.startswith(".")] == [".import.lock"]


def test_mlflow(source, runs_dir):
    told = tfr.import_runs(source / "mlruns", runs_dir)
    run = one(told, name="trial-0")
    assert series(run["run_dir"], "train/loss") == ([0, 1, 2, 3, 4], LOSS)
    assert series(run["run_dir"], "val_loss")[1] == [2 * loss for loss in LOSS]
    events = tfr.collect_events(Path(run["run_dir"]) / "logs", type="scalar", tag="accuracy")
    assert events["wall_time"].item() == pytest.approx(1795539997, abs=60)
    info = tfr.run_info(run["run_dir"])
    flags = {name: info[f"flag_{name}"] for name in ("lr", "optimizer", "layers", "augment")}
    assert flags == {"lr": 0.1, "optimizer": "adam", "layers": 2, "augment": True}
    assert (info["status"], info["completed"], info["tag_purpose"]) == ("completed", True, "test data")
    assert (info["experiment"], info["script"]) == ("digits", "ml.py")
    assert _record.read(run["run_dir"])["description"] == "a *small* run"
    runs = tfr.ls_runs(runs_dir=runs_dir)
    statuses = {Path(row["run_dir"]).name: row["status"] for row in runs.to_dicts()}
    assert {
        name: statuses[Path(run_dir).name] for name, run_dir in told.select("name", "run_dir").rows()
    } == {
        "trial-0": "completed",
        "trial-1": "completed",
        "fails": "failed",
        "child": "completed",
        "indecisive-goose-227": "unknown",
    }
    child = tfr.run_info(one(told, name="child")["run_dir"])
    assert child["parent"] == Path(one(told, name="fails")["run_dir"]).name


def test_sacred(source, runs_dir):
    told = tfr.import_runs(source / "sacred", runs_dir)
    assert told["name"].to_list() == ["digits/1", "digits/2"]
    first, second = (tfr.run_info(run_dir) for run_dir in told["run_dir"])
    assert series(told["run_dir"][0], "train.loss") == ([0, 1, 2, 3, 4], LOSS)
    assert (first["status"], first["eval_result"], first["flag_model.units"]) == ("completed", 0.75, 16)
    assert first["output"].startswith("training with 0.1")
    assert first["info_note"] == "a small run"
    assert (second["status"], second["error_message"]) == ("failed", "RuntimeError: diverged")
    assert "line 21, in main" in second["error_traceback"]
    assert json.loads((Path(told["run_dir"][0]) / "tfruns.d/hparams.json").read_text())["layers"] == [8, 4]


def test_guild(source, runs_dir):
    told = tfr.import_runs(source / "guild", runs_dir)
    staged = one(told, status="skipped")
    assert (staged["problem"], staged["run_dir"]) == ("it was staged, and never started", None)
    run = one(told, name="first")
    info = tfr.run_info(run["run_dir"])
    assert (info["status"], info["flag_lr"], info["operation"]) == ("completed", 0.2, "train.py")
    assert series(run["run_dir"], "loss")[1] == pytest.approx([2 * loss for loss in LOSS])
    assert info["output"].splitlines()[-1] == "done"
    failed = tfr.run_info(one(told, name="fail=yes layers=2 lr=0.1 name=adam")["run_dir"])
    assert (failed["status"], failed["error_message"]) == ("failed", "exit status 3")


def test_lightning(source, runs_dir):
    told = tfr.import_runs(source / "lightning_logs", runs_dir)
    assert told["name"].to_list() == ["lightning_logs/version_0", "lightning_logs/version_1"]
    csv, events = told["run_dir"]
    steps, losses = series(csv, "train_loss")
    assert (steps, losses[0]) == ([1, 3, 5, 7, 9, 11], 0.0949387401342392)
    assert series(csv, "val_loss")[0] == [3, 7, 11]
    assert series(events, "val_loss")[0] == [3, 7, 11]
    file = next((source / "lightning_logs/version_1").glob("events*"))
    assert next((Path(events) / "logs").glob("events*")).read_bytes() == file.read_bytes()
    for run_dir, rate in ((csv, 0.1), (events, 0.01)):
        info = tfr.run_info(run_dir)
        assert (info["status"], info["flag_lr"], info["flag_act"]) == ("unknown", rate, "relu")
    assert json.loads((Path(csv) / "tfruns.d/hparams.json").read_text())["layers"] == [8, 4]


def test_wandb(source, runs_dir):
    told = tfr.import_runs(source / "wandb", runs_dir)
    assert told["name"].to_list() == ["trial-0", "trial-1"]
    assert set(told["problem"]) == {"values that are no numbers are left out: text (1)"}
    first, second = told["run_dir"]
    assert series(first, "train/loss") == ([0, 1, 2, 3, 4], LOSS)
    assert series(first, "nested.acc") == ([5], [0.5])
    assert str(series(first, "nan")) == "([5], [nan])"
    assert series(first, "big") == ([5], [2.0**60])
    info = tfr.run_info(first)
    assert (info["status"], info["eval_best"], info["flag_model.units"]) == ("completed", 0.75, 16)
    assert (info["flag_augment"], info["project"]) == (True, "digits")
    record = _record.read(first)
    assert (record["name"], record["labels"], record["description"]) == ("trial-0", ["test"], "a small run")
    failed = tfr.run_info(second)
    assert (failed["status"], failed["error_message"], failed["exit_code"]) == ("failed", "exit code 1", 1)
    by_file = tfr.import_runs(next(source.glob("wandb/*-j9xej020/*.wandb")), runs_dir)
    assert by_file["status"].to_list() == ["unchanged"]


def test_the_source_is_only_read(source, runs_dir):
    before = everything(source)
    tfr.import_runs(source, runs_dir, files=True)
    tfr.ls_foreign_runs(source)
    tfr.collect_foreign_events(source)
    assert everything(source) == before
    assert len(before) > 100


def test_a_second_import_changes_nothing(source, runs_dir):
    first = tfr.import_runs(source, runs_dir)
    before = everything(runs_dir)
    second = tfr.import_runs(source, runs_dir)
    assert set(second["status"]) == {"unchanged", "skipped"}
    assert second["run_dir"].to_list() == first["run_dir"].to_list()
    assert everything(runs_dir) == before


def test_a_source_that_changed_is_renewed_in_place(source, runs_dir):
    first = tfr.import_runs(source, runs_dir)
    run = one(first, name="trial-0", tool="mlflow")
    mine = {"labels": ["mine"], "remote": ["elsewhere"]}
    _record.update(run["run_dir"], lambda record: record.update(mine))
    with (Path(run["source"]) / "metrics/train/loss").open("a") as file:
        file.write("1795539998000 0.015 5\n")
    second = tfr.import_runs(source, runs_dir)
    assert second["run_dir"].to_list() == first["run_dir"].to_list()
    assert second.filter(status="updated")["id"].to_list() == [run["id"]]
    assert series(run["run_dir"], "train/loss")[1] == [*LOSS, 0.015]
    record = _record.read(run["run_dir"])
    assert (record["labels"], record["remote"]) == (["mine"], ["elsewhere"])
    assert tfr.import_runs(source, runs_dir).filter(status="updated").is_empty()
    assert tfr.ls_runs(runs_dir=runs_dir).height == 13


def test_a_source_that_was_moved_is_known(source, runs_dir):
    first = tfr.import_runs(source / "mlruns", runs_dir)
    moved = source.rename(source.parent / "elsewhere")
    second = tfr.import_runs(moved / "mlruns", runs_dir)
    assert set(second["status"]) == {"unchanged"}
    assert second["run_dir"].to_list() == first["run_dir"].to_list()


def test_imports_at_the_same_time(source, runs_dir):
    script = (
        "import sys, tfruns_rs as tfr; print(tfr.import_runs(*sys.argv[1:])['status'].value_counts().rows())"
    )
    command = [sys.executable, "-c", script, str(source), str(runs_dir)]
    imports = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = sorted("imported" in one_of.communicate(timeout=100)[0] for one_of in imports)
    assert told == [False, False, True]
    assert tfr.ls_runs(runs_dir=runs_dir).height == 13


def test_what_a_killed_import_left(source, runs_dir):
    told = tfr.import_runs(source, runs_dir)
    run_dir = Path(told["run_dir"].drop_nulls()[0])
    (runs_dir / ".importing-abc").mkdir()
    run_dir.rename(runs_dir / f".replaced-{run_dir.name}")
    again = tfr.import_runs(source, runs_dir)
    assert set(again["status"]) == {"unchanged", "skipped"}
    assert again["run_dir"].to_list() == told["run_dir"].to_list()
    assert sorted(path.name for path in runs_dir.iterdir() if path.name.startswith(".")) == [".import.lock"]


def test_archived_runs_do_not_come_back(source, runs_dir):
    told = tfr.import_runs(source, runs_dir)
    tfr.clean_runs(told["run_dir"][-1], runs_dir=runs_dir, confirm=False)
    again = tfr.import_runs(source, runs_dir)
    assert set(again["status"]) == {"unchanged", "skipped"}
    assert "archive" in again["run_dir"][-1]
    assert tfr.ls_runs(runs_dir=runs_dir).height == 12


def test_files_come_along_if_asked(source, runs_dir):
    run = one(tfr.import_runs(source, runs_dir), name="trial-0", tool="mlflow")
    assert not (Path(run["run_dir"]) / "artifacts").exists()
    secret = source.parent / "secret"
    secret.write_text("secret")
    (Path(run["source"]) / "artifacts/link").symlink_to(secret)
    told = tfr.import_runs(source, runs_dir, files=True)
    assert set(told["status"]) == {"updated", "skipped"}
    assert set(tfr.import_runs(source, runs_dir)["status"]) == {"unchanged", "skipped"}  # they stay
    artifacts = Path(run["run_dir"]) / "artifacts"
    assert (artifacts / "notes/readme.txt").read_text() == "hello"
    assert not (artifacts / "link").exists()
    for name in ("digits/1", "first"):
        assert (Path(one(told, name=name)["run_dir"]) / "artifacts/weights.txt").read_text() == "0.1 0.2"


def test_frames_without_importing(source, runs_dir):
    listed = tfr.ls_foreign_runs(source)
    assert listed.height == 14
    assert listed.columns[:4] == ["source", "tool", "id", "name"]
    assert listed.columns[-4:] == ["start", "end", "status", "problem"]
    run = one(listed, name="trial-0", tool="mlflow")
    assert (run["flag_lr"], run["metric_train/loss"], run["status"]) == (0.1, 0.02, "completed")
    assert listed["flag_lr"].dtype == pl.Float64
    assert one(listed, status="skipped")["problem"] == "it was staged, and never started"
    events = tfr.collect_foreign_events(source)
    assert events.schema == tfr.collect_events(source, type="scalar").schema
    told = tfr.import_runs(source, runs_dir).filter(status="imported")
    for place, run_dir in told.select("source", "run_dir").rows():
        run = os.path.relpath(place, source)
        ours = tfr.collect_events(Path(run_dir) / "logs", type="scalar").drop("run")
        theirs = events.filter(run=run).drop("run")
        assert ours.sort("tag", "step").equals(theirs.sort("tag", "step"))
    only = tfr.ls_foreign_runs(source, tool="wandb")
    assert only["tool"].to_list() == ["wandb", "wandb"]


def test_tensorboard_reads_what_was_imported(source, runs_dir):
    told = tfr.import_runs(source / "sacred", runs_dir)
    reader = Reader(told["run_dir"][0])
    assert [value.item() for _, value in reader.tensors("scalars")["logs", "train.loss"]] == pytest.approx(
        LOSS
    )
    (group,) = reader.sessions()
    assert group.hparams["lr"].number_value == 0.1
    assert tfr.collect_hparams(told["run_dir"][0])["status"].to_list() == ["success"]
    assert tfr.collect_hparams(told["run_dir"][1])["status"].to_list() == ["failure"]


# --- what can't be read


def test_a_broken_run_hides_no_other(source, runs_dir):
    run = one(tfr.ls_foreign_runs(source / "mlruns"), name="trial-0")
    place = Path(run["source"])
    (place / "meta.yaml").write_text("run_id: [")
    (source / "sacred/1/run.json").write_text('{"status": ')
    (source / "sacred/2/metrics.json").write_text('{"loss": {"steps": [0, 1], "values": [0.5, "big"]}}')
    guild = next(source.glob("guild/runs/953*"))
    (guild / ".guild/attrs/flags").write_text("a: b: c")
    told = tfr.import_runs(source, runs_dir)
    broken = told.filter(status="failed").sort("source")
    assert broken.height == 2
    assert "meta.yaml: while parsing" in broken["problem"][0]
    assert broken["problem"][1].startswith("run.json: Expecting value")
    assert one(told, name="digits/2")["problem"] == "metrics.json: 1 values of 'loss' are no numbers"
    assert one(told, name="first")["problem"].startswith("attrs/flags: mapping values are not allowed")
    assert told.filter(status="imported").height == 11
    listed = tfr.ls_foreign_runs(source)
    assert listed.filter(status="invalid").height == 2
    assert tfr.collect_foreign_events(source).height > 50


def test_a_broken_metric_is_told(source, runs_dir):
    run = one(tfr.ls_foreign_runs(source / "mlruns"), name="trial-0")
    (Path(run["source"]) / "metrics/val_loss").write_text("1795539998000 0.5 0\nrubbish\n1 2\n1 2 x\n")
    (told,) = tfr.import_runs(run["source"], runs_dir).to_dicts()
    assert told["problem"] == "metrics/val_loss: 2 lines can't be read"
    assert sorted(series(told["run_dir"], "val_loss")[1]) == [0.5, 2.0]


def test_deleted_runs_are_skipped(source, runs_dir):
    run = one(tfr.ls_foreign_runs(source / "mlruns"), name="trial-0")
    meta = Path(run["source"]) / "meta.yaml"
    meta.write_text(meta.read_text().replace("lifecycle_stage: active", "lifecycle_stage: deleted"))
    (told,) = tfr.import_runs(run["source"], runs_dir).to_dicts()
    assert (told["status"], told["problem"]) == ("skipped", "it was deleted in MLflow")


@pytest.mark.parametrize(
    "text",
    [
        "lr: !!python/object/apply:os.system ['touch hacked']",
        "lr: !!python/object/new:subprocess.Popen [['touch', 'hacked']]",
        "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + "".join(
            f"{b}: &{b} [{','.join(f'*{a}' for _ in range(10))}]\n"
            for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "- 1\n- 2",
        "a: &a {b: *a}",
    ],
)
def test_hostile_hyperparameters(text, tmp_path, runs_dir, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = tmp_path / "lightning_logs/version_0"
    log.mkdir(parents=True)
    (log / "hparams.yaml").write_text(text)
    (log / "metrics.csv").write_text("step,loss\n0,0.5\n")
    (told,) = tfr.import_runs(log, runs_dir).to_dicts()
    assert told["status"] == "imported"
    assert not (tmp_path / "hacked").exists()
    assert series(told["run_dir"], "loss") == ([0], [0.5])


def test_nowhere(tmp_path):
    for find in (tfr.import_runs, tfr.ls_foreign_runs, tfr.collect_foreign_events):
        with pytest.raises(RunNotFoundError, match=r"there is no .*missing"):
            find(tmp_path / "missing")
        with pytest.raises(RunNotFoundError, match="there is no run of Lightning, MLflow"):
            find(tmp_path)
        with pytest.raises(ValueError, match="`tool` must be one of"):
            find(tmp_path, tool="tensorflow")
    (tmp_path / "mlflow.db").touch()
    with pytest.raises(RunNotFoundError, match=r"mlflow.db is MLflow's database"):
        tfr.import_runs(tmp_path)


def test_runs_of_ours_are_no_source(source, runs_dir):
    tfr.import_runs(source / "lightning_logs", runs_dir)
    with pytest.raises(RunNotFoundError):
        tfr.import_runs(runs_dir)


def test_where_nothing_can_be_written(source, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        tfr.import_runs(source, tmp_path / "file")


# --- the log of W&B


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value & (2**64 - 1))
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def log(*records):
    out = b":W&B\xe1\xbe\x00"
    for record in records:
        rest, first = record, True
        while first or rest:
            room = 32768 - len(out) % 32768
            if room < 7:
                out += bytes(room)
                room = 32768
            piece, rest = rest[: room - 7], rest[room - 7 :]
            kind = (1 if not rest else 2) if first else (4 if not rest else 3)
            crc = zlib.crc32(piece, zlib.crc32(bytes([kind])))
            out += struct.pack("<IHB", crc, len(piece), kind) + piece
            first = False
    return out


RUN = field(17, field(1, "abc") + field(8, "named") + field(17, field(1, 1_700_000_000)))


def history(step, *items):
    return field(2, b"".join(field(1, item) for item in items) + field(2, field(1, step)))


def item(key, number, value):
    return field(1, key) + field(number, value)


def test_values_of_every_field_of_a_history(tmp_path):
    file = tmp_path / "run-abc.wandb"
    file.write_bytes(
        log(
            RUN,
            history(
                3, item("json", 16, "0.5"), item("number", 6, 1.5), item("whole", 5, 7), item("yes", 4, 1)
            ),
            history(
                4,
                item("text", 7, "hi"),
                item("image", 16, '{"_type": "image-file"}'),
                item("json", 16, '"NaN"'),
            ),
            field(
                5,
                field(1, item("lr", 16, "0.1"))
                + field(1, field(2, "model") + field(2, "units") + field(16, "16")),
            ),
            field(5, field(2, field(1, "lr"))),
            field(13, field(3, "line 1\n")),
            field(4, field(3, "line 2\n")),
            field(18, field(1, -9)),
        )
    )
    run = _wandb.read(str(file))
    assert [(tag, step) for tag, step, _, _ in run.points] == [
        ("json", 3),
        ("number", 3),
        ("whole", 3),
        ("yes", 3),
        ("json", 4),
    ]
    assert [value for *_, value in run.points][:4] == [0.5, 1.5, -4.0, 1.0]
    assert run.problems == ["values that are no numbers are left out: image-file (1), text (1)"]
    assert run.hparams == {"model": {"units": 16}}
    assert (run.output, run.status, run.error) == ("line 1\nline 2\n", "failed", ("exit code -9", ""))


def test_records_longer_than_a_block(tmp_path):
    file = tmp_path / "run-abc.wandb"
    filler = field(4, field(3, "x" * 100_000))
    for padding in range(32768 - 60, 32768 - 20, 3):
        file.write_bytes(
            log(RUN, field(4, field(3, "y" * padding)), filler, history(1, item("loss", 16, "0.5")))
        )
        run = _wandb.read(str(file))
        assert run.points == [("loss", 1, 1_700_000_000.0, 0.5)]
        assert run.problems == []
        assert len(run.output) == 100_000 + padding


def test_a_log_that_is_cut_anywhere(tmp_path):
    file = tmp_path / "run-abc.wandb"
    whole = log(RUN, *(history(i, item("loss", 16, "0.5")) for i in range(5)))
    counts = []
    for end in range(len(whole) + 1):
        file.write_bytes(whole[:end])
        (row,) = tfr.ls_foreign_runs(file).to_dicts()
        if row["status"] == "invalid":
            assert end < 7 + 7 + len(RUN)
            continue
        run = _wandb.read(str(file))
        counts.append(len(run.points))
        assert (run.status, run.problems) == ("unknown", [])
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, 5)


def test_damage_costs_the_rest_of_its_block(tmp_path):
    file = tmp_path / "run-abc.wandb"
    records = [history(i, item("loss", 16, "0.5"), item("x", 16, '"' + "x" * 500 + '"')) for i in range(200)]
    whole = bytearray(log(RUN, *records))
    whole[5000] ^= 1
    file.write_bytes(whole)
    run = _wandb.read(str(file))
    assert run.problems[0].startswith("damaged at byte ")
    steps = [step for _, step, *_ in run.points]
    assert 5 < steps.index(max(set(range(200)) & set(steps))) < 199
    assert steps[-1] == 199
    small = log(RUN, *records[:2])
    for at in range(0, len(small), 3):
        hostile = bytearray(small)
        hostile[at] ^= 0xFF
        file.write_bytes(hostile)
        tfr.ls_foreign_runs(file)
