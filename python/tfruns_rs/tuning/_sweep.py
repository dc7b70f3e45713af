"""The directory of a sweep: what it is to run, and all that is known about it. Nothing else holds its state.

    <runs_dir>/.sweeps/<id>/
      sweep.json        what was asked for; made once, last, so a directory without it is no sweep
      trials/<n>.json   the n-th combination, where a search makes them up as it goes; made exclusively
      claims/  beats/   see `_claims`
      stops/<token>     the call of that token was told to stop
      prunes/<run>      that run is to be ended, and why
    <runs_dir>/.sweeps/.<digest>
                        the sweep that processes begin which ask for the same at the same moment

The id is the time the sweep began, as with runs. R and `ls_runs()` skip the hidden directory.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from tfruns_rs import _core
from tfruns_rs.errors import SweepNotFoundError
from tfruns_rs.tfruns import _json
from tfruns_rs.tfruns._record import load
from tfruns_rs.tuning._claims import Claims
from tfruns_rs.tuning._combinations import Flags, Trial, keyed
from tfruns_rs.tuning._exclusive import create

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SWEEPS = ".sweeps"
FORMAT = 1
_PARTS = ("claims", "beats", "trials", "stops", "prunes")


class Sweep(NamedTuple):
    """A sweep on disk.

    Attributes:
        id: Its name.
        directory: Where it is, absolute.
        runs_dir: Where its runs are, absolute.
        about: What was asked for: script, search, trials, metric, direction and so on.
    """

    id: str
    directory: str
    runs_dir: str
    about: dict[str, Any]

    @property
    def claims(self) -> Claims:
        """Who runs what."""
        return Claims(self.directory)

    def trials(self) -> list[Trial]:
        """All combinations so far, in order."""
        rows = cast("list[Flags] | None", self.about.get("trials"))
        return keyed([document["flags"] for document in self.asked()] if rows is None else rows)

    def asked(self, first: int = 1) -> list[dict[str, Any]]:
        """What the search noted from that number on: the flags of each combination and what else it needs."""
        found: list[dict[str, Any]] = []
        while isinstance(document := load(self._trial(first + len(found))), dict):
            found.append(cast("dict[str, Any]", document))
        return found

    def add_trial(self, number: int, document: Mapping[str, Any]) -> bool:
        """Notes the combination of that number; false if another process has."""
        content = _json.dumps(_json.plain(document))
        return create(self._trial(number), content)

    def prune(self, run: str, why: str) -> None:
        """Has a run ended, wherever it is."""
        create(f"{self.directory}/prunes/{run}", json.dumps(why).encode())

    def _trial(self, number: int) -> str:
        return f"{self.directory}/trials/{number:06d}.json"


def create_sweep(runs_dir: str, about: Mapping[str, Any], *, shared: bool = False) -> Sweep:
    """Makes the directory of a new sweep.

    Args:
        runs_dir: Where its runs go.
        about: What is asked for.
        shared: Of several processes that ask for the same at the same moment, all get the one sweep.
    """
    runs_dir = os.path.abspath(runs_dir)  # noqa: PTH100 - links stay as they are named
    directory = _core.unique_run_dir(f"{runs_dir}/{SWEEPS}")
    if shared:
        directory = _agreed(directory, str(about["digest"]))
    for part in _PARTS:
        os.makedirs(f"{directory}/{part}", exist_ok=True)  # noqa: PTH103
    document = {"format": FORMAT, "created": time.time(), **about}
    content = json.dumps(_json.plain(document), ensure_ascii=False)
    create(f"{directory}/sweep.json", (content + "\n").encode(), durable=True)
    return _opened(directory, runs_dir, cast("dict[str, Any]", load(f"{directory}/sweep.json")))


def _agreed(directory: str, digest: str) -> str:
    """The directory that the first process to ask for this made; ours, if that was this one."""
    below, name = os.path.split(directory)
    marker = f"{below}/.{digest}"
    if create(marker, json.dumps(name).encode()):
        return directory
    first = f"{below}/{load(marker)}"
    if not os.path.isdir(first):  # noqa: PTH112
        # It named a sweep that was removed since.
        _core.write_atomic(marker, json.dumps(name).encode())
        return directory
    os.rmdir(directory)  # noqa: PTH106
    return first


def _opened(directory: str, runs_dir: str, about: dict[str, Any]) -> Sweep:
    return Sweep(os.path.basename(directory), directory, runs_dir, about)  # noqa: PTH119


def sweeps(runs_dir: str) -> list[Sweep]:
    """The sweeps below a directory of runs, the oldest first."""
    runs_dir = os.path.abspath(runs_dir)  # noqa: PTH100
    below = f"{runs_dir}/{SWEEPS}"
    try:
        names = sorted(os.listdir(below))  # noqa: PTH208
    except FileNotFoundError:
        return []
    found = ((f"{below}/{name}", load(f"{below}/{name}/sweep.json")) for name in names)
    return [_opened(path, runs_dir, cast("Any", about)) for path, about in found if isinstance(about, dict)]


def find_sweep(runs_dir: str, name: str) -> Sweep:
    """The sweep of that id, or of the only one that begins so.

    Raises:
        SweepNotFoundError: There is none.
        ValueError: Several begin so.
    """
    known = sweeps(runs_dir)
    found = [sweep for sweep in known if sweep.id == name] or [
        sweep for sweep in known if sweep.id.startswith(name)
    ]
    if not name or not found:
        raise SweepNotFoundError(f"there is no sweep {name!r} in {runs_dir}; ls_sweeps() lists them")
    return _only(found, f"{name!r} is the beginning of several sweeps")


def unfinished_like(runs_dir: str, digest: str) -> Sweep | None:
    """The sweep of the same request, the unfinished one if there are several; None for none.

    Raises:
        ValueError: Which one is meant can't be told.
    """
    found = [sweep for sweep in sweeps(runs_dir) if sweep.about.get("digest") == digest]
    waiting = [sweep for sweep in found if not is_finished(sweep)]
    if not found:
        return None
    return _only(waiting or found, "several sweeps ask for the same")


def _only(found: Iterable[Sweep], what: str) -> Sweep:
    listed = list(found)
    if len(listed) > 1:
        names = ", ".join(repr(sweep.id) for sweep in listed)
        raise ValueError(f"{what}: {names}; name one of them, as in resume={listed[-1].id!r}")
    return listed[0]


def is_finished(sweep: Sweep) -> bool:
    """Whether nothing is left to run."""
    trials = sweep.trials()
    states = sweep.claims.states()
    finished = sum(1 for trial in trials if trial.key in states and states[trial.key].is_finished)
    return finished >= max(int(sweep.about.get("total") or 0), len(trials))
