"""Who runs what: claims on combinations, in numbered generations, as files that are never changed or removed.

| file in `claims/` | says |
|---|---|
| `<key>.<n>` | the n-th claim on the combination: the run it is for; made exclusively |
| `<key>.<n>.<how>` | how that claim ended without a completed run: failed, interrupted, pruned, superseded |
| `<key>.done` | the run that counts for the combination; made exclusively, before the run is completed |

A claim ends with its owner. The process that made it keeps a beat in `beats/<run>.json`; once that process is
proven dead, or (seen from another host) its beat is overdue, the next generation may be claimed. Two takers
make the same file, so one wins. An owner that was only thought dead may go on: whoever commits first has the
combination, and the other's run is recorded as superseded, never as completed.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from tfruns_rs import _core
from tfruns_rs.tfruns._record import load
from tfruns_rs.tuning._exclusive import create

if TYPE_CHECKING:
    from collections.abc import Mapping

Ending = Literal["failed", "interrupted", "pruned", "superseded"]
_NAME = re.compile(r"([0-9a-f]+-\d+)\.(?:(\d+)(?:\.([a-z]+))?|done)")
_UNKNOWN_GRACE_SECS = 60.0
"""A claim whose beat can't be read is given up after this time."""


class State(NamedTuple):
    """What the claims on a combination say.

    Attributes:
        generation: The last claim; 0 for none.
        ending: How it ended; None for not, or with a completed run.
        is_done: A run counts for the combination.
        failures: The generations that failed.
    """

    generation: int = 0
    ending: str | None = None
    is_done: bool = False
    failures: tuple[int, ...] = ()

    @property
    def is_finished(self) -> bool:
        """There is nothing left to run."""
        return self.is_done or self.ending == "pruned"

    @property
    def is_held(self) -> bool:
        """Somebody has claimed it and not said that it ended; whether they live is another question."""
        return self.generation > 0 and self.ending is None and not self.is_done


class Claim(NamedTuple):
    """A combination that is ours to run.

    Attributes:
        key: The combination.
        generation: Which claim on it.
        run_dir: The directory that was made for the run.
    """

    key: str
    generation: int
    run_dir: str

    @property
    def run(self) -> str:
        """The run's name."""
        return os.path.basename(self.run_dir)  # noqa: PTH119 - texts stay as given


class Claims:
    """The claims of one sweep."""

    def __init__(self, sweep_dir: str) -> None:
        self._claims = f"{sweep_dir}/claims"
        self._beats = f"{sweep_dir}/beats"
        self._hearts: dict[str, _core.Heartbeat] = {}

    def states(self) -> dict[str, State]:
        """What the directory says, by combination. Those without claims are left out."""
        last: dict[str, int] = {}
        endings: dict[tuple[str, int], str] = {}
        done: set[str] = set()
        for name in os.listdir(self._claims):  # noqa: PTH208 - thousands of names
            if (match := _NAME.fullmatch(name)) is None:
                continue
            key, generation, ending = match.groups()
            if generation is None:
                done.add(key)
                continue
            number = int(generation)
            last[key] = max(number, last.get(key, 0))
            if ending is not None:
                endings[key, number] = ending
        failures: dict[str, list[int]] = {}
        for (key, number), ending in endings.items():
            if ending == "failed":
                failures.setdefault(key, []).append(number)
        return {
            key: State(
                last.get(key, 0),
                endings.get((key, last.get(key, 0))),
                key in done,
                tuple(failures.get(key, ())),
            )
            for key in last.keys() | done
        }

    def state(self, key: str) -> State:
        """What the directory says about one combination."""
        return self.states().get(key, State())

    def take(self, key: str, after: int, runs_dir: str) -> Claim | None:
        """Claims the generation after `after`, which is known to have ended; None if another was first.

        The run's directory is made and its beat begins before the claim is there, so a claim names both.
        """
        claim = Claim(key, after + 1, _core.unique_run_dir(runs_dir))
        beat = f"{self._beats}/{claim.run}.json"
        self._hearts[claim.run] = _core.Heartbeat(beat, os.getpid())
        content = _content({"run": claim.run, "claimed": time.time()})
        is_ours = False
        try:
            is_ours = create(self._path(claim), content)
        finally:
            if not is_ours:
                self.release(claim)
                with suppress(OSError):
                    os.rmdir(claim.run_dir)  # noqa: PTH106
        return claim if is_ours else None

    def release(self, claim: Claim) -> None:
        """The beat ends."""
        if (heart := self._hearts.pop(claim.run, None)) is not None:
            heart.stop()
        with suppress(OSError):
            os.unlink(f"{self._beats}/{claim.run}.json")  # noqa: PTH108

    def commit(self, claim: Claim, facts: Mapping[str, Any]) -> str:
        """Says that the claim's run is the one that counts; returns the name of the run that does."""
        content = _content({"run": claim.run, "generation": claim.generation, "end": time.time(), **facts})
        create(f"{self._claims}/{claim.key}.done", content, durable=True)
        return str(self.done(claim.key).get("run", claim.run))

    def end(self, claim: Claim, ending: Ending, message: str) -> None:
        """Says that the claim ended without a run that counts."""
        content = _content({"run": claim.run, "end": time.time(), "message": message})
        _core.write_atomic(f"{self._path(claim)}.{ending}", content)

    def done(self, key: str) -> dict[str, Any]:
        """The record of the run that counts: run, generation, end, value, secs; empty for none."""
        return _document(f"{self._claims}/{key}.done")

    def run_of(self, key: str, state: State) -> str | None:
        """The name of the run that stands for a combination: the one that counts, else the last."""
        found = self.done(key) if state.is_done else self._claim(key, state.generation)
        run = found.get("run")
        return run if isinstance(run, str) else None

    def ended(self, key: str, state: State) -> dict[str, Any]:
        """The record of how the last claim ended: run, end, message; empty for not."""
        return _document(f"{self._claims}/{key}.{state.generation:04d}.{state.ending}")

    def owner_is_gone(self, key: str, generation: int) -> bool:
        """Whether a claim without an end may be followed by the next generation."""
        run = self._claim(key, generation).get("run")
        judged = _core.judge_beat(f"{self._beats}/{run}.json") if run else None
        if judged is None:
            return self._age(f"{self._claims}/{key}.{generation:04d}") > _UNKNOWN_GRACE_SECS
        return judged != "live"

    def _claim(self, key: str, generation: int) -> dict[str, Any]:
        return _document(f"{self._claims}/{key}.{generation:04d}") if generation else {}

    def _path(self, claim: Claim) -> str:
        return f"{self._claims}/{claim.key}.{claim.generation:04d}"

    def _age(self, path: str) -> float:
        """In seconds, by the clock that stamps the files here."""
        with suppress(OSError), tempfile.NamedTemporaryFile(dir=self._claims, prefix=".clock") as clock:
            return os.fstat(clock.fileno()).st_mtime - os.stat(path).st_mtime  # noqa: PTH116
        return 0.0


def _content(facts: Mapping[str, Any]) -> bytes:
    return (json.dumps(facts, ensure_ascii=False) + "\n").encode()


def _document(path: str) -> dict[str, Any]:
    found = load(path)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
