"""From what was asked for to a sweep and a source of its trials: new, or gone on with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from tfruns_rs.errors import FlagsError
from tfruns_rs.tuning._combinations import (
    Flags,
    Trial,
    combinations,
    digest,
    hash_of,
    is_mapping,
    keyed,
    sampled,
)
from tfruns_rs.tuning._sweep import Sweep, create_sweep, find_sweep, unfinished_like

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tfruns_rs.tuning._trial import Outcome


class Request(NamedTuple):
    """What a call of `tuning_run` asks for; its arguments of these names."""

    script: str
    flags: Any
    sample: float | None
    seed: int | None
    search: Any
    metric: str | None
    direction: str
    pruner: Any
    max_runs: int | None


class Source(Protocol):
    """Where a sweep's trials come from."""

    metric: str | None
    direction: str
    total: int

    def trials(self) -> list[Trial]:
        """Those so far."""
        ...

    def ask(self) -> Trial | None:
        """The next one; None where there is none."""
        ...

    def tell(self, trial: Trial, outcome: Outcome) -> None:
        """It has ended for good."""
        ...

    def watch(self, running: Mapping[str, Trial]) -> None:
        """Looks at those that run, by name of the run."""
        ...


class Opened(NamedTuple):
    """A sweep about to begin or go on.

    Attributes:
        messages: What to say first.
        begin: Makes the sweep, unless it is there, and its source.
    """

    messages: list[str]
    begin: Callable[[], tuple[Sweep, Source]]


class Listed:
    """Combinations that are known from the start."""

    def __init__(self, sweep: Sweep, request: Request) -> None:
        self.metric = request.metric
        self.direction = request.direction
        self._trials = sweep.trials()
        self.total = len(self._trials)
        self._next = iter(self._trials)

    def trials(self) -> list[Trial]:
        """All of them."""
        return self._trials

    def ask(self) -> Trial | None:
        """One after the other."""
        return next(self._next, None)

    def tell(self, trial: Trial, outcome: Outcome) -> None:
        """Changes nothing."""

    def watch(self, running: Mapping[str, Trial]) -> None:
        """Changes nothing."""


def open_sweep(runs_dir: str, request: Request, resume: bool | str) -> Opened:  # noqa: FBT001 - as the caller's argument
    """What `tuning_run` is to work on.

    Raises:
        FlagsError: The flags are none.
        SweepNotFoundError: There is no sweep of that id.
        ValueError: The sweep to resume asks for something else, or which one is meant can't be told.
    """
    if isinstance(resume, str):
        found = find_sweep(runs_dir, resume)
        if request.flags is None:
            return _go_on(found, _as_before(found, request))
        wanted = _identity(request)
        if found.about.get("digest") != wanted:
            raise ValueError(
                f"the sweep {found.id} asks for something else (script {found.about.get('script')}, search "
                f"{found.about.get('search')}); leave out flags to go on with it, or resume to begin anew"
            )
        return _go_on(found, request)
    wanted = _identity(request)
    found = unfinished_like(runs_dir, wanted) if resume else None
    if found is not None:
        return _go_on(found, request)
    return _anew(runs_dir, request, wanted, shared=resume)


def _go_on(sweep: Sweep, request: Request) -> Opened:
    states = sweep.claims.states()
    finished = sum(1 for trial in sweep.trials() if trial.key in states and states[trial.key].is_finished)
    total = sweep.about.get("total")
    message = f"Going on with the sweep {sweep.id}: {finished} of {total} combinations are finished"
    return Opened([message], lambda: (sweep, source_of(sweep, request)))


def _as_before(sweep: Sweep, request: Request) -> Request:
    about = sweep.about
    if about.get("search") != "grid":
        raise ValueError(
            f"the sweep {sweep.id} is a search; give its flags and search again to go on with it"
        )
    if about.get("script") != request.script:
        raise ValueError(f"the sweep {sweep.id} is of {about.get('script')}, not of {request.script}")
    metric = request.metric if request.metric is not None else about.get("metric")
    return request._replace(metric=metric, direction=about.get("direction") or request.direction)


def _anew(runs_dir: str, request: Request, identity: str, *, shared: bool) -> Opened:
    import secrets

    import numpy as np

    seed = secrets.randbits(63) if request.seed is None else request.seed
    about: dict[str, Any] = {
        "script": request.script,
        "search": search_name(request.search),
        "metric": request.metric,
        "direction": request.direction,
        "digest": identity,
        "seed": seed,
    }
    if request.search == "grid":
        rows, is_grid = combinations(request.flags)
        chosen = sampled(rows, request.sample, np.random.default_rng(seed))
        about |= {"sample": request.sample, "total": len(chosen), "trials": chosen}
        messages = _messages(len(rows), len(chosen), request.sample) if is_grid or request.sample else []
    else:
        about |= {"total": request.max_runs}
        messages = [f"{request.max_runs:,} combinations of flags to try"]

    def begin() -> tuple[Sweep, Source]:
        sweep = create_sweep(runs_dir, about, shared=shared)
        return sweep, source_of(sweep, request)

    return Opened(messages, begin)


def _messages(count: int, chosen: int, sample: float | None) -> list[str]:
    tail = (
        "(use sample parameter to run a random subset)"
        if sample is None
        else f"(sampled to {chosen:,} combinations)"
    )
    return [f"{count:,} total combinations of flags {tail}"]


def search_name(search: Any) -> str:
    """What a sweep's record calls its search."""
    return search if isinstance(search, str) else type(search).__name__


def _identity(request: Request) -> str:
    """What makes two requests the same; checks what is asked for on the way."""
    search = search_name(request.search)
    same: dict[str, Any] = {"script": request.script, "search": search}
    if search == "grid":
        if request.max_runs is not None or request.pruner is not None:
            raise ValueError('max_runs and pruner belong to a search; search="grid" takes sample')
        rows, _ = combinations(request.flags)
        same |= {"rows": [hash_of(row) for row in rows], "sample": request.sample, "seed": request.seed}
        return digest(same)
    if isinstance(request.search, str) and search != "random":
        raise ValueError(f'search is "grid", "random" or a sampler of Optuna, not {search!r}')
    if request.max_runs is None or request.max_runs < 1:
        raise ValueError("a search needs max_runs, how many combinations to try in all")
    if request.sample is not None:
        raise ValueError('sample belongs to search="grid"; a search takes max_runs')
    if search != "random" and request.metric is None:
        raise ValueError("a search by Optuna needs metric, what it is to optimise")
    space: Any = request.flags if is_mapping(request.flags) else None
    if not space:
        raise FlagsError("a search needs flags as a mapping of each flag to what it may be")
    names = sorted(str(name) for name in space)
    same |= {"flags": names, "metric": request.metric, "direction": request.direction}
    return digest(same | {"seed": request.seed, "max_runs": request.max_runs})


def source_of(sweep: Sweep, request: Request) -> Source:
    """The source of a sweep's trials."""
    if request.search == "grid":
        return Listed(sweep, request)
    if request.search == "random":
        from tfruns_rs.tuning._random import Drawn

        return Drawn(sweep, request)
    from tfruns_rs.tuning._optuna import Sampled

    return Sampled(sweep, request)


class Asked:
    """Combinations that a search makes up as it goes, each noted in the sweep's directory before it runs."""

    def __init__(self, sweep: Sweep, request: Request) -> None:
        self.metric = request.metric
        self.direction = request.direction
        self.total = request.max_runs or 0
        self.sweep = sweep
        self._seen: dict[str, int] = {}
        self._known: list[Trial] = []
        self._given = 0

    def trials(self) -> list[Trial]:
        """Those noted so far, by whomever."""
        for document in self.sweep.asked(len(self._known) + 1):
            flags = cast("Flags", document["flags"])
            (trial,) = keyed([flags], len(self._known) + 1, self._seen)
            self._known.append(trial)
            self.noted(trial, document)
        return self._known

    def ask(self) -> Trial | None:
        """Those that are noted, then new ones, up to the total."""
        while self._given >= len(self.trials()):
            number = len(self._known) + 1
            if number > self.total:
                return None
            self.sweep.add_trial(number, self.make(number))
        self._given += 1
        return self._known[self._given - 1]

    def make(self, number: int) -> dict[str, Any]:
        """A new combination: its flags, and what else is to be noted."""
        raise NotImplementedError

    def noted(self, trial: Trial, document: Mapping[str, Any]) -> None:
        """A combination was found in the directory."""

    def tell(self, trial: Trial, outcome: Outcome) -> None:
        """A trial has ended for good."""

    def watch(self, running: Mapping[str, Trial]) -> None:
        """Looks at the trials that run."""
