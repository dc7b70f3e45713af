"""Uploads a directory of many runs to a shared directory, and again with nothing changed.

python benches/sync_runs.py [runs]
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tfruns_rs as tfr
from tfruns_rs.tracking import _login

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Counting:
    """A destination that counts the bytes of files it is given."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.payload_bytes, self.created = inner, 0, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def create(self, path: str, blocks: Iterable[bytes]) -> bool:
        """Makes a file, and counts."""
        self.created += 1

        def counted() -> Iterator[bytes]:
            for block in blocks:
                self.payload_bytes += len(block)
                yield block

        return self.inner.create(path, counted())


def make_runs(root: str, count: int) -> None:
    """Runs with flags, metrics of 50 epochs, an event file and a weights file, two hours old."""
    metrics = {
        "loss": [1 / (epoch + 1) for epoch in range(50)],
        "val_loss": [2 / (epoch + 1) for epoch in range(50)],
    }
    events = Path(root, "events")
    with tfr.EventWriter(events) as writer:
        for step in range(50):
            writer.add_scalar("loss", 1 / (step + 1), step)
    event_file = next(events.iterdir()).read_bytes()
    old = time.time() - 7200
    for number in range(count):
        run = tfr.unique_run_dir(Path(root, "runs"))
        properties = {"type": "training", "start": old + number, "completed": True, "end": old}
        tfr.write_run_metadata("properties", properties, run)
        tfr.write_run_metadata("flags", {"lr": number / count, "epochs": 50}, run)
        tfr.write_run_metadata("metrics", metrics, run)
        (run / "logs" / "train").mkdir(parents=True)
        (run / "logs" / "train" / "events.out.tfevents.1.host").write_bytes(event_file)
        (run / "weights.bin").write_bytes(os.urandom(2000))
        for path in run.rglob("*"):
            os.utime(path, (old, old))


def cpu() -> float:
    """User and system time of this process in seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Makes the runs, uploads them three times and prints what it took."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as root:
        make_runs(root, count)
        tfr.login(f"{root}/shared", user="bench")
        login = _login.current_login()
        counting = Counting(login.destination)
        _login._login = login._replace(destination=counting)  # noqa: SLF001
        for what in ("first upload", "second", "third"):
            counting.payload_bytes = counting.created = 0
            wall, used = time.perf_counter(), cpu()
            frame = tfr.upload(f"{root}/runs")
            wall, used = time.perf_counter() - wall, cpu() - used
            actions = dict(frame["action"].value_counts().iter_rows())
            print(
                f"{what}: {count} runs in {wall:.2f} s ({used:.2f} s of CPU), {actions}, "
                f"{counting.payload_bytes} bytes in {counting.created} files sent"
            )


if __name__ == "__main__":
    main()
