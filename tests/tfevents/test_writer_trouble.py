"""Files that can't be written: refused, full, gone, replaced."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import tfruns_rs as tfr
from interop.python_loader import event_files, raw_scalars


def values(logdir):
    return [(point.tag, point.step, point.value) for point in raw_scalars(logdir)]


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


@pytest.mark.parametrize("shared", [False, True])
def test_a_disk_that_is_full_before_the_first_record(tiny_disk, shared):
    """What is logged waits in memory, as it does later, and no empty file is left for each attempt."""
    filler = tiny_disk / "filler"
    logdir = tiny_disk / "logs"
    logdir.mkdir()
    with pytest.raises(OSError, match="No space"):
        filler.write_bytes(b"x" * 100_000)
    writer = tfr.EventWriter(logdir, shared=shared, flush_secs=1000)
    for step in range(5):
        writer.add_scalar("x", step, step)
    for _ in range(2):
        with pytest.raises(OSError, match="No space"):
            writer.flush()
    filler.unlink()
    writer.flush()
    writer.close()
    assert [step for _, step, _ in values(logdir)] == list(range(5))
    assert len(event_files(logdir)) == 1


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
