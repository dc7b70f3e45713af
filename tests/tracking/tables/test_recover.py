"""What a killed writer leaves, and how it becomes a table."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import tfruns_rs as tfr
from tfruns_rs import _core
from tfruns_rs.errors import BatchError
from tfruns_rs.tracking.tables import _draft, metric_infos

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


@pytest.mark.parametrize("moment", ["Parts._tell", "Path.replace", "Parts._write", "_core.BatchLog"])
def test_a_writer_killed_while_it_compresses_keeps_each_row_once(run, moment):
    code = """
import os, pathlib, signal, sys
import tfruns_rs as tfr
from tfruns_rs.tracking.tables import _draft, _parts
_draft._PART_BYTES = 1
owner, name = sys.argv[2].split(".")
owner = {"Parts": _parts.Parts, "Path": pathlib.Path, "_core": _draft._core}[owner]
real, calls = getattr(owner, name), []
def die(*arguments):
    calls.append(arguments)
    if len(calls) == (6 if name == "BatchLog" else 3):  # the sixth log is made of the file of another
        if name in ("_write", "BatchLog"):
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


def test_a_log_is_an_arrow_stream(tmp_path):
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None], "c": pl.Series(np.ones((2, 3), np.float32))})
    log = _core.BatchLog(tmp_path / "s.arrows", 0, frame)
    for _ in range(3):
        log.append(frame)
    with pa.ipc.open_stream((tmp_path / "s.arrows").read_bytes()) as reader:
        batches = list(reader)
    assert log.size == (tmp_path / "s.arrows").stat().st_size - 8  # an end mark follows
    assert [batch.num_rows for batch in batches] == [2, 2, 2]
    assert pl.DataFrame(pa.Table.from_batches(batches)).equals(pl.concat([frame] * 3))
    assert pl.DataFrame(log.close()).equals(pl.concat([frame] * 3))


def test_a_log_cut_anywhere_keeps_its_whole_batches(tmp_path):
    path = tmp_path / "s.arrows"
    texts = pl.DataFrame({"n": [0], "s": ["text of some length"]})
    log = _core.BatchLog(path, 3, texts)
    ends = []
    for number in range(4):
        log.append(texts.with_columns(n=pl.lit(number, pl.Int64)))
        ends.append(log.size)
    data = path.read_bytes()
    for length in range(len(data) + 1):
        end = _core.batch_log_end(data[:length], 3)
        assert end == max([end for end in ends if end <= length], default=0), length
        if end:
            assert pl.read_ipc_stream(data[:end] + b"\xff\xff\xff\xff\0\0\0\0").height == ends.index(end) + 1
    assert _core.batch_log_end(data, 4) == 0


def test_a_file_serves_one_part_after_another(run, monkeypatch):
    monkeypatch.setattr(_draft, "_PART_BYTES", 10_000)
    writer = tfr.MetricsTableWriter(run)
    files, hidden = set(), run / "metrics_tables/.metrics_0000"
    for number in range(200):
        writer.add_batch({"number": np.full(100, number)})
        with suppress(FileNotFoundError):  # it became a spare one
            files |= {path.stat().st_ino for path in hidden.glob("*.arrows")}
    assert len(files) <= 4
    assert writer._draft._part > 10
    rows = writer.finalize().read()["number"]
    assert rows.to_list() == [number for number in range(200) for _ in range(100)]
    assert len(list((run / "metrics_tables/metrics_0000").iterdir())) == 2


def test_columns_go_the_short_way_or_the_long_one_with_the_same_result(tmp_path):
    rng = np.random.default_rng(0)
    columns = {
        "float": rng.random(5),
        "narrow": rng.random(5).astype(np.float32),
        "int": np.arange(5),
        "byte": np.arange(5, dtype=np.uint8),
        "short": np.arange(5, dtype=np.int16),
        "flag": np.array([True, False, True, True, False]),
        "image": rng.integers(0, 255, (5, 2, 3), np.uint8),
        "text": pl.Series(["a", None, "c" * 40, "", "é"]),
        "labels": pl.Series([["x"], [], None, ["y", "z" * 20], [None]]),
        "box": pl.Series([{"x": 1, "y": "left"}] * 5),
    }
    frame = pl.DataFrame(columns)
    log = _core.BatchLog(tmp_path / "log", 0, frame.clear())
    assert log.append_columns(columns) == -1
    assert log.append_columns(dict(reversed(columns.items()))) == -1
    log.append(frame)
    assert pl.DataFrame(log.close()).equals(pl.concat([frame] * 3))


@pytest.mark.parametrize(
    "other",
    [
        np.arange(6),
        np.arange(5, dtype=np.int32),
        np.arange(5, dtype=">i8"),
        np.arange(10)[::2],
        np.arange(10).reshape(5, 2),
        np.array(5),
        np.ma.masked_array(np.arange(5), [True] * 5),
        np.arange(5).astype("m8[s]"),
        np.arange(5).astype(object),
        [1, 2, 3, 4, 5],
        b"12345678",
        pl.Series([1, 2, 3, 4, 5], dtype=pl.Int32),
        pl.concat([pl.Series([1, 2]), pl.Series([3, 4, 5])], rechunk=False),
        None,
    ],
    ids=str,
)
def test_what_is_not_exactly_the_log_s_goes_the_long_way(tmp_path, other):
    log = _core.BatchLog(tmp_path / "log", 0, pl.DataFrame({"a": [0], "b": [0.0]}))
    assert log.append_columns({"a": other, "b": np.zeros(5)}) is None
    assert log.append_columns({"a": np.arange(5)}) is None
    assert log.append_columns({"a": np.arange(5), "c": np.zeros(5)}) is None
    assert log.append_columns({"a": np.arange(5), "b": np.zeros(5), "c": np.zeros(5)}) is None
    assert log.size == 0
    assert log.append_columns({"a": np.arange(5), "b": np.zeros(5)}) == -1
    assert pl.DataFrame(log.close()).rows() == [(number, 0.0) for number in range(5)]


def test_example_ids_that_are_none_go_the_long_way(tmp_path):
    log = _core.BatchLog(tmp_path / "log", 0, pl.DataFrame({"example_id": [0]}))
    for ids, largest in [([3, 7], 7), ([8], None), ([-1, 2], None), ([], -1)]:
        assert log.append_columns({"example_id": np.array(ids, np.int64)}, "example_id", 8) == largest
    assert log.append_columns({"example_id": np.array([99])}, "example_id", None) == 99


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_memory_may_be_used_again_after_a_batch(run, size):
    writer = tfr.MetricsTableWriter(run)
    values = np.zeros(size)
    for number in range(4):
        values[:] = number
        writer.add_batch({"a": values})
    assert writer.finalize().read()["a"].unique(maintain_order=True).to_list() == [0, 1, 2, 3]


def test_threads_share_a_writer(run, monkeypatch):
    monkeypatch.setattr(_draft, "_PART_BYTES", 10_000)
    writer = tfr.MetricsTableWriter(run)
    with ThreadPoolExecutor(4) as threads:
        for thread in range(4):
            threads.submit(
                lambda thread: [writer.add_batch({"a": np.full(100, 100 * thread + n)}) for n in range(50)],
                thread,
            )
    counts = writer.finalize().read()["a"].value_counts()
    assert counts.height == 200
    assert counts["count"].to_list() == [100] * 200


def test_a_full_disk_costs_one_batch(run):
    code = """
import resource, sys
import numpy as np
import tfruns_rs as tfr
writer = tfr.MetricsTableWriter(sys.argv[1])
sizes = map(int, sys.argv[2].split(","))
largest, room = resource.getrlimit(resource.RLIMIT_FSIZE)[1], 100_000
for size in sizes:
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, largest))
    try:
        writer.add_batch({"a": np.full(size, size)})
    except OSError as error:
        print(size, error.filename[-13:])
resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
print(writer.finalize().read()["a"].unique(maintain_order=True).to_list())
"""
    for sizes, refused, kept in [
        ("10,20000,30,40000,50", [20000, 40000], [10, 30, 50]),
        ("20000,40", [20000], [40]),
    ]:
        out = start(code, run, sizes).communicate()[0].splitlines()
        assert out == [f"{size} 000000.arrows" for size in refused] + [str(kept)]


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
