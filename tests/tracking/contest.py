"""Uploaders that are killed and that race, as a program: forks need a process without threads.

    contest.py kill <destination> <work dir> <stride>    kills a `replace` at each of its steps, or at some
    contest.py race <destination> <work dir> <strategy> <processes> <rounds>

Prints a JSON document of what happened.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import tfruns_rs as tfr
from tfruns_rs.tracking import _login
from tracking.destinations import resolve


class Killing:
    """A destination that kills its process at the n-th step; a step is a call, or a block of a file."""

    def __init__(self, inner, number):
        self.inner, self.left = inner, number

    def step(self):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def __getattr__(self, name):
        value = getattr(self.inner, name)
        if not callable(value):
            return value

        def operation(*args):
            self.step()
            if name == "create":
                args = (args[0], self.blocks(args[1]))
            result = value(*args)
            self.step()
            return result

        return operation

    def blocks(self, blocks):
        for block in blocks:
            self.step()
            yield block[: len(block) // 2]
            self.step()
            yield block[len(block) // 2 :]
        self.step()


def fork(work):
    """The exit status of `work` in a child; negative for a signal."""
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            status = work()
        finally:
            os._exit(status)
    return pid


def waited(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def log_in(where):
    tfr.login(where, user="me", storage_options=json.loads(os.environ.get("STORAGE_OPTIONS", "{}")))
    return _login.current_login()


def run_of(number):
    with tfr.create_run(name="mnist") as run:
        Path(run.local, "weights.bin").write_bytes(os.urandom(3000))
        Path(run.local, "number").write_text(str(number))
    return run


def kill(where, stride):
    """Each upload has a process of its own: the threads of an object store do not live on in a fork."""
    seen = []
    for number in itertools.count(1, stride):
        old, new = run_of("old"), run_of("new")
        folder = f"/round-{number}"

        def uploaded(old=old, folder=folder):
            log_in(where)
            old.upload(folder, make_folder=True)
            return 0

        def killed(number=number, new=new, folder=folder):
            login = log_in(where)
            _login._login = login._replace(destination=Killing(login.destination, number))
            new.upload(folder, conflict_strategy="replace")
            return 0

        def looked_at(old=old, new=new, folder=folder):
            destination = log_in(where).destination
            name = resolve(destination, f"{folder}/mnist")
            assert name in {old.alternative_name, new.alternative_name}, name
            again = tfr.load_run(new.local)
            assert not again.remote or name == new.alternative_name
            again.upload(folder, conflict_strategy="replace")
            assert resolve(destination, f"{folder}/mnist") == new.alternative_name
            assert len(again.remote) == 1
            return 11 if name == new.alternative_name else 10

        assert waited(fork(uploaded)) == 0
        status = waited(fork(killed))
        assert status in {0, -signal.SIGKILL}, status
        found = waited(fork(looked_at))
        assert found in {10, 11}, (number, found)
        seen.append(found)
        if status == 0:
            return {"steps": number - 1, "old": seen.count(10), "new": seen.count(11)}
    raise AssertionError("it never ends")


def upload_one(run_dir, folder, strategy, start):
    """One upload, begun when the file `start` appears."""
    run = tfr.load_run(run_dir)
    while not Path(start).exists():
        time.sleep(0.001)
    try:
        run.upload(folder, make_folder=True, conflict_strategy=strategy)
    except tfr.errors.ConflictError:
        return 7
    return 0 if run.remote else 3


def race(where, work, strategy, processes, rounds):
    destination = log_in(where).destination
    found = []
    for number in range(rounds):
        runs = [run_of(index) for index in range(processes)]
        folder = f"/race-{number}"
        start = Path(f"start-{number}").absolute()
        if "://" in where:  # the object store's threads do not live on in a fork
            command = [sys.executable, __file__, "one", where, work]
            children = [subprocess.Popen([*command, run.local, folder, strategy, start]) for run in runs]
            time.sleep(1)
            start.touch()
            statuses = [child.wait() for child in children]
        else:
            pids = [
                fork(
                    lambda run=run, start=start, folder=folder: upload_one(run.local, folder, strategy, start)
                )
                for run in runs
            ]
            time.sleep(0.02)
            start.touch()
            statuses = [waited(pid) for pid in pids]
        nodes = sorted({name for name, _ in destination.below(folder[1:])})
        holders = [resolve(destination, f"{folder}/{name.removesuffix('.node')}") for name in nodes]
        assert set(holders) <= {run.alternative_name for run in runs}
        winners = [run.alternative_name for run, status in zip(runs, statuses, strict=True) if status == 0]
        found.append(
            {
                "statuses": sorted(statuses),
                "nodes": len(nodes),
                "generations": len(destination.names(f"{folder[1:]}/mnist.node")),
                "holder_won": holders[nodes.index("mnist.node")] in winners,
            }
        )
    return found


if __name__ == "__main__":
    mode, where, work, *rest = sys.argv[1:]
    os.chdir(work)
    if mode == "one":
        log_in(where)
        sys.exit(upload_one(*rest))
    if mode == "kill":
        result = kill(where, int(rest[0]))
    else:
        result = race(where, work, rest[0], int(rest[1]), int(rest[2]))
    sys.stdout.write(json.dumps(result) + "\n")
