"""Processes that share a writer's files, half of which are killed: started, killed and counted.

`python sharers.py LOGDIR …` runs rounds of eight processes and prints, as JSON, what each of them logged for
certain. The tests run it in short, `benches/kill_sharers.py` in full.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import random
import select
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import tfruns_rs as tfr

AIMED = 0.8  # the share of kills that wait until the victim is seen to write
_ACKNOWLEDGED = struct.Struct("<qq")  # records flushed, batches of others completed


def log(writer, tag, count, seed, blob, pipe):  # noqa: PLR0917 - given on a command line
    """Log `count` scalars, flush now and then, and say so."""
    rng = random.Random(seed)  # noqa: S311 - repeatable, not secret
    between = max(2, count // 10)
    add = writer.add_scalar
    os.write(pipe, _ACKNOWLEDGED.pack(0, 0))
    flush_at = rng.randrange(1, between)
    for i in range(count):
        add(tag, i)
        if i == flush_at:
            if blob:
                writer.add_text(f"{tag}/blob", "x" * blob)
            writer.flush()
            os.write(pipe, _ACKNOWLEDGED.pack(i + 1, writer.stats()["completed"]))
            flush_at += rng.randrange(1, between)
    writer.close()
    os.write(pipe, _ACKNOWLEDGED.pack(count, writer.stats()["completed"]))


class Sharer:
    """One process that logs."""

    def __init__(self, method, writer, *work):
        self.tag = work[0]
        self._said = b""
        self._pipe, theirs = os.pipe()
        if method == "fork":
            self.pid = os.fork()
            if self.pid == 0:
                try:
                    log(writer, *work, theirs)
                finally:
                    os._exit(0)
        elif method == "spawn":
            os.set_inheritable(theirs, True)
            context = multiprocessing.get_context("spawn")
            process = context.Process(target=_log_spawned, args=(writer, work, os.getpid(), theirs))
            process.start()
            self.pid = process.pid
            self._process = process
        else:
            command = [sys.executable, __file__, writer.logdir, "--child", *map(str, work), str(theirs)]
            process = subprocess.Popen(command, pass_fds=[theirs])
            self.pid = process.pid
            self._process = process
        if method != "spawn":
            os.close(theirs)
        else:
            self._theirs = theirs

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def wait(self):
        """The records it flushed, and the batches it completed, as far as it said."""
        while True:
            if hasattr(self, "_theirs"):
                self._process.join()
                os.close(self._theirs)
                del self._theirs
            chunk = os.read(self._pipe, 1 << 16)
            if not chunk:
                break
            self._said += chunk
        os.close(self._pipe)
        if hasattr(self, "_process"):
            self._process.join() if hasattr(self._process, "join") else self._process.wait()
        else:
            os.waitpid(self.pid, 0)
        said = [
            _ACKNOWLEDGED.unpack(self._said[i : i + 16]) for i in range(0, len(self._said) // 16 * 16, 16)
        ]
        return said[-1] if said else (0, 0)

    def has_begun(self):
        self.drain()
        return bool(self._said)

    def drain(self):
        """Keep the pipe from filling."""
        while select.select([self._pipe], [], [], 0)[0]:
            chunk = os.read(self._pipe, 1 << 16)
            if not chunk:
                return
            self._said += chunk


def _log_spawned(writer, work, parent, pipe):
    log(writer, *work, os.open(f"/proc/{parent}/fd/{pipe}", os.O_WRONLY))


def run(logdir, *, methods, rounds, count, processes, kills, seed, blob):
    """Run the rounds; the acknowledged records by tag, and how many kills left something to complete."""
    rng = random.Random(seed)  # noqa: S311 - repeatable, not secret
    acknowledged, killed, completed = {}, [], 0
    writer = tfr.EventWriter(logdir, shared=True)
    writer.add_scalar("driver", 0)
    writer.flush()
    sidecar = Path(logdir, ".tfruns-share").stat().st_ino
    file = os.open(writer.files[0], os.O_RDONLY)
    started = time.monotonic()
    for turn in range(rounds):
        method = methods[turn % len(methods)]
        sharers = [
            Sharer(method, writer, f"{turn}-{n}", count, rng.randrange(2**32), blob) for n in range(processes)
        ]
        while not all(sharer.has_begun() for sharer in sharers):
            time.sleep(0.001)
        victims = {sharer.pid: sharer for sharer in rng.sample(sharers, kills)}
        doomed = dict(victims)
        while doomed:
            time.sleep(rng.uniform(0, count * processes * 5e-7 / kills))
            victim = next(iter(doomed))
            if rng.random() < AIMED:
                victim = _one_that_writes(sidecar, file, doomed) or victim
            doomed.pop(victim).kill()
            for sharer in sharers:
                sharer.drain()
        for sharer in sharers:
            acknowledged[sharer.tag], others = sharer.wait()
            completed += others
        killed += [victim.tag for victim in victims.values()]
        writer.add_scalar("driver", turn + 1)
    writer.flush()
    completed += writer.stats()["completed"]
    os.close(file)
    seconds = time.monotonic() - started
    files = writer.files
    writer.close()
    return {
        "acknowledged": acknowledged,
        "killed": killed,
        "completed": completed,
        "seconds": seconds,
        "files": files,
        "count": count,
    }


def _one_that_writes(sidecar, file, pids):
    """Wait until one of the processes has the lock and the file grows; None where that can't be seen."""
    deadline = time.monotonic() + 0.3
    inode, locks = f":{sidecar}", Path("/proc/locks")
    while locks.exists() and time.monotonic() < deadline:
        for line in locks.read_text().splitlines():
            fields = line.split()
            if "WRITE" in fields and fields[-3].endswith(inode) and int(fields[-4]) in pids:
                size, soon = os.fstat(file).st_size, time.monotonic() + 0.05
                while time.monotonic() < soon:
                    if os.fstat(file).st_size != size:
                        return int(fields[-4])
    return None


def check(report, points):
    """What is wrong with the points `(tag, step, value)`, given in file order; nothing, if all is right."""
    wrong = []
    by_tag = {}
    steps = [step for _, step, _ in points]
    if any(after <= before for before, after in itertools.pairwise(steps)):
        wrong.append("steps do not rise")
    for tag, _, value in points:
        by_tag.setdefault(tag, []).append(value)
    for tag, acknowledged in report["acknowledged"].items():
        values = by_tag.get(tag, [])
        if values != [float(i) for i in range(len(values))]:
            wrong.append(f"{tag}: not each record once")
        if len(values) < acknowledged:
            wrong.append(f"{tag}: {acknowledged - len(values)} flushed records are missing")
        if tag not in report["killed"] and len(values) != report["count"]:
            wrong.append(f"{tag}: survived with {len(values)} of {report['count']} records")
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("logdir", type=Path)
    parser.add_argument("--child", nargs=5)
    parser.add_argument("--methods", default="fork,spawn,independent")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--blob", type=int, default=0, help="bytes of a text before each flush: longer writes"
    )
    options = parser.parse_args()
    if options.child:
        tag, *numbers = options.child
        log(tfr.EventWriter(options.logdir, shared=True), tag, *map(int, numbers))
        return
    arguments = {name: value for name, value in vars(options).items() if name not in ("child", "methods")}
    report = run(str(arguments.pop("logdir")), methods=options.methods.split(","), **arguments)
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
