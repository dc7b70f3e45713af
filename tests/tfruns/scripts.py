"""Scripts to run, in the working directory of a test, and what became of them."""

import time
from pathlib import Path

from tfruns_rs import run_info


def script(text, name="train.py"):
    Path(name).write_text(text)
    return name


def only_run():
    (path,) = [path for path in Path("runs").iterdir() if path.name != "archive"]
    return run_info(path)


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
