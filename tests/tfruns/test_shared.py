"""A lab group: what one user records under umask 002, another one of the group lists, reads and adds to."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root becomes two users"
)

FIRST, SECOND, GROUP = 41_001, 41_002, 41_000

RECORD = """
import sys
import tfruns_rs as tfr
tfr.options.runs_dir = sys.argv[1]

def train():
    for step in range(3):
        tfr.log_event(train={"loss": 1.0 / (1 + step)})
    tfr.flags(tfr.flag_numeric("lr", 0.1), arguments=[])

tfr.training_run(train, echo=False, view=False, artifacts_dir=None)
"""

READ = """
import sys
import tfruns_rs as tfr
runs = tfr.ls_runs(runs_dir=sys.argv[1])
assert runs["status"].to_list() == ["completed"], runs["status"]
assert runs["problem"].to_list() == [None], runs["problem"]
assert runs["flag_lr"].to_list() == [0.1]
run = runs["run_dir"][0]
assert tfr.run_info(run).metrics.height == 3
assert tfr.collect_events(f"{run}/logs", type="scalar").height >= 3
tfr.write_run_metadata("properties", {"reviewed": "yes"}, run)
assert tfr.ls_runs(runs_dir=sys.argv[1])["reviewed"].to_list() == ["yes"]
"""


# The interpreter may lie where only root reads: imports come before the process changes its user.
AS_USER = """
import importlib, os, pkgutil, sys
import polars, numpy
import tfruns_rs.tfevents, tfruns_rs.tfruns
for package in (tfruns_rs.tfevents, tfruns_rs.tfruns):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
import concurrent.futures.thread, concurrent.futures.process, multiprocessing.connection, importlib.metadata
user, group, code = int(sys.argv[2]), int(sys.argv[3]), compile(sys.argv[4], "code", "exec")
os.setgroups([])
os.setgid(group)
os.setuid(user)
os.umask(0o002)
exec(code)
"""


def as_user(user, code, directory, runs_dir):
    done = subprocess.run(
        [sys.executable, "-c", AS_USER, str(runs_dir), str(user), str(GROUP), code],
        cwd=directory,
        env={**os.environ, "HOME": str(directory)},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_a_second_user_of_the_group_lists_reads_and_adds(tmp_path):
    lab = tmp_path / "lab"
    lab.mkdir()
    os.chown(lab, FIRST, GROUP)
    lab.chmod(0o2775)
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(parent.stat().st_mode | 0o011)
    as_user(FIRST, RECORD, lab, lab / "runs")
    as_user(SECOND, READ, lab, lab / "runs")
    found = [lab / "runs", *(lab / "runs").rglob("*")]
    assert len(found) > 10
    for path in found:
        about = path.stat()
        assert about.st_gid == GROUP, path
        wanted = 0o2770 if path.is_dir() else 0o660
        assert about.st_mode & wanted == wanted, (path, oct(about.st_mode))
