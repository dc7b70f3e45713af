import errno
import json
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tfruns_rs import _core, tuning_run
from tfruns_rs.errors import TrainingRunError
from tfruns_rs.tuning import _exclusive
from tfruns_rs.tuning._claims import Claims, State
from tfruns_rs.tuning._combinations import keyed
from tfruns_rs.tuning._sweep import create_sweep, find_sweep


def new_sweep(**about):
    return create_sweep("runs", {"script": "train.py", "search": "grid", "trials": [{"x": 1}], **about})


def forge(sweep, claim, **changes):
    """Give a claim another owner."""
    path = Path(sweep.directory, "beats", f"{claim.run}.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return path


def dead_pid():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_claim_names_its_run_and_keeps_a_beat():
    sweep = new_sweep()
    claims = sweep.claims
    claim = claims.take("ab-1", 0, sweep.runs_dir)
    state = claims.state("ab-1")
    assert state == State(1, None, False, ())
    assert state.is_held
    assert claims.run_of("ab-1", state) == claim.run
    assert Path(claim.run_dir).is_dir()
    assert not claims.owner_is_gone("ab-1", 1)
    assert Claims(sweep.directory).take("ab-1", 0, sweep.runs_dir) is None
    assert len(list(Path(sweep.runs_dir).iterdir())) == 2, "the loser's directory is gone"
    claims.end(claim, "failed", "no luck")
    claims.release(claim)
    assert claims.state("ab-1") == State(1, "failed", False, (1,))
    again = claims.take("ab-1", 1, sweep.runs_dir)
    assert again.generation == 2
    assert claims.commit(again, {"value": 0.5}) == again.run
    assert claims.state("ab-1").is_finished
    assert claims.done("ab-1")["value"] == 0.5
    claims.release(again)
    assert list(Path(sweep.directory, "beats").iterdir()) == []


def test_an_owner_is_gone_when_its_process_is():
    sweep = new_sweep()
    claim = sweep.claims.take("ab-1", 0, sweep.runs_dir)
    forge(sweep, claim, pid=dead_pid())
    assert sweep.claims.owner_is_gone("ab-1", 1)


def test_another_host_is_gone_only_when_its_beat_is_overdue():
    sweep = new_sweep()
    claim = sweep.claims.take("ab-1", 0, sweep.runs_dir)
    path = forge(sweep, claim, boot_id="another", pid=dead_pid())
    assert not sweep.claims.owner_is_gone("ab-1", 1)
    os.utime(path, (time.time() - 59, time.time() - 59))
    assert not sweep.claims.owner_is_gone("ab-1", 1)
    os.utime(path, (time.time() - 62, time.time() - 62))
    assert sweep.claims.owner_is_gone("ab-1", 1)


def test_a_claim_whose_beat_is_lost_is_given_up_after_a_while():
    sweep = new_sweep()
    claims = sweep.claims
    claim = claims.take("ab-1", 0, sweep.runs_dir)
    claims.release(claim)
    assert not claims.owner_is_gone("ab-1", 1)
    path = Path(sweep.directory, "claims/ab-1.0001")
    os.utime(path, (time.time() - 61, time.time() - 61))
    assert claims.owner_is_gone("ab-1", 1)


def _take_all(directory, runs_dir, barrier, won):
    claims = Claims(directory)
    barrier.wait()
    for generation in range(3):
        for key in range(20):
            if claims.take(f"{key:02x}-1", generation, runs_dir):
                won.put((key, generation))


def test_of_many_takers_one_wins():
    sweep = new_sweep()
    spawn = multiprocessing.get_context("forkserver")
    barrier, won = spawn.Barrier(6), spawn.Queue()
    takers = [
        spawn.Process(target=_take_all, args=(sweep.directory, sweep.runs_dir, barrier, won))
        for _ in range(6)
    ]
    for taker in takers:
        taker.start()
    winners = [won.get(timeout=60) for _ in range(60)]
    for taker in takers:
        taker.join()
    assert won.empty()
    assert sorted(winners) == [(key, generation) for key in range(20) for generation in range(3)]
    assert len([path for path in Path(sweep.runs_dir).iterdir() if path.name != ".sweeps"]) == 60


def test_a_link_whose_answer_was_lost_counts(monkeypatch):
    link = os.link

    def lost(source, target):
        link(source, target)
        raise FileExistsError(errno.EEXIST, "asked twice")

    monkeypatch.setattr(os, "link", lost)
    assert _exclusive.create("claim", b"a")
    monkeypatch.setattr(os, "link", link)
    assert not _exclusive.create("claim", b"b")
    assert Path("claim").read_bytes() == b"a"
    assert [path.name for path in Path().iterdir() if path.name.startswith(".")] == []


def test_without_hard_links_one_wins_as_well(monkeypatch):
    def refused(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refused)
    assert _exclusive.create("claim", b"a", durable=True)
    assert not _exclusive.create("claim", b"b")
    assert Path("claim").read_bytes() == b"a"
    with pytest.raises(FileNotFoundError):
        _exclusive.create("nowhere/claim", b"a")


def test_an_owner_that_comes_back_does_not_count_twice():
    """While it runs, another taker, which thought it dead, has completed the combination."""
    sweeps = []

    def objective(x):
        (sweep,) = sweeps or [find_sweep("runs", next(Path("runs/.sweeps").iterdir()).name)]
        (trial,) = sweep.trials()
        other = sweep.claims.take(trial.key, 1, sweep.runs_dir)
        meta = Path(other.run_dir, "tfruns.d")
        meta.mkdir()
        assert sweep.claims.commit(other, {}) == other.run
        _core.write_atomic(meta / "flags.json", b'{"x": 1}\n')
        sweeps.append((sweep, other))
        return x

    runs = tuning_run(objective, flags={"x": [1]}, echo=False, confirm=False)
    ((sweep, other),) = sweeps
    assert runs["run_dir"].to_list() == [f"runs/{other.run}"]
    assert runs["completed"].to_list() == [True], "a commit is finished by whoever finds it unfinished"
    mine = next(path for path in Path("runs").iterdir() if path.name not in {other.run, ".sweeps"})
    assert (mine / "tfruns.d/properties/completed").read_text() == "FALSE\n"
    assert (
        f"Superseded by the run {other.run}"
        in json.loads((mine / "tfruns.d/error.json").read_text())["message"]
    )
    (trial,) = sweep.trials()
    assert sweep.claims.state(trial.key).is_done


def test_a_claim_that_cannot_be_committed_is_no_completed_run(monkeypatch):
    def full(*_args, **_keywords):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Claims, "commit", full)
    with pytest.raises((OSError, TrainingRunError), match="No space left"):
        tuning_run(lambda x: x, flags={"x": [1]}, echo=False, confirm=False)
    (run,) = (path for path in Path("runs").iterdir() if path.name != ".sweeps")
    assert (run / "tfruns.d/properties/completed").read_text() == "FALSE\n"


def test_keys_tell_repetitions_apart_and_forget_the_order_of_flags():
    first, second, third, fourth = keyed(
        [{"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1, "b": 2.0}, {"a": "1", "b": 2}]
    )
    assert first.key != second.key
    assert first.key.split("-")[0] == second.key.split("-")[0]
    assert len({trial.key.split("-")[0] for trial in (first, third, fourth)}) == 3
    assert [trial.key for trial in keyed([{"a": 1, "b": 2}])] == [first.key]
