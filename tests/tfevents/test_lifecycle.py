import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

import tfruns_rs as tfr
from interop.python_loader import event_files, raw_scalars

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are of Unix")


def steps(logdir, tag="x"):
    return [point.step for point in raw_scalars(logdir) if point.tag == tag]


def script(body, *arguments, check=True, **options):
    preamble = "import os, signal, sys, threading, time\nimport tfruns_rs as tfr\n"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", preamble + body, *map(str, arguments)],
        check=check,
        capture_output=True,
        text=True,
        **options,
    )


# --- exit


def test_exit_flushes(tmp_path):
    script("tfr.EventWriter(sys.argv[1], flush_secs=1000).add_scalar('x', 1)", tmp_path)
    assert steps(tmp_path) == [0]


@pytest.mark.parametrize(
    "end", ["raise KeyError", "sys.exit(3)", "threading.Thread(target=lambda: 1 / 0).start()"]
)
def test_exit_flushes_after_an_exception(tmp_path, end):
    script(
        f"writer = tfr.EventWriter(sys.argv[1], flush_secs=1000)\nwriter.add_scalar('x', 1)\n{end}",
        tmp_path,
        check=False,
    )
    assert steps(tmp_path) == [0]


def test_exit_flushes_with_daemon_threads_that_go_on_logging(tmp_path):
    done = script(
        """
writer = tfr.EventWriter(sys.argv[1], flush_secs=1000)
started = threading.Barrier(5)
def log(name):
    started.wait()
    while True:
        writer.add_scalar(name, 1)
for n in range(4):
    threading.Thread(target=log, args=(f"t{n}",), daemon=True).start()
writer.add_scalar("x", 1)
started.wait()
time.sleep(0.05)
writer.add_scalar("x", 1)
""",
        tmp_path,
        timeout=60,
    )
    assert done.stderr == ""
    found = [point.step for point in raw_scalars(tmp_path)]
    assert found == list(range(len(found)))
    assert len(steps(tmp_path)) == 2


def test_after_the_hook_of_exit_callers_write_for_themselves(tmp_path):
    script(
        """
import atexit
tfr.set_default_logdir(sys.argv[1])
class Late:
    def __del__(self):
        tfr.log_event(x=2)
late = Late()
tfr.log_event(x=1)
""",
        tmp_path,
    )
    assert steps(tmp_path) == [0, 1]


def test_what_can_not_be_written_at_exit_is_said(tmp_path):
    done = script(
        """
import shutil
writer = tfr.EventWriter(sys.argv[1] + "/logs", flush_secs=1000)
writer.add_scalar("x", 1)
writer.flush()
writer.add_scalar("x", 2)
shutil.rmtree(sys.argv[1] + "/logs")
""",
        tmp_path,
    )
    assert "are lost" in done.stderr
    assert str(tmp_path / "logs") in done.stderr


def test_os_exit_after_flush_keeps_what_was_flushed(tmp_path):
    script(
        """
tfr.set_default_logdir(sys.argv[1])
for _ in range(1000):
    tfr.log_event(x=1)
tfr.flush()
os._exit(0)
""",
        tmp_path,
    )
    assert steps(tmp_path) == list(range(1000))


# --- kill


LOG_AND_SAY = """
writer = tfr.EventWriter(sys.argv[1], flush_secs=float(sys.argv[2]), shared=sys.argv[3] == "True")
for i in range(10**9):
    writer.add_scalar("x", i)
    os.write(1, b"%d %f\\n" % (i, time.time()))
"""


def killed_after(logdir, seconds, *arguments):
    """What a process said before it was killed: the numbers it had logged, and when."""
    command = [sys.executable, "-c", "import os, sys, time\nimport tfruns_rs as tfr\n" + LOG_AND_SAY]
    process = subprocess.Popen([*command, str(logdir), *map(str, arguments)], stdout=subprocess.PIPE)
    lines = [process.stdout.readline()]
    threading.Timer(seconds, process.kill).start()
    lines += process.stdout.read().split(b"\n")
    process.wait()
    process.stdout.close()
    return [
        (int(number), float(when))
        for number, when in (line.split() for line in lines if line.count(b".") == 1)
    ]


@pytest.mark.parametrize("shared", [False, True])
def test_kill_after_writing_through_loses_nothing(tmp_path, shared):
    said = killed_after(tmp_path, 0.2, 0, shared)
    assert len(said) > 10
    assert len(steps(tmp_path)) >= len(said)


@pytest.mark.parametrize("shared", [False, True])
def test_kill_loses_at_most_what_was_logged_within_flush_secs(tmp_path, shared):
    said = killed_after(tmp_path, 1.0, 0.2, shared)
    written = len(steps(tmp_path))
    last = said[-1][1]
    due = [number for number, when in said if when < last - 0.2 - 0.25]  # the machine may be busy
    assert due
    assert written >= len(due)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_signals_keep_what_was_flushed(tmp_path, end):
    done = script(
        f"""
writer = tfr.EventWriter(sys.argv[1], flush_secs=1000)
writer.add_scalar("x", 1)
writer.flush()
writer.add_scalar("x", 2)
os.kill(os.getpid(), {int(end)})
time.sleep(60)
""",
        tmp_path,
        check=False,
    )
    assert done.returncode == -end
    assert steps(tmp_path) == [0]


# --- fork


def in_child(work):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


# --- signals


def until_ended(body, *arguments, number=signal.SIGTERM):
    """Run a script that prints a line when it is ready, and send it a signal."""
    preamble = "import os, signal, sys, threading, time\nimport tfruns_rs as tfr\n"
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", preamble + body, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


LOG_AND_WAIT = """
writer = tfr.EventWriter(sys.argv[1], flush_secs=1000, shared=True)
for n in range(100):
    writer.add_scalar("x", n)
print("ready", flush=True)
time.sleep(60)
"""


def test_sigterm_flushes_first_if_asked(tmp_path):
    twice = "tfr.flush_on_sigterm(); tfr.flush_on_sigterm()\n"
    assert until_ended(twice + LOG_AND_WAIT, tmp_path) == (-signal.SIGTERM, "", "")
    assert steps(tmp_path) == list(range(100))


def test_sigterm_flushes_and_then_calls_the_handler_before(tmp_path):
    before = """
def leave(number, frame):
    writer.add_scalar("x", 100)
    sys.exit(3)
signal.signal(signal.SIGTERM, leave)
tfr.flush_on_sigterm()
"""
    assert until_ended(before + LOG_AND_WAIT, tmp_path) == (3, "", "")
    assert steps(tmp_path) == list(range(101))


def test_an_ignored_sigterm_flushes_and_stays_ignored(tmp_path):
    body = "signal.signal(signal.SIGTERM, signal.SIG_IGN); tfr.flush_on_sigterm()\n" + LOG_AND_WAIT
    body = body.replace("time.sleep(60)", "time.sleep(1); os._exit(7)")
    assert until_ended(body, tmp_path) == (7, "", "")
    assert steps(tmp_path) == list(range(100))


def test_a_forked_child_inherits_the_flush_at_sigterm(tmp_path):
    body = """
tfr.flush_on_sigterm()
writer = tfr.EventWriter(sys.argv[1], flush_secs=1000, shared=True)
writer.add_scalar("x", 0)
ready, theirs = os.pipe()
pid = os.fork()
if pid == 0:
    writer.add_scalar("x", 1)
    os.write(theirs, b"!")
    time.sleep(60)
os.read(ready, 1)
os.kill(pid, signal.SIGTERM)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM
"""
    script(body, tmp_path)
    assert steps(tmp_path) == [0, 1]


def test_the_flush_at_sigterm_is_asked_for_in_the_main_thread():
    script("""
def ask():
    try:
        tfr.flush_on_sigterm()
    except RuntimeError as error:
        assert "main thread" in str(error)
        told.append(error)
told = []
thread = threading.Thread(target=ask)
thread.start()
thread.join()
assert told
""")


def test_a_forked_child_writes_its_own_records_and_only_these(tmp_path):
    with tfr.EventWriter(tmp_path, flush_secs=1000) as writer:
        writer.add_scalar("x", 1, 0)
        in_child(lambda: (writer.add_scalar("x", 1, 1), writer.flush()))
        in_child(writer.flush)
        writer.add_scalar("x", 1, 2)
    assert sorted(steps(tmp_path)) == [0, 1, 2]
    assert len(event_files(tmp_path)) == 2


def test_the_timer_runs_again_after_a_fork_on_both_sides(tmp_path):
    with tfr.EventWriter(tmp_path, flush_secs=0.02) as writer:
        writer.add_scalar("x", 1, 0)

        def child():
            writer.add_scalar("x", 1, 1)
            time.sleep(0.5)

        in_child(child)
        writer.add_scalar("x", 1, 2)
        deadline = time.monotonic() + 10
        while sorted(steps(tmp_path)) != [0, 1, 2]:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.parametrize("shared", [False, True])
def test_forks_while_threads_log(tmp_path, shared):
    with tfr.EventWriter(tmp_path, shared=shared, flush_secs=0.001) as writer:
        stop = threading.Event()

        def log(name):
            step = 0
            while not stop.is_set():
                writer.add_scalar(name, step, run="threads")
                writer.flush()
                step += 1
                time.sleep(0.001)

        threads = [threading.Thread(target=log, args=(f"t{n}",)) for n in range(3)]
        for thread in threads:
            thread.start()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # these threads are the test's
            for n in range(6):
                in_child(lambda n=n: (writer.add_scalar("x", n), writer.flush()))
        stop.set()
        for thread in threads:
            thread.join()
    found = raw_scalars(tmp_path)
    assert sorted(point.value for point in found if point.tag == "x") == list(range(6))
    for n in range(3):
        values = [point.value for point in found if point.tag == f"t{n}"]
        assert values == list(range(len(values)))


def test_no_thread_lives_through_a_fork(tmp_path):
    """Python warns of a fork with threads from 3.12 on; here the threads are counted as well."""
    script(
        """
threads = []
os.register_at_fork(before=lambda: threads.append(len(os.listdir("/proc/self/task"))))
import tfruns_rs as tfr
""".replace("import tfruns_rs as tfr\n", "")
        + """
writer = tfr.EventWriter(sys.argv[1], flush_secs=0.01)
for n in range(5):
    writer.add_scalar("x", n)
    time.sleep(0.05)
    assert len(os.listdir("/proc/self/task")) > 1
    pid = os.fork()
    if pid == 0:
        assert len(os.listdir("/proc/self/task")) == 1
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
writer.close()
""",
        tmp_path,
    )
    assert steps(tmp_path) == list(range(5))


def test_a_fork_behind_pythons_back_inherits_nothing(tmp_path):
    script(
        """
import ctypes
libc = ctypes.PyDLL(None)
writer = tfr.EventWriter(sys.argv[1], flush_secs=1000)
writer.add_scalar("x", 1, 0)
pid = libc.fork()
writer.add_scalar("x", 1, 1 if pid == 0 else 2)
writer.flush()
if pid == 0:
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
""",
        tmp_path,
    )
    assert sorted(steps(tmp_path)) == [0, 1, 2]
    assert len(event_files(tmp_path)) == 2


def log_item(logdir, item):
    with tfr.with_logdir(logdir):
        tfr.log_event(x=item)
    return item


def test_a_pool_of_processes(tmp_path):
    with tfr.with_logdir(tmp_path):
        tfr.log_event(x=-1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            with ProcessPoolExecutor(2) as pool:
                assert list(pool.map(log_item, [str(tmp_path)] * 50, range(50))) == list(range(50))
    assert sorted(point.value for point in raw_scalars(tmp_path)) == list(range(-1, 50))
    assert steps(tmp_path) == list(range(51))


def test_subprocesses_do_not_inherit_files(tmp_path):
    with tfr.EventWriter(tmp_path, shared=True) as writer:
        writer.add_scalar("x", 1)
        writer.flush()
        listing = subprocess.run(
            ["/bin/ls", "-l", "/proc/self/fd"], check=True, capture_output=True, text=True, close_fds=False
        ).stdout
        assert "/proc/" in listing
        assert "tfevents" not in listing
        assert ".tfruns" not in listing


def stall(logdir):
    """Hold the lock of a shared logdir: a commit there waits as it would for a file system that stalls."""
    import fcntl

    held = Path(logdir, ".tfruns-share").open("r+b")  # noqa: SIM115 - the caller lets go
    fcntl.flock(held, fcntl.LOCK_EX)
    return held


def wait_until(holds, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_where_a_file_system_stalls_the_timer_of_other_writers_goes_on(tmp_path):
    """However many stall: the others keep their `flush_secs`, and no thread is left over afterwards."""
    options = {"shared": True, "flush_secs": 0.01, "lock_timeout_secs": 1000}
    stuck = [tfr.EventWriter(tmp_path / f"stuck{n}", **options) for n in range(4)]
    free = [tfr.EventWriter(tmp_path / f"free{n}", flush_secs=0.05) for n in range(20)]
    for writer in stuck + free:
        writer.add_scalar("x", 0)
        writer.flush()
    held = [stall(writer.logdir) for writer in stuck]
    for value in range(1, 4):
        for writer in stuck + free:
            writer.add_scalar("x", value)
        wait_until(lambda value=value: all(steps(w.logdir) == list(range(value + 1)) for w in free))
        for writer in stuck:
            assert steps(writer.logdir) == [0]
            assert writer.stats()["events"] == value + 1
    threads = len(list(Path("/proc/self/task").glob("*")))
    for file in held:
        file.close()
    wait_until(lambda: all(steps(w.logdir) == [0, 1, 2, 3] for w in stuck))
    if threads:
        wait_until(lambda: len(list(Path("/proc/self/task").glob("*"))) <= threads - 3)
    for writer in stuck + free:
        writer.close()


def test_a_file_system_that_stalls_is_told_after_five_seconds(tmp_path):
    with tfr.EventWriter(tmp_path, shared=True, flush_secs=0.01, lock_timeout_secs=1000) as writer:
        writer.add_scalar("x", 0)
        writer.flush()
        with stall(tmp_path), warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            wait_until(lambda: writer.add_scalar("x", 1) or told)
            writer.add_scalar("x", 1)
    assert [str(warning.message) for warning in told] == [
        f"the file system of {tmp_path} has not taken what was logged for 5 s: it waits in memory (said once)"
    ]
    assert len(steps(tmp_path)) == writer.stats()["events"]


def test_what_stalls_at_exit_holds_up_only_itself(tmp_path):
    script = """
import fcntl, sys, tfruns_rs as tfr
from tfruns_rs.tfevents import _lifecycle
_lifecycle.EXIT_DEADLINE_SECS = 3
options = {"shared": True, "flush_secs": 1000, "lock_timeout_secs": 1000}
stuck = [tfr.EventWriter(f"{sys.argv[1]}/stuck{n}", **options) for n in range(3)]
free = [tfr.EventWriter(f"{sys.argv[1]}/free{n}", flush_secs=1000) for n in range(3)]
for writer in stuck + free:
    writer.add_scalar("x", 0)
    writer.flush()
held = [open(f"{writer.logdir}/.tfruns-share", "r+b") for writer in stuck]
for file in held:
    fcntl.flock(file, fcntl.LOCK_EX)
for writer in stuck + free:
    writer.add_scalar("x", 1)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True
    )
    assert [steps(tmp_path / f"free{n}") for n in range(3)] == [[0, 1]] * 3
    assert sorted(re.findall(r"for (\S+)/stuck(\d) could not be written", done.stderr)) == [
        (str(tmp_path), str(n)) for n in range(3)
    ]


def test_a_flush_while_the_disk_stalls_holds_up_its_own_writer_only(tmp_path):
    """The lock of one shared logdir is held by somebody who sleeps; another writer goes on meanwhile."""
    import fcntl

    stalled = tfr.EventWriter(tmp_path / "stalled", shared=True, flush_secs=0.01, lock_timeout_secs=2)
    free = tfr.EventWriter(tmp_path / "free", flush_secs=0.01)
    stalled.add_scalar("x", 1)
    free.add_scalar("x", 1)
    tfr.flush()
    with Path(tmp_path / "stalled" / ".tfruns-share").open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        stalled.add_scalar("x", 2)
        time.sleep(0.1)
        start = time.monotonic()
        free.add_scalar("x", 2)
        free.flush()
        assert time.monotonic() - start < 1
        stalled.add_scalar("x", 3)
        assert time.monotonic() - start < 1
    stalled.close()
    free.close()
    assert steps(tmp_path / "free") == [0, 1]
    assert steps(tmp_path / "stalled") == [0, 1, 2]


def test_a_flush_of_all_writers_goes_on_where_one_stalls_and_ends_at_ctrl_c(tmp_path):
    stuck = tfr.EventWriter(tmp_path / "stuck", shared=True, flush_secs=1000, lock_timeout_secs=1000)
    free = [tfr.EventWriter(tmp_path / f"free{n}", flush_secs=1000) for n in range(3)]
    for writer in [stuck, *free]:
        writer.add_scalar("x", 0)
    tfr.flush()
    for wait in tfr.flush, stuck.flush, stuck.close:
        with stall(stuck.logdir):
            for writer in [stuck, *free]:
                writer.add_scalar("x", 1)
            if wait != tfr.flush:
                for writer in free:
                    writer.flush()
            written = threading.Event()
            threading.Thread(target=interrupt_when_written, args=(free, written)).start()
            with pytest.raises(KeyboardInterrupt):
                wait()
            assert written.is_set()
    assert stuck.stats()["events"] == 4
    tfr.flush()
    assert steps(tmp_path / "stuck") == [0, 1, 2, 3]
    for writer in [stuck, *free]:
        writer.close()


def interrupt_when_written(writers, written):
    """Ctrl-C, when nothing of these waits any more and the main thread waits for something else."""
    wait_until(lambda: not any(writer.stats()["buffered_bytes"] for writer in writers))
    time.sleep(0.3)
    written.set()
    os.kill(os.getpid(), signal.SIGINT)


def test_a_flush_that_a_file_system_holds_up_says_so(tmp_path):
    with tfr.EventWriter(tmp_path, shared=True, flush_secs=1000, lock_timeout_secs=7) as writer:
        writer.add_scalar("x", 0)
        writer.flush()
        with stall(tmp_path):
            writer.add_scalar("x", 1)
            with pytest.warns(RuntimeWarning, match=r"for 5 s: it is waited for \(said once\)"):
                writer.flush()


STALLED_FORK = """
import fcntl, os, sys, time, tfruns_rs as tfr

def timed(function, *arguments):
    start = time.monotonic()
    return function(*arguments), time.monotonic() - start

stuck = tfr.EventWriter(f"{sys.argv[1]}/stuck", shared=True, flush_secs=0.01, lock_timeout_secs=1000)
free = tfr.EventWriter(f"{sys.argv[1]}/free", flush_secs=0.01)
for writer in stuck, free:
    writer.add_scalar("x", 0)
tfr.flush()
held = open(f"{stuck.logdir}/.tfruns-share", "r+b")
fcntl.flock(held, fcntl.LOCK_EX)
stuck.add_scalar("x", 1)
read, write = os.pipe()
took = []
for _ in range(3):
    pid, seconds = timed(os.fork)
    if pid == 0:
        os.close(read)
        free.add_scalar("x", 2)
        free.flush()
        stuck.add_scalar("x", 2)
        os.write(write, b"x")
        stuck.flush()
        os._exit(0)
    took.append(seconds)
os.close(write)
while len(os.read(read, 1)) < 1:
    pass
free.add_scalar("x", 3)
_, flushed = timed(free.flush)
stuck.add_scalar("x", 3)
for _ in range(2):
    os.read(read, 1)
fcntl.flock(held, fcntl.LOCK_UN)
for _ in range(3):
    assert os.wait()[1] == 0
stuck.flush()
tfr.flush()
print(*took, flushed)
"""


def test_a_fork_leaves_a_write_alone_that_stalls(tmp_path):
    """The first fork waits for five seconds, others not at all; both sides lose nothing."""
    done = subprocess.run(
        [sys.executable, "-c", STALLED_FORK, tmp_path],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    first, second, third, flushed = map(float, done.stdout.split())
    assert 4 < first < 15
    assert max(second, third, flushed) < 4
    assert steps(tmp_path / "stuck") == list(range(6))
    assert len(steps(tmp_path / "free")) == 5


MEMORY = """
import fcntl, sys, tfruns_rs as tfr

def resident():
    with open("/proc/self/status") as status:
        return int(status.read().split("VmRSS:")[1].split()[0]) / 1024

writer = tfr.EventWriter(sys.argv[1] + "/stalls", shared=True, lock_timeout_secs=1000)
many = tfr.EventWriter(sys.argv[1] + "/many", flush_secs=1000)
for n in range(100):
    many.add_scalar("x", n, run=str(n))
writer.add_scalar("x", 0.1)
tfr.flush()
before = resident()
with open(f"{writer.logdir}/.tfruns-share", "r+b") as held:
    fcntl.flock(held, fcntl.LOCK_EX)
    for _ in range(500_000):
        writer.add_scalar("x", 0.1)
    backlog = resident()
writer.flush()
for n in range(100):
    many.add_text("t", "x" * 1_000_000, run=str(n))
    many.flush()
print(backlog - before, resident() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is looked up where Linux tells it")
def test_memory_that_a_backlog_took_is_given_back(tmp_path):
    """Neither what waited for a stalled disk nor what each of many runs once held stays with the process."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, tmp_path], capture_output=True, text=True, check=True
    )
    backlog, left = map(float, done.stdout.split())
    assert backlog > 20
    assert left < 12
