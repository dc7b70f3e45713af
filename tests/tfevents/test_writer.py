import gc
import math
import os
import pickle
import re
import resource
import subprocess
import sys
import threading
import time
import warnings
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import tfruns_rs as tfr
from interop.data_server import DataServer
from interop.points import as_float32
from interop.python_loader import event_files, events, legacy_scalars, raw_scalars
from tfruns_rs.errors import BufferFullError, InvalidEventError, WriterClosedError


def values(logdir):
    return [(point.tag, point.step, point.value) for point in raw_scalars(logdir)]


def test_a_file_says_who_wrote_it(tmp_path):
    with tfr.EventWriter(tmp_path) as writer:
        writer.add_scalar("x", 1.0)
        (file,) = writer.files
    assert re.fullmatch(r"events\.out\.tfevents\.\d{10}\..+\.\d+\.\d+\.v2", Path(file).name)
    first, second = events(file)
    assert first.file_version == "brain.Event:2"
    assert first.source_metadata.writer == "tfruns_rs"
    assert second.summary.value[0].metadata.plugin_data.plugin_name == "scalars"
    assert abs(second.wall_time - time.time()) < 60


def test_every_reader_sees_every_point(tmp_path):
    numbers = [0.5, 0.1, -1e300, math.inf, -math.inf, 3, 2**53]
    with tfr.EventWriter(tmp_path) as writer:
        for step, number in enumerate(numbers):
            writer.add_scalar("x", number, step)
    expected = [("x", step, as_float32(float(number))) for step, number in enumerate(numbers)]
    assert values(tmp_path) == expected
    assert [(p.tag, p.step, p.value) for p in legacy_scalars(tmp_path)] == expected
    with DataServer(tmp_path) as server:
        assert [(p.tag, p.step, p.value) for p in server.scalars()] == expected
        assert server.complaints == []


def test_nan_and_infinities_are_kept(tmp_path):
    with tfr.EventWriter(tmp_path) as writer:
        writer.add_scalar("x", math.nan, 1)
        writer.add_scalar("x", math.inf, 2)
        writer.add_scalar_series("x", [3, 4], [-math.inf, math.nan])
    first, *infinities, last = [value for _, _, value in values(tmp_path)]
    assert math.isnan(first)
    assert infinities == [math.inf, -math.inf]
    assert math.isnan(last)
    ours = tfr.collect_events(tmp_path, type="scalar")["value"].to_list()
    assert list(map(str, ours)) == ["nan", "inf", "-inf", "nan"]


def sizes(logdir, numbers, **options):
    with tfr.EventWriter(logdir, **options) as writer:
        for number in numbers:
            writer.add_scalar("x", number)
    (file,) = event_files(logdir)
    return [event.ByteSize() for event in events(file)][1:]


def test_the_exact_value_costs_only_where_it_is_needed(tmp_path):
    exact, plain = sizes(tmp_path / "a", [0.1, 0.5]), sizes(tmp_path / "b", [0.1, 0.5], exact=False)
    assert exact[0] == plain[0] + 10
    assert exact[1] == plain[1]


def test_metadata_on_the_first_value_of_a_tag(tmp_path):
    always, first = sizes(tmp_path / "a", [1, 1, 1]), sizes(tmp_path / "b", [1, 1, 1], metadata="first")
    assert first[0] == always[0]
    assert [a - f for a, f in zip(always, first, strict=True)][1:] == [13, 13]
    assert len(legacy_scalars(tmp_path / "b")) == 3


class Zero:
    ndim = 0
    shape = ()

    def item(self):
        return 2.5


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1, 1.0),
        (True, 1.0),
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.float16(0.5), 0.5),
        (np.int8(-3), -3.0),
        (np.uint64(2**40), 2.0**40),
        (np.bool_(True), 1.0),
        (np.array(1.5), 1.5),
        (np.array([1.5]), 1.5),
        (Decimal("1.5"), 1.5),
        (Fraction(3, 2), 1.5),
        (Zero(), 2.5),
    ],
    ids=lambda number: type(number).__name__,
)
def test_whatever_is_one_number(tmp_path, number, expected):
    with tfr.EventWriter(tmp_path) as writer:
        writer.add_scalar("x", number, 0)
        writer.add_scalars({"y": number}, 0)
    assert values(tmp_path) == [("x", 0, expected), ("y", 0, expected)]


@pytest.mark.parametrize(
    "bad",
    [None, "1", b"1", [1.0], (1.0,), {}, np.zeros(2), np.zeros(0), 1j, np.complex64(1j), object(), 10**400],
)
def test_whatever_is_none(tmp_path, bad):
    with tfr.EventWriter(tmp_path) as writer:
        writer.add_scalar("good", 1.0)
        with pytest.raises(InvalidEventError) as error:
            writer.add_scalar("loss", bad)
        assert "loss" in str(error.value)
        with pytest.raises(InvalidEventError):
            writer.add_scalars({"fine": 1.0, "loss": bad})
    assert values(tmp_path) == [("good", 0, 1.0)]


def test_large_integers_are_rounded_with_one_warning(tmp_path):
    script = (
        "import sys, warnings, tfruns_rs as tfr\n"
        "with warnings.catch_warnings(record=True) as told, tfr.EventWriter(sys.argv[1]) as writer:\n"
        "    warnings.simplefilter('always')\n"
        "    writer.add_scalar('x', 2**53)\n"
        "    assert not told\n"
        "    writer.add_scalar('x', 2**53 + 1)\n"
        "    writer.add_scalar('x', 2**70)\n"
        "    assert len(told) == 1"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert [value for _, _, value in values(tmp_path)] == [2.0**53, 2.0**53, 2.0**70]


def test_a_step_that_goes_back_warns_once(tmp_path):
    with tfr.EventWriter(tmp_path) as writer:
        for step in (1, 2, 2, 3):
            writer.add_scalar("a", 1.0, step)
        writer.add_scalar("b", 1.0, 0)
        with pytest.warns(UserWarning, match="goes back"):
            writer.add_scalar("a", 1.0, 1)
        writer.add_scalar("a", 1.0, 0)
    assert len(values(tmp_path)) == 7


def test_flush_is_a_barrier(tmp_path):
    with tfr.EventWriter(tmp_path, flush_secs=1000) as writer:
        for count in range(1, 20):
            writer.add_scalar("x", count)
            writer.flush()
            assert len(values(tmp_path)) == count
        assert writer.stats()["buffered_bytes"] == 0


def test_sync(tmp_path):
    with tfr.EventWriter(tmp_path, flush_secs=1000) as writer:
        writer.add_scalar("x", 1)
        writer.sync()
        assert len(values(tmp_path)) == 1


def test_the_timer_writes(tmp_path):
    with tfr.EventWriter(tmp_path, flush_secs=0.05) as writer:
        for count in range(1, 4):
            writer.add_scalar("x", count)
            deadline = time.monotonic() + 10
            while len(values(tmp_path)) < count:
                assert time.monotonic() < deadline
                time.sleep(0.01)


def test_writing_through(tmp_path):
    with tfr.EventWriter(tmp_path, flush_secs=0) as writer:
        for count in range(1, 4):
            writer.add_scalar("x", count)
            assert len(values(tmp_path)) == count


def test_a_batch_is_one_write(tmp_path):
    with tfr.EventWriter(tmp_path, flush_secs=1000) as writer:
        for _ in range(1000):
            writer.add_scalar("x", 0.1)
        writer.flush()
        stats = writer.stats()
    assert stats["events"] == 1000
    assert stats["batches"] == 1
    assert stats["bytes"] > 60_000


def test_many_threads_share_a_writer(tmp_path):
    with tfr.EventWriter(tmp_path) as writer:

        def log(name):
            for step in range(5000):
                writer.add_scalar(name, step, step)

        threads = [threading.Thread(target=log, args=(f"t{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    seen = {}
    for tag, step, value in values(tmp_path):
        assert step == value
        seen.setdefault(tag, []).append(step)
    assert seen == {f"t{n}": list(range(5000)) for n in range(8)}


def test_managed_steps_rise_in_file_order_whoever_logs(tmp_path):
    with tfr.EventWriter(tmp_path, flush_secs=0.01) as writer:
        threads = [
            threading.Thread(target=lambda: [writer.add_scalar("x", 1) for _ in range(2000)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [step for _, step, _ in values(tmp_path)] == list(range(8000))


def test_a_full_buffer_blocks_and_loses_nothing(tmp_path):
    with tfr.EventWriter(tmp_path, max_buffer_bytes=2000) as writer:
        for step in range(5000):
            writer.add_scalar("x", 0.1, step)
        assert writer.stats()["waits"] > 0
    assert [step for _, step, _ in values(tmp_path)] == list(range(5000))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="files are shared on Unix only")
def test_who_waits_for_room_lets_other_threads_run(tmp_path):
    import fcntl

    options = {"shared": True, "max_buffer_bytes": 1000, "flush_secs": 0.01, "lock_timeout_secs": 1000}
    with tfr.EventWriter(tmp_path, **options) as writer:
        writer.add_scalar("x", 0)
        writer.flush()
        logged = []

        def log():
            for i in range(1, 50):
                writer.add_scalar("x", i)
                logged.append(i)

        with (tmp_path / ".tfruns-share").open("r+b") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            thread = threading.Thread(target=log)
            thread.start()
            deadline = time.monotonic() + 20
            while writer.stats()["waits"] == 0:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            for _ in range(10):
                time.sleep(0.01)
            assert thread.is_alive()
            assert len(logged) < 49
        thread.join()
    assert [value for _, _, value in values(tmp_path)] == list(range(50))


def test_a_full_buffer_raises_if_asked(tmp_path):
    with tfr.EventWriter(tmp_path, max_buffer_bytes=1000, flush_secs=1000, on_full="raise") as writer:
        for step in range(10):
            writer.add_scalar("x", 0.1, step)
        with pytest.raises(BufferFullError, match="full"):
            writer.add_text("x", "y" * 500, 10)
        writer.flush()
        writer.add_scalar("x", 0.1, 11)
    assert [step for _, step, _ in values(tmp_path)] == [*range(10), 11]


def test_a_record_larger_than_the_buffer_goes_through(tmp_path):
    with tfr.EventWriter(tmp_path, max_buffer_bytes=100) as writer:
        for _ in range(3):
            writer.add_text("t", "x" * 10_000)
    assert len(list(events(event_files(tmp_path)[0]))) == 4


def test_after_close(tmp_path):
    writer = tfr.EventWriter(tmp_path)
    writer.add_scalar("x", 1)
    writer.close()
    writer.close()
    assert writer.closed
    for call in (lambda: writer.add_scalar("x", 1), lambda: writer.add_scalar("x", 1, run="other")):
        with pytest.raises(WriterClosedError):
            call()
    assert len(values(tmp_path)) == 1


def test_a_dropped_writer_still_writes(tmp_path):
    writer = tfr.EventWriter(tmp_path, flush_secs=0.1)
    writer.add_scalar("x", 1)
    del writer
    gc.collect()
    tfr.flush()
    assert len(values(tmp_path)) == 1


def test_names_are_never_taken_twice(tmp_path):
    writers = [tfr.EventWriter(tmp_path) for _ in range(20)]
    for writer in writers:
        writer.add_scalar("x", 1)
        writer.close()
    assert len(event_files(tmp_path)) == 20
    assert len(values(tmp_path)) == 20


def test_a_pickled_writer_opens_its_own_file(tmp_path):
    with tfr.EventWriter(tmp_path, flush_secs=7, exact=False) as writer:
        writer.add_scalar("x", 1)
        with pickle.loads(pickle.dumps(writer)) as other:  # noqa: S301
            assert other.logdir == writer.logdir
            assert other.__getnewargs_ex__() == writer.__getnewargs_ex__()
            other.add_scalar("x", 2)
    assert len(event_files(tmp_path)) == 2


def test_a_relative_logdir_is_resolved_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with tfr.EventWriter("logs") as writer:
        monkeypatch.chdir("/")
        writer.add_scalar("x", 1)
    assert len(values(tmp_path / "logs")) == 1


@pytest.mark.parametrize(
    "options", [{"flush_secs": -1}, {"flush_secs": math.nan}, {"on_full": "drop"}, {"metadata": "no"}]
)
def test_bad_options(tmp_path, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        tfr.EventWriter(tmp_path, **options)


def test_a_daemon_thread_that_logs_to_the_end_loses_nothing_that_is_told_of(tmp_path):
    script = """
import sys, threading, time, tfruns_rs as tfr
writer = tfr.EventWriter(sys.argv[1])
def log():
    while True:
        writer.add_scalar("x", 1.0)
threading.Thread(target=log, daemon=True).start()
time.sleep(0.1)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert done.stderr == ""


def test_an_empty_logdir_is_refused():
    with pytest.raises(ValueError, match="empty"):
        tfr.EventWriter("")


def test_thousands_of_runs_and_logdirs(tmp_path):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limit[1]))
    try:
        with tfr.EventWriter(tmp_path / "runs") as writer:
            for turn in range(2):
                for run in range(500):
                    writer.add_scalar("x", turn, turn, run=f"r{run}")
                writer.flush()
        writers = [tfr.EventWriter(tmp_path / f"logdir{n}") for n in range(500)]
        for turn in range(2):
            for writer in writers:
                writer.add_scalar("x", turn, turn)
            tfr.flush()
        for writer in writers:
            writer.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    assert len(event_files(tmp_path)) == 1000
    assert len(values(tmp_path)) == 2000


def test_warnings_do_not_lose_the_record(tmp_path):
    with warnings.catch_warnings(), tfr.EventWriter(tmp_path) as writer:
        warnings.simplefilter("error")
        writer.add_scalar("x", 1, 5)
        with pytest.raises(UserWarning):
            writer.add_scalar("x", 1, 4)
    assert len(values(tmp_path)) == 2
