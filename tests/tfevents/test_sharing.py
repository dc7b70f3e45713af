import fcntl
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import tfruns_rs as tfr
from interop.data_server import DataServer
from interop.python_loader import Accumulators, event_files, raw_scalars
from tfevents import sharers

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="files are shared on Unix only")


def points(logdir):
    return [(point.tag, point.step, point.value) for point in raw_scalars(logdir)]


def in_child(work):
    """Run `work` in a forked child that ends without a goodbye."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


def hidden(logdir):
    return sorted(path.name for path in Path(logdir).iterdir() if path.name.startswith("."))


def test_killed_sharers_lose_nothing_that_was_flushed_and_tear_nothing(tmp_path):
    """Followed by both of TensorBoard's loaders while it happens."""
    driver = subprocess.Popen(
        [sys.executable, sharers.__file__, tmp_path, "--rounds=3", "--count=1500"],
        stdout=subprocess.PIPE,
        text=True,
    )
    while not event_files(tmp_path):
        assert driver.poll() is None
    accumulators = Accumulators(tmp_path)
    with DataServer(tmp_path, reload=1) as server:
        while driver.poll() is None:
            accumulators.reload()
        report = json.load(driver.stdout)
        driver.stdout.close()
        in_file = points(tmp_path)
        served = server.wait_until(lambda found: len(found) >= len(in_file))
        assert server.complaints == []
    assert sharers.check(report, in_file) == []
    assert len(report["killed"]) == 12
    assert len(report["files"]) == len(event_files(tmp_path)) == 1
    assert sorted((p.tag, p.step, p.value) for p in served) == sorted(in_file)
    assert sorted((p.tag, p.step, p.value) for p in accumulators.reload()) == sorted(in_file)
    assert hidden(tmp_path) == []


def test_log_event_in_forked_children_goes_to_one_file(tmp_path):
    with tfr.with_logdir(tmp_path):
        tfr.log_event(parent=1.0)
        for n in range(4):
            in_child(lambda n=n: [tfr.log_event(**{f"child{n}": i}) for i in range(100)] and tfr.flush())
        tfr.log_event(parent=2.0)
        tfr.flush()
    assert len(event_files(tmp_path)) == 1
    found = points(tmp_path)
    assert [step for _, step, _ in found] == list(range(402))
    assert [value for tag, _, value in found if tag == "child2"] == list(range(100))


def log_some(logdir, name):
    with tfr.with_logdir(logdir):
        for i in range(100):
            tfr.log_event(**{name: i})


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_log_event_in_children_of_multiprocessing(tmp_path, method):
    """They end without a flush: that is ours to do."""
    with tfr.with_logdir(tmp_path):
        tfr.log_event(parent=1.0)
        context = multiprocessing.get_context(method)
        children = [context.Process(target=log_some, args=(str(tmp_path), f"c{n}")) for n in range(2)]
        for child in children:
            child.start()
        for child in children:
            child.join()
            assert child.exitcode == 0
        tfr.log_event(parent=2.0)
        tfr.flush()
    assert len(event_files(tmp_path)) == 1
    assert [step for _, step, _ in points(tmp_path)] == list(range(202))


def test_a_process_that_comes_later_joins_and_after_the_last_one_a_new_file_begins(tmp_path):
    script = "import sys; from tfevents.test_sharing import log_some; log_some(sys.argv[1], 'later')"
    run = [sys.executable, "-c", script, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with tfr.EventWriter(tmp_path, shared=True) as writer:
        writer.add_scalar("first", 1)
        subprocess.run(run, check=True, env=environment)
        assert len(event_files(tmp_path)) == 1
    assert hidden(tmp_path) == []
    subprocess.run(run, check=True, env=environment)
    assert len(event_files(tmp_path)) == 2
    assert sorted(step for _, step, _ in points(tmp_path)) == list(range(201))


def test_steps_reserved_by_several_processes_are_unique(tmp_path):
    script = """
import sys, tfruns_rs as tfr
tfr.set_default_logdir(sys.argv[1])
print(*[tfr.get_global_step() for _ in range(200)])
"""
    runs = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    with tfr.with_logdir(tmp_path):
        reserved = [tfr.get_global_step() for _ in range(200)]
    for run in runs:
        reserved += map(int, run.communicate()[0].split())
    assert len(reserved) == len(set(reserved)) == 1000


def test_leaves_in_several_runs_share_the_step(tmp_path):
    with tfr.EventWriter(tmp_path, shared=True) as writer, tfr.with_logdir(tmp_path):
        writer.add_scalar("x", 1)
        for _ in range(50):
            tfr.log_event(train={"loss": 1.0}, valid={"loss": 2.0})
            writer.add_scalar("x", 1)
        tfr.flush()
    by_run = {}
    for point in raw_scalars(tmp_path):
        by_run.setdefault(point.run, []).append(point.step)
    assert by_run["train"] == by_run["valid"]
    assert sorted(by_run["train"] + by_run["."]) == list(range(101))


def cut_and_die(writer, file, records=50):
    """Write a batch of which the system takes only a part, and be killed before anybody can help."""
    import resource

    size = Path(file).stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, size + 100))
    for i in range(records):
        writer.add_scalar("cut", i)
    with pytest.raises(OSError, match="File too large"):
        writer.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def die_cutting(writer):
    (file,) = writer.files
    pid = os.fork()
    if pid == 0:
        try:
            cut_and_die(writer, file)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


def test_a_torn_batch_is_completed_by_the_next_sharer(tmp_path):
    with tfr.EventWriter(tmp_path, shared=True, flush_secs=1000) as writer:
        for i in range(1000):
            writer.add_scalar("x", i)
        writer.flush()
        die_cutting(writer)
        writer.add_scalar("x", 1000)
        writer.flush()
        assert writer.stats()["completed"] == 1
    found = points(tmp_path)
    assert [step for _, step, _ in found] == list(range(1051))
    assert [value for tag, _, value in found if tag == "cut"] == list(range(50))
    assert len(event_files(tmp_path)) == 1


def test_a_torn_batch_is_completed_and_counted_by_a_sharer_that_leaves(tmp_path):
    with tfr.EventWriter(tmp_path, shared=True, flush_secs=1000) as writer:
        for i in range(1000):
            writer.add_scalar("x", i)
        writer.flush()
        die_cutting(writer)
        assert writer.stats()["completed"] == 0
    assert writer.stats()["completed"] == 1
    assert [step for _, step, _ in points(tmp_path)] == list(range(1050))


def test_a_torn_batch_is_completed_by_a_process_that_comes_after_all_are_dead(tmp_path):
    def work():
        writer = tfr.EventWriter(tmp_path, shared=True, flush_secs=1000)
        for i in range(1000):
            writer.add_scalar("x", i)
        writer.flush()
        die_cutting(writer)

    in_child(work)
    with tfr.EventWriter(tmp_path, shared=True) as writer:
        writer.add_scalar("x", 1000)
    assert writer.stats()["completed"] == 1
    assert len(event_files(tmp_path)) == 2
    assert sorted(step for _, step, _ in points(tmp_path)) == list(range(1051))


@pytest.mark.parametrize("damage", ["remove", "empty", "garbage", "payload"])
def test_without_its_sidecar_a_torn_file_is_left_and_the_sharers_go_on_in_the_next(tmp_path, damage):
    with tfr.EventWriter(tmp_path, shared=True, flush_secs=1000) as writer:
        for i in range(1000):
            writer.add_scalar("x", i)
        writer.flush()
        die_cutting(writer)
        torn = Path(writer.files[0]).read_bytes()
        sidecar = tmp_path / ".tfruns-share"
        if damage == "remove":
            sidecar.unlink()
        elif damage == "payload":
            content = bytearray(sidecar.read_bytes())
            content[5000] ^= 1
            sidecar.write_bytes(content)
        else:
            sidecar.write_bytes(b"" if damage == "empty" else os.urandom(9000))
        writer.add_scalar("x", 1000)
        writer.flush()
        writer.add_scalar("x", 1001)
        writer.flush()
        first, second = event_files(tmp_path)
        assert torn in (first.read_bytes(), second.read_bytes())
        in_child(lambda: (writer.add_scalar("x", 1002), writer.flush()))
        assert len(event_files(tmp_path)) == 2
    values = [value for tag, _, value in points(tmp_path) if tag == "x"]
    assert sorted(values) == list(range(1003))


def test_who_waits_too_long_for_the_lock_goes_on_in_a_run_of_its_own(tmp_path):
    with tfr.EventWriter(tmp_path, shared=True, flush_secs=1000, lock_timeout_secs=0.2) as writer:
        writer.add_scalar("x", 0)
        writer.add_scalar("x", 0, run="train")
        writer.flush()
        assert writer.stats()["sharing"] == "on"
        with (tmp_path / ".tfruns-share").open("r+b") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            writer.add_scalar("x", 1)
            writer.add_scalar("x", 1, run="train")
            writer.flush()
        assert writer.stats()["sharing"] == "alone: lock timeout"
        writer.add_scalar("x", 2)
    own = f"@{socket.gethostname()}-{os.getpid()}"
    assert sorted((point.step, point.run) for point in raw_scalars(tmp_path)) == [
        (0, "."),
        (1, "train"),
        (2, own),
        (3, f"train{own}"),
        (4, own),
    ]


def test_ranks_with_explicit_steps_have_runs_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    first = tfr.EventWriter(tmp_path, shared=True)
    monkeypatch.setenv("RANK", "3")
    with first, tfr.EventWriter(tmp_path, shared=True) as fourth:
        for step in range(3):
            first.add_scalar("loss", 0, step)
            fourth.add_scalar("loss", 3, step)
            fourth.add_scalar("loss", 3, step, run="train")
            fourth.add_scalar("managed", 3)
    own = f"@{socket.gethostname()}-3"
    by_run = {}
    for point in raw_scalars(tmp_path):
        by_run.setdefault(point.run, []).append((point.tag, point.step))
    assert sorted(by_run) == [".", own, f"train{own}"]
    assert by_run[own] == [("loss", 0), ("loss", 1), ("loss", 2)]
    with DataServer(tmp_path) as server:
        assert len(server.scalars()) == 12


def test_another_host_is_not_joined(tmp_path):
    """Its locks may not be ours: a live member of a session whose founder was on another machine."""
    with tfr.EventWriter(tmp_path, shared=True) as writer:
        writer.add_scalar("x", 0)
        writer.flush()
        sidecar = tmp_path / ".tfruns-share"
        foreign = sidecar.read_bytes().replace(
            socket.gethostname().encode(), b"\0" * len(socket.gethostname())
        )
        assert foreign != sidecar.read_bytes()
        header = foreign[8 : 8 + int.from_bytes(foreign[:4], "little")]
        sidecar.write_bytes(foreign[:4] + masked_crc(header).to_bytes(4, "little") + foreign[8:])
        with tfr.EventWriter(tmp_path, shared=True) as other:
            other.add_scalar("x", 1)
            other.flush()
            assert other.stats()["sharing"] == "alone: other host"


def test_a_lock_that_keeps_nobody_out_is_not_trusted(tmp_path):
    """Such as one on something that is no file; the writer goes on in a run of its own and says so."""
    os.mkfifo(tmp_path / ".tfruns-share")
    with tfr.EventWriter(tmp_path, shared=True) as writer:
        writer.add_scalar("x", 1)
        assert writer.stats()["sharing"] == "alone: untrusted locks"
    (point,) = raw_scalars(tmp_path)
    assert point.run == f"@{socket.gethostname()}-{os.getpid()}"


def masked_crc(data):
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    return masked_crc32c(data)


def test_a_name_in_the_sidecar_can_not_lead_out(tmp_path):
    logdir = tmp_path / "logs"
    with tfr.EventWriter(logdir, shared=True, flush_secs=1000) as writer:
        writer.add_scalar("x", 0, run="aa/bb")
        writer.flush()
        sidecar = logdir / ".tfruns-share"
        content = sidecar.read_bytes()
        header = content[8 : 8 + int.from_bytes(content[:4], "little")].replace(b"aa/bb", b"../bb")
        sidecar.write_bytes(
            content[:4] + masked_crc(header).to_bytes(4, "little") + header + content[8 + len(header) :]
        )
        writer.add_scalar("x", 1, run="aa/bb")
        writer.flush()
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]
    assert [step for _, step, _ in points(logdir)] == [0, 1]


def test_many_shared_logdirs_with_few_descriptors(tmp_path):
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limit[1]))
    try:
        for turn in range(2):
            for n in range(400):
                with tfr.with_logdir(tmp_path / f"{n}"):
                    tfr.log_event(x=turn)
            tfr.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    assert len(points(tmp_path)) == 800
    assert len(event_files(tmp_path)) == 400
