import asyncio
import contextvars
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import tfruns_rs as tfr


@pytest.fixture(autouse=True)
def _process_default(tmp_path):
    before = tfr.set_default_logdir(tmp_path / "process")
    yield
    tfr.set_default_logdir(before or "logs")


def here():
    return Path(tfr.get_default_logdir()).name


def in_thread(function):
    result = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join()
    return result[0]


def test_the_default_is_logs_where_the_process_began_to_log(tmp_path):
    script = (
        "import os, sys, tfruns_rs as tfr\n"
        "first = tfr.get_default_logdir(); os.chdir('/'); tfr.log_event(x=1.0)\n"
        "assert first == tfr.get_default_logdir() == os.path.join(sys.argv[1], 'logs')"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, cwd=tmp_path)
    assert len(list((tmp_path / "logs").iterdir())) >= 1


def test_set_returns_what_was_set(tmp_path):
    assert tfr.set_default_logdir(tmp_path / "other") == str(tmp_path / "process")
    assert here() == "other"


def test_a_relative_path_is_resolved_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with tfr.with_logdir("rel"):
        monkeypatch.chdir("/")
        assert tfr.get_default_logdir() == str(tmp_path / "rel")


def test_home_is_expanded():
    with tfr.with_logdir("~/x") as logdir:
        assert logdir == os.path.join(os.path.expanduser("~"), "x")  # noqa: PTH111, PTH118


def test_with_logdir_sets_and_restores_also_after_an_error():
    with tfr.with_logdir("/a"):
        with pytest.raises(KeyError), tfr.with_logdir("/b"):
            raise KeyError(here())
        assert here() == "a"
    assert here() == "process"


def test_with_logdir_calls():
    assert tfr.with_logdir("/a", here) == "a"
    assert here() == "process"


def test_with_logdir_decorates():
    @tfr.with_logdir("/a")
    def inner(depth):
        assert here() == "a"
        with tfr.with_logdir("/b"):
            return inner(depth - 1) if depth else here()

    assert inner(3) == "b"
    assert here() == "process"


def test_a_decorated_coroutine_keeps_its_logdir():
    @tfr.with_logdir("/a")
    async def inner():
        await asyncio.sleep(0)
        return here()

    assert asyncio.run(inner()) == "a"
    assert here() == "process"


def test_tasks_do_not_see_each_other():
    async def task(name, barrier):
        with tfr.with_logdir(f"/{name}"):
            await barrier.wait()
            return here()

    async def main():
        barrier = asyncio.Barrier(2)
        return await asyncio.gather(task("a", barrier), task("b", barrier))

    assert asyncio.run(main()) == ["a", "b"]


@pytest.mark.skipif(getattr(sys.flags, "thread_inherit_context", 0), reason="threads inherit the context")
def test_a_thread_sees_the_process_unless_it_copies_the_context():
    with tfr.with_logdir("/a"):
        assert in_thread(here) == "process"
        context = contextvars.copy_context()
        assert in_thread(lambda: context.run(here)) == "a"


def test_the_process_default_is_seen_by_all_threads():
    tfr.set_default_logdir("/everywhere")
    assert in_thread(here) == "everywhere"
    in_thread(lambda: tfr.set_default_logdir("/by/thread"))
    assert here() == "thread"


def test_local_logdir_restores_when_told():
    def nested():
        local = tfr.local_logdir("/a")
        del local
        return here()

    context = contextvars.copy_context()
    assert context.run(nested) == "a"  # not by garbage collection
    local = tfr.local_logdir("/b")
    assert here() == "b"
    local.restore()
    local.restore()
    assert here() == "process"


def test_local_logdir_as_context_and_decorator():
    with tfr.local_logdir("/a") as logdir:
        assert logdir == tfr.get_default_logdir() == "/a"
    assert here() == "process"

    @tfr.local_logdir("/b")
    def inner():
        return here()

    assert here() == "process"
    assert inner() == "b"
    assert here() == "process"


def test_no_logdir():
    for bad in (None, 1, b"bytes", ["a"]):
        with pytest.raises(TypeError):
            tfr.set_default_logdir(bad)
    with pytest.raises(ValueError, match="empty"):
        tfr.set_default_logdir("")


def test_one_object_serves_nested_blocks_and_other_threads():
    shared = tfr.with_logdir("/a")

    def enter():
        with shared:
            return here()

    with shared:
        with shared, tfr.with_logdir("/b"):
            assert enter() == "a"
        assert here() == "a"
        assert in_thread(enter) == "a"
    assert here() == "process"


def test_restoring_out_of_order_leaves_the_others():
    first, second = tfr.local_logdir("/a"), tfr.local_logdir("/b")
    first.restore()
    assert here() == "b"
    second.restore()
    assert here() == "process"


def test_asking_for_the_default_does_not_set_it(tmp_path):
    script = (
        "import tfruns_rs as tfr\n"
        "from tfruns_rs.tfevents._logdir import set_run_logdir\n"
        "assert tfr.get_default_logdir().endswith('logs')\n"
        "set_run_logdir('/run/logs')\n"
        "assert tfr.get_default_logdir() == '/run/logs'\n"
        "assert tfr.set_default_logdir('/mine') is None\n"
        "assert tfr.get_default_logdir() == '/mine'"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
