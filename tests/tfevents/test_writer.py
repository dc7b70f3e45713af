import gc
import math
import os
import pickle
import re
import resource
import shutil
import subprocess
import sys
import tempfile
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


def test_series_from_arrays(tmp_path):
    rng = np.random.default_rng(0)
    numbers, times = rng.random(40_000), np.linspace(1.0, 2.0, 40_000)
    with tfr.EventWriter(tmp_path) as writer:
        writer.add_scalar_series("a", np.arange(40_000), numbers, times)
        writer.add_scalar_series("b", range(3), [1, 2, 3], run="r")
        writer.add_scalar_series("c", np.arange(3, dtype="int32"), np.ones(3, "float32"))
        writer.add_scalar_series("d", [], [])
        with pytest.raises(InvalidEventError, match="length"):
            writer.add_scalar_series("a", [1, 2], [1.0])
        with pytest.raises(InvalidEventError, match="wall_time"):
            writer.add_scalar_series("a", [1], [1.0], [math.nan])
        for bad in ([0.5], ["a"]):
            with pytest.raises(TypeError):
                writer.add_scalar_series("a", bad, [1.0])
    with DataServer(tmp_path) as server:
        found = {(point.run, point.tag): [] for point in server.scalars()}
        for point in server.scalars():
            found[point.run, point.tag].append(point)
    assert [point.step for point in found[".", "a"]] == list(range(40_000))
    assert [point.value for point in found[".", "a"]] == [as_float32(number) for number in numbers]
    assert [point.wall_time for point in found[".", "a"]] == list(times)
    assert [point.value for point in found["r", "b"]] == [1.0, 2.0, 3.0]
    assert len(found[".", "c"]) == 3


@pytest.mark.parametrize("metadata", ["always", "first"])
@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "uint8", "bool"])
def test_a_series_is_what_its_scalars_are(tmp_path, dtype, exact, metadata):
    rng = np.random.default_rng(0)
    numbers = (rng.random(300) * 100).astype(dtype)
    steps, times = np.cumsum(rng.integers(0, 1000, 300)), rng.random(300) * 2e9
    with tfr.EventWriter(
        tmp_path / "series", exact=exact, metadata=metadata, max_buffer_bytes=5000
    ) as writer:
        writer.add_scalar_series("t/ä", steps, numbers, times)
        writer.add_scalar_series("t/ä", steps[::-1][:1] + 1, numbers[::-1][:1], times[:1])
    with tfr.EventWriter(tmp_path / "scalars", exact=exact, metadata=metadata) as writer:
        for step, number, wall_time in zip(steps, numbers, times, strict=True):
            writer.add_scalar("t/ä", number, step, wall_time=wall_time)
        writer.add_scalar("t/ä", numbers[-1], steps[-1] + 1, wall_time=times[0])
    series, scalars = (list(events(*event_files(tmp_path / name)))[1:] for name in ("series", "scalars"))
    assert len(series) == 301
    assert series == scalars


def test_what_is_no_series_is_told(tmp_path):
    with tfr.EventWriter(tmp_path) as writer:
        with pytest.raises(InvalidEventError, match="dimension"):
            writer.add_scalar_series("a", np.arange(4), np.ones((2, 2)))
        with pytest.warns(UserWarning, match="step 3 comes after step 4"):
            writer.add_scalar_series("a", [0, 4, 3, 5], np.ones(4))
    assert [step for _, step, _ in values(tmp_path)] == [0, 4, 3, 5]


def test_a_series_that_does_not_fit_says_how_much_was_logged(tmp_path):
    options = {"max_buffer_bytes": 1000, "on_full": "raise", "flush_secs": 1000}
    with tfr.EventWriter(tmp_path, **options) as writer:
        writer.add_scalar("x", 0.1, 0)
        with pytest.raises(BufferFullError) as raised:
            writer.add_scalar_series("a", range(100), np.ones(100))
        assert raised.value.__notes__ == ["0 of 100 values were logged"]
        writer.flush()
        writer.add_scalar_series("a", range(100), np.ones(100))
    assert len(values(tmp_path)) == 101


def test_large_integers_of_a_series_are_rounded_with_one_warning(tmp_path):
    script = """
import sys, warnings
import numpy as np, tfruns_rs as tfr
with tfr.EventWriter(sys.argv[1]) as writer, warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    writer.add_scalar_series("a", [0], [1e300])
    writer.add_scalar_series("a", [1], np.array([2**53], "int64"))
    assert not told
    writer.add_scalar_series("a", [2, 3], np.array([2**53 + 1, 2**60 + 1], "int64"))
    writer.add_scalar("a", 2**53 + 1, 4)
    assert len(told) == 1, told
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert len(values(tmp_path)) == 5


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


# --- trouble with files


def test_a_logdir_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    with tfr.EventWriter(tmp_path / "file") as writer, pytest.raises(FileExistsError) as error:
        writer.add_scalar("x", 1)
    assert error.value.filename == str(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    with tfr.EventWriter(tmp_path / "closed") as writer, pytest.raises(PermissionError):
        writer.add_scalar("x", 1)


def test_a_link_is_not_followed(tmp_path):
    with tfr.EventWriter(tmp_path, flush_secs=1000) as writer:
        writer.add_scalar("x", 1)
        writer.flush()
        (file,) = map(Path, writer.files)
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
        writer.add_scalar("x", 2)
        with pytest.raises(FileNotFoundError):
            writer.flush()
        writer.flush()
    assert (tmp_path / "elsewhere").stat().st_size < 250


def limited_to(size):
    """Files can't grow beyond this: the system's way of a full disk that needs no mount."""
    return lambda: resource.setrlimit(
        resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    )


FULL_DISK = """
import errno, resource, sys
import tfruns_rs as tfr

hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
writer = tfr.EventWriter(sys.argv[1], flush_secs=1000)
writer.add_scalar("x", 1, 0)
writer.flush()
(file,) = writer.files
size = len(open(file, "rb").read())
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))
for step in range(1, 10):
    writer.add_scalar("x", 1, step)
for _ in range(2):
    try:
        writer.flush()
    except OSError as error:
        assert (error.errno, error.filename) == (errno.EFBIG, file), error
    else:
        sys.exit("no error")
cut = open(file, "rb").read()
assert len(cut) == size + 100, len(cut)
try:
    writer.close()
except OSError:
    assert not writer.closed
writer.add_scalar("x", 1, 10)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
writer.flush()
whole = open(file, "rb").read()
assert whole.startswith(cut)
assert writer.stats()["errors"] == 3, writer.stats()
writer.close()
"""


def test_a_cut_batch_is_kept_and_completed(tmp_path):
    subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], check=True)
    assert [step for _, step, _ in values(tmp_path)] == list(range(11))


BEHIND_THE_BACK = """
import resource, sys, time
import tfruns_rs as tfr

hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
writer = tfr.EventWriter(sys.argv[1], flush_secs=0.01, on_error=sys.argv[2])
writer.add_scalar("x", 1, 0)
writer.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
told, step = 0, 1
deadline = time.monotonic() + 20
while told == 0 and time.monotonic() < deadline:
    try:
        writer.add_scalar("x", 1, step)
    except OSError:
        told += 1
    step += 1
    time.sleep(0.005)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
writer.close()
print(told, step, writer.stats()["errors"])
"""


def test_an_error_behind_the_callers_back_is_raised_at_the_next_call(tmp_path):
    out = subprocess.run(
        [sys.executable, "-c", BEHIND_THE_BACK, str(tmp_path), "raise"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    told, steps, errors = map(int, out.split())
    assert told == 1
    assert errors >= 1
    assert [step for _, step, _ in values(tmp_path)] == list(range(steps))


def test_an_error_is_a_warning_if_asked(tmp_path):
    script = BEHIND_THE_BACK.replace("while told == 0", "while writer.stats()['errors'] < 2")
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), "warn"], check=True, capture_output=True, text=True
    )
    told, steps, errors = map(int, run.stdout.split())
    assert told == 0
    assert errors >= 1
    assert "events are not written" in run.stderr
    assert [step for _, step, _ in values(tmp_path)] == list(range(steps))


def test_a_descriptor_that_became_another_file(tmp_path):
    """Nothing is written to a file that is not the event file, not even to one that would refuse it."""
    with tfr.EventWriter(tmp_path, flush_secs=1000) as writer:
        writer.add_scalar("x", 1, 0)
        writer.flush()
        (fd,) = descriptors_of(writer.files[0])
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, fd, inheritable=False)
        os.close(full)
        writer.add_scalar("x", 1, 1)
        with pytest.raises(OSError, match="Bad file descriptor"):
            writer.flush()
        writer.flush()
        os.close(fd)
    assert [step for _, step, _ in values(tmp_path)] == [0, 1]


@pytest.fixture
def tiny_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk],  # noqa: S607
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system takes privileges")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)  # noqa: S607


@pytest.mark.parametrize("shared", [False, True])
def test_a_disk_that_runs_full_and_has_space_again(tiny_disk, shared):
    ballast = tiny_disk / "ballast"
    with tfr.EventWriter(tiny_disk / "logs", flush_secs=1000, shared=shared) as writer:
        writer.add_scalar("x", 0, 0)
        writer.flush()
        with pytest.raises(OSError, match="No space left"):
            ballast.write_bytes(bytes(1 << 20))
        for step in range(1, 200):
            writer.add_scalar("x", step, step)
        visible = Path(writer.files[0]).read_bytes()
        for _ in range(2):
            with pytest.raises(OSError, match="No space left"):
                writer.flush()
        writer.add_scalar("x", 200, 200)
        cut = Path(writer.files[0]).read_bytes()
        assert cut.startswith(visible)
        ballast.unlink()
        writer.flush()
        assert Path(writer.files[0]).read_bytes().startswith(cut)
    assert [step for _, step, _ in values(tiny_disk)] == list(range(201))


def descriptors_of(path):
    found = []
    for fd in Path("/proc/self/fd").iterdir():
        try:
            if str(fd.readlink()) == path:
                found.append(int(fd.name))
        except OSError:
            pass
    return found


def test_a_closed_descriptor(tmp_path):
    with tfr.EventWriter(tmp_path, flush_secs=1000) as writer:
        writer.add_scalar("x", 1, 0)
        writer.flush()
        (fd,) = descriptors_of(writer.files[0])
        os.close(fd)
        other = (tmp_path / "other").open("wb")
        assert other.fileno() == fd
        writer.add_scalar("x", 1, 1)
        with pytest.raises(OSError, match="Bad file descriptor"):
            writer.flush()
        writer.flush()
        other.close()
    assert (tmp_path / "other").read_bytes() == b""
    assert [step for _, step, _ in values(tmp_path)] == [0, 1]


def test_a_removed_directory_is_told_and_logging_goes_on_when_it_is_back(tmp_path):
    logdir = tmp_path / "logs"
    with tfr.EventWriter(logdir, flush_secs=1000) as writer:
        writer.add_scalar("x", 1, 0)
        writer.flush()
        shutil.rmtree(logdir)
        writer.add_scalar("x", 1, 1)
        for _ in range(2):
            with pytest.raises(FileNotFoundError) as error:
                writer.flush()
            assert str(logdir) in error.value.filename
        logdir.mkdir()
        writer.add_scalar("x", 1, 2)
    assert [step for _, step, _ in values(logdir)] == [1, 2]


def test_a_moved_directory_is_told(tmp_path):
    with tfr.EventWriter(tmp_path / "a", flush_secs=1000) as writer:
        writer.add_scalar("x", 1, 0)
        writer.flush()
        (tmp_path / "a").rename(tmp_path / "b")
        writer.add_scalar("x", 1, 1)
        with pytest.raises(FileNotFoundError):
            writer.flush()
        (tmp_path / "a").mkdir()
        writer.flush()
    assert [step for _, step, _ in values(tmp_path / "b")] == [0]
    assert [step for _, step, _ in values(tmp_path / "a")] == [1]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs to become another user")
def test_a_directory_that_is_revoked_is_told_and_logging_goes_on_when_it_is_given_back():
    """In a child that is nobody, for root may write everywhere."""
    nobody = 65534
    logdir = Path(tempfile.mkdtemp())
    os.chown(logdir, nobody, nobody)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setresuid(nobody, nobody, nobody)
            with tfr.EventWriter(logdir) as writer:
                writer.add_scalar("x", 0, 0)
                writer.flush()
                logdir.chmod(0)
                writer.add_scalar("x", 0, 1)
                writer.flush()  # the file is open: what can be written is
                with pytest.raises(PermissionError):
                    writer.add_scalar("x", 0, 0, run="other")
                with pytest.raises(PermissionError), tfr.EventWriter(logdir) as another:
                    another.add_scalar("x", 0, 0)
                logdir.chmod(0o700)
                writer.add_scalar("x", 0, 0, run="other")
            status = 0
        finally:
            os._exit(status)
    try:
        assert os.waitpid(pid, 0)[1] == 0
        assert sorted((point.run, point.step) for point in raw_scalars(logdir)) == [
            (".", 0),
            (".", 1),
            ("other", 0),
        ]
    finally:
        shutil.rmtree(logdir)


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
