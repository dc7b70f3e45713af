"""What a killed writer leaves, and how it becomes a table."""

import os
import signal
import subprocess
import sys

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import tfruns_rs as tfr
from tfruns_rs.errors import BatchError
from tfruns_rs.tracking.tables import _draft, _spill, metric_infos

WRITER = """
import itertools, os, sys
import tfruns_rs as tfr
from tfruns_rs.tracking.tables import _draft
_draft._PART_BYTES = int(sys.argv[2])
writer = tfr.MetricsTableWriter(sys.argv[1], sys.argv[3], column_schemas={"loss": {"unit": "nats"}})
for number in itertools.count():
    ids = [(number * 100 + row) % 8 for row in range(100)]
    columns = {"number": [number] * 100, "loss": [0.5] * 100, "text": ["x" * 50] * 100}
    writer.add_batch({**columns, "example_id": ids})
    print(number, flush=True)
"""


def start(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(("part_bytes", "batches"), [(1 << 24, 1), (1 << 24, 7), (30_000, 40), (1, 12)])
def test_every_batch_that_was_added_is_recovered(run, images, part_bytes, batches):
    child = start(WRITER, run, part_bytes, images)
    acknowledged = [int(child.stdout.readline()) for _ in range(batches)][-1]
    child.send_signal(signal.SIGKILL)
    acknowledged = max([acknowledged, *map(int, child.stdout.read().split())])
    child.wait()
    child.stdout.close()

    assert not (run / "metrics_tables/metrics_0000").exists()
    (table,) = tfr.recover_tables(run)
    rows = table.read()
    found = rows["number"].unique(maintain_order=True).to_list()
    assert found == list(range(len(found)))
    assert len(found) in {acknowledged + 1, acknowledged + 2}  # one more may be whole and not yet told
    assert rows.height == 100 * len(found)
    assert table.name == "metrics_0000"
    assert table.schema["loss"].unit == "nats"
    assert table.join_foreign().collect().height == rows.height
    assert list((run / "metrics_tables").iterdir()) == [run / "metrics_tables/metrics_0000"]
    assert metric_infos(run) == []
    assert tfr.recover_tables(run) == []


def test_a_table_that_is_being_written_is_left_alone(run):
    writer = tfr.MetricsTableWriter(run)
    writer.add_batch({"a": [1]})
    code = "import sys, tfruns_rs as tfr; print(tfr.recover_tables(sys.argv[1]))"
    child = start(code, run)
    assert child.communicate()[0] == "[]\n"
    assert tfr.recover_tables(run) == []
    assert writer.finalize().read().rows() == [(1,)]


@pytest.mark.parametrize("step", ["close_parquet", "write_atomic", "unlink", "rename"])
def test_a_writer_killed_while_it_finalizes_loses_nothing(run, step):
    code = """
import os, pathlib, signal, sys
import tfruns_rs as tfr
from tfruns_rs.tracking.tables import _draft
_draft._PART_BYTES = 1
writer = tfr.MetricsTableWriter(sys.argv[1])
for number in range(5):
    writer.add_batch({"number": [number]})
writer._draft._wait()
def die(*_args, **_options):
    os.kill(os.getpid(), signal.SIGKILL)
step = sys.argv[2]
if step in ("close_parquet", "write_atomic"):
    setattr(_draft._core, step, die)
else:
    writer._draft._next_part()
    writer._draft._wait()
    real = getattr(pathlib.Path, step)
    def only_at_the_end(path, *arguments):
        if step == "unlink" or path.name == ".metrics_0000":
            die()
        return real(path, *arguments)
    setattr(pathlib.Path, step, only_at_the_end)
writer.finalize()
"""
    child = start(code, run, step)
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    (table,) = tfr.recover_tables(run)
    assert table.read()["number"].to_list() == list(range(5))


@pytest.mark.parametrize("moment", ["Parts._tell", "Path.unlink", "Parts._write"])
def test_a_writer_killed_while_it_compresses_keeps_each_row_once(run, moment):
    code = """
import os, pathlib, signal, sys
import tfruns_rs as tfr
from tfruns_rs.tracking.tables import _draft, _parts
_draft._PART_BYTES = 1
owner, name = sys.argv[2].split(".")
owner = {"Parts": _parts.Parts, "Path": pathlib.Path}[owner]
real, calls = getattr(owner, name), []
def die(*arguments):
    calls.append(arguments)
    if len(calls) == 3:
        if name == "_write":
            real(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments)
setattr(owner, name, die)
writer = tfr.MetricsTableWriter(sys.argv[1], sys.argv[3])
for number in range(9):
    writer.add_batch({"number": [number], "example_id": [number % 8]})
    print(number, flush=True)
    writer._draft._wait()
"""
    images = run.parent / "images.csv"
    pl.DataFrame({"x": range(8)}).write_csv(images)
    child = start(code, run, moment, images)
    acknowledged = len(child.communicate()[0].split())
    assert child.returncode == -signal.SIGKILL
    if moment == "Parts._tell":
        with (run / "metrics_tables/.metrics_0000/parts.ndjson").open("a") as journal:
            journal.write('{"part": 2, "end": 12')  # as if it was killed within the write
    (table,) = tfr.recover_tables(run)
    rows = table.read()
    assert rows["number"].to_list() == list(range(rows.height))
    assert rows.height >= acknowledged >= 3
    assert table._foreign["largest_example_id"] == rows["example_id"].max()


def test_a_table_that_was_whole_but_not_renamed_is_recovered(run, monkeypatch):
    writer = tfr.MetricsTableWriter(run)
    writer.add_batch({"a": [1, 2]})
    monkeypatch.setattr(type(run), "rename", refuse_rename)
    with pytest.raises(OSError, match="no rename"):
        writer.finalize()
    monkeypatch.undo()
    assert writer.finalize().read()["a"].to_list() == [1, 2]


def refuse_rename(path, target):
    if path.name.startswith(".metrics"):
        raise OSError("no rename")
    os.rename(path, target)  # noqa: PTH104


def test_a_spill_is_an_arrow_stream(tmp_path):
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None], "c": pl.Series(np.ones((2, 3), np.float32))})
    spill = _spill.Spill(tmp_path / "s.arrows")
    for _ in range(3):
        spill.append(frame)
    spill.close()
    with pa.ipc.open_stream((tmp_path / "s.arrows").read_bytes()) as reader:
        batches = list(reader)
    assert [batch.num_rows for batch in batches] == [2, 2, 2]
    assert pl.DataFrame(pa.Table.from_batches(batches)).equals(pl.concat([frame] * 3))


def test_a_spill_cut_anywhere_keeps_its_whole_batches(tmp_path):
    path = tmp_path / "s.arrows"
    spill = _spill.Spill(path)
    ends = []
    for number in range(4):
        spill.append(pl.DataFrame({"n": [number], "s": ["text of some length"]}))
        ends.append(spill.size)
    spill.close()
    data = path.read_bytes()
    for length in range(len(data) + 1):
        path.write_bytes(data[:length])
        found = _spill.read_torn(path)
        whole = sum(end <= length for end in ends)
        assert (0 if found is None else found.height) == whole, length
        path.write_bytes(data[:length] + bytes(100))  # a file system that grew the file but not the data
        found = _spill.read_torn(path)
        assert (0 if found is None else found.height) >= whole


def test_a_full_disk_costs_one_batch(run, monkeypatch):
    writer = tfr.MetricsTableWriter(run)
    writer.add_batch({"a": [1]})
    real = os.write
    monkeypatch.setattr(
        os, "write", lambda file, data: real(file, data[: len(data) // 2]) if len(data) > 8 else fail()
    )
    with pytest.raises(OSError, match="No space"):
        writer.add_batch({"a": [2]})
    monkeypatch.undo()
    writer.add_batch({"a": [3]})
    assert writer.finalize().read()["a"].to_list() == [1, 3]


def fail():
    raise OSError(28, "No space left on device")


def test_a_failed_compression_is_made_good_at_the_end(run, monkeypatch):
    monkeypatch.setattr(_draft, "_PART_BYTES", 1)
    writer = tfr.MetricsTableWriter(run)
    with monkeypatch.context() as patched:
        patched.setattr(pl.DataFrame, "write_parquet", lambda *_args, **_options: fail())
        for number in range(3):
            writer.add_batch({"a": [number]})
        with pytest.raises(OSError, match="No space"):
            writer.finalize()
    assert writer.finalize().read()["a"].to_list() == [0, 1, 2]


def test_a_forked_child_does_not_write(run):
    writer = tfr.MetricsTableWriter(run)
    writer.add_batch({"a": [1]})
    child = os.fork()
    if child == 0:
        try:
            writer.add_batch({"a": [2]})
        except RuntimeError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert writer.finalize().read()["a"].to_list() == [1]


def test_two_writers_of_one_process_have_tables_of_their_own(run):
    writers = [tfr.MetricsTableWriter(run) for _ in range(3)]
    for number, writer in enumerate(writers):
        writer.add_batch({"number": [number]})
    tables = [writer.finalize() for writer in reversed(writers)]
    assert [table.name for table in tables] == ["metrics_0002", "metrics_0001", "metrics_0000"]
    assert [table.read()["number"].item() for table in tables] == [2, 1, 0]


def test_a_rejected_first_batch_leaves_no_draft(run):
    writer = tfr.MetricsTableWriter(run)
    with pytest.raises(BatchError):
        writer.add_batch({"a": [object()]})
    assert not (run / "metrics_tables").exists()


def test_a_process_that_ends_without_finalizing_leaves_its_rows(run):
    code = """
import sys
import tfruns_rs as tfr
from tfruns_rs.tracking.tables import _draft
_draft._PART_BYTES = 1
writer = tfr.MetricsTableWriter(sys.argv[1])
for number in range(3):
    writer.add_batch({"number": [number]})
"""
    child = start(code, run)
    child.communicate()
    assert child.returncode == 0
    (table,) = tfr.recover_tables(run)
    assert table.read()["number"].to_list() == [0, 1, 2]
