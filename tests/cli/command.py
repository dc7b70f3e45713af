"""Runs to look at, and the command as a real process calls it, in a pipe or at a terminal."""

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import tfruns_rs as tfr

TFRUNS = [sys.executable, "-m", "tfruns_rs.cli"]


def make_run(loss=1.0, *, start=1_700_000_000.0, name=None, **flags):
    """A run that has ended, with a metric, a flag and a file."""
    run = tfr.unique_run_dir("runs") if name is None else _named(name)
    tfr.write_run_metadata("flags", {"rate": 0.1, **flags}, run)
    tfr.write_run_metadata("metrics", {"loss": [loss * 2, loss], "val_loss": [loss * 3, loss * 1.5]}, run)
    tfr.write_run_metadata("evaluation", {"accuracy": 1 - loss / 10}, run)
    tfr.write_run_metadata(
        "properties",
        {
            "type": "training",
            "script": "train.py",
            "start": start,
            "output": f"loss {loss}",
            "completed": True,
        },
        run,
    )
    with tfr.with_logdir(run / "logs"):
        tfr.log_event(train={"loss": loss * 2})
        tfr.log_event(train={"loss": loss})
    tfr.flush()
    (run / "weights.bin").write_bytes(b"0" * 1000)
    tfr.write_run_metadata("properties", {"end": start + 90}, run)
    return run


def _named(name):
    run = Path("runs") / name
    run.mkdir(parents=True)
    return run


def at_terminal(words, columns=80, lines=24, *, environment=None, until=None, secs=30):
    """What a real process writes to a terminal of this size, and its exit code."""
    import fcntl
    import struct
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {
        **{name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}},
        "TERM": "xterm-256color",
        **(environment or {}),
    }
    process = subprocess.Popen(
        [*TFRUNS, *map(str, words)], stdin=follower, stdout=follower, stderr=follower, env=environment
    )
    os.close(follower)
    text = b""
    deadline = time.monotonic() + secs
    while time.monotonic() < deadline:
        ready, _, _ = select.select([leader], [], [], 0.1)
        if ready:
            try:
                chunk = os.read(leader, 65536)
            except OSError:
                break
            if not chunk:
                break
            text += chunk
        if until is not None and until in text:
            process.terminate()
            until = None
    process.wait(10)
    os.close(leader)
    return text.decode(), process.returncode
