"""Events, and how any object becomes some."""

import math
import operator
from collections.abc import Mapping
from functools import singledispatch
from typing import Any

from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._frozen import Frozen
from tfruns_rs.tfevents._scalar import as_float, summary_scalar
from tfruns_rs.tfevents._summary import Summary
from tfruns_rs.tfevents._text import summary_text

_DEEPEST = 100
_INT64 = range(-(2**63), 2**63)


class Event(Frozen):
    """One record of an event file.

    Attributes:
        run: The run, a directory below the log directory: "." for the log directory itself, "train", "a/b".
        wall_time: Seconds since the epoch.
        step: The step.
        summary: What is logged; None for an event that holds something else.
        file_version: The version a file's first event declares.
    """

    __slots__ = ("run", "wall_time", "step", "summary", "file_version")  # noqa: RUF023 - the order of the arguments
    run: str
    wall_time: float
    step: int
    summary: Summary | None
    file_version: str | None

    def __init__(
        self, run: str, wall_time: float, step: int, summary: Summary | None, file_version: str | None = None
    ) -> None:
        self._set(run, wall_time, step, summary, file_version)

    def __str__(self) -> str:
        return f"<{self.run}/{self.step}>"


@singledispatch
def as_event(x: Any, step: int, wall_time: float, *, name: tuple[str, ...] = (".",)) -> list[Event]:
    """Turn an object into events: what `log_event` does with its arguments.

    Numbers become scalars, strings text, matplotlib figures and PIL images images, mappings runs (their keys
    are the run's name, the innermost key is the tag), summaries stay what they are. Lists may hold summaries.

    To log objects of a class of your own, either give it a method `__tfevents_summary__(self)` that returns
    a summary (or whatever else can be logged), or register a function for a class that you can't change;
    the function hands on `step`, `wall_time` and `name`.

    Args:
        x: The object.
        step: The step of all its events.
        wall_time: Their time, seconds since the epoch.
        name: Where `x` stands: ".", the names of the mappings around it, its own name.

    Raises:
        InvalidEventError: There is no way to log it, or no tag, or two.

    Examples:
        >>> import tfruns_rs as tfr
        >>> [event.run for event in tfr.as_event({"train": {"loss": 0.1}}, 1, 1.0)]
        ['train']
        >>> from pathlib import PurePath
        >>> @tfr.as_event.register(PurePath)
        ... def _(x, step, wall_time, *, name=(".",)):
        ...     return tfr.as_event(str(x), step, wall_time, name=name)
    """
    if hasattr(x, "__tfevents_summary__"):
        return as_event(x.__tfevents_summary__(), step, wall_time, name=name)
    if hasattr(x, "__float__"):
        return [_event(summary_scalar(as_float(x)), step, wall_time, name)]
    from tfruns_rs.tfevents._image import is_picture, summary_image

    if is_picture(x):
        return [_event(summary_image(x), step, wall_time, name)]
    raise InvalidEventError(
        f"Can't log {'None' if x is None else f'an object of class {type(x).__name__}'}{_at(name)}. "
        "Expected a number, a string, a figure, a summary_*() or a mapping of those; "
        "as_event.register() teaches further classes."
    )


@as_event.register(str)
def _(x: str, step: int, wall_time: float, *, name: tuple[str, ...] = (".",)) -> list[Event]:
    return [_event(summary_text(x), step, wall_time, name)]


@as_event.register(Summary)
def _(x: Summary, step: int, wall_time: float, *, name: tuple[str, ...] = (".",)) -> list[Event]:
    return [_event(x, step, wall_time, name)]


@as_event.register(Mapping)
def _(x: Mapping[Any, Any], step: int, wall_time: float, *, name: tuple[str, ...] = (".",)) -> list[Event]:
    if not x:
        raise InvalidEventError(f"Can't log an empty mapping{_at(name)}.")
    if len(name) > _DEEPEST:
        raise InvalidEventError(f"Can't log mappings nested more than {_DEEPEST} deep; does one hold itself?")
    events: list[Event] = []
    for key, leaf in x.items():
        if not isinstance(key, str):
            raise InvalidEventError(f"Names must be strings, not {type(key).__name__}{_at(name)}.")
        events += as_event(leaf, step, wall_time, name=(*name, key))
    return events


@as_event.register(list)
@as_event.register(tuple)
def _(x: Any, step: int, wall_time: float, *, name: tuple[str, ...] = (".",)) -> list[Event]:
    if x and all(isinstance(item, Summary) for item in x):
        # A summary with a tag of its own stands in a run of the list's name; the others share that name as
        # their tag.
        return [_event(item, step, wall_time, (*name, "") if item.tag else name) for item in x]
    if x and all(isinstance(item, str) for item in x):
        summary_text(x)  # raises
    as_float(x)  # raises
    raise AssertionError


def _event(summary: Summary, step: int, wall_time: float, name: tuple[str, ...]) -> Event:
    """The event of one value: its tag is its own or the last of its names."""
    if len(name) > 1 and name[-1]:
        if summary.tag:
            raise InvalidEventError(
                "Two tags were provided for the same summary. "
                f"Drop `tag={summary.tag!r}` or put the summary into a list under the name {name[-1]!r}."
            )
        summary = Summary(name[-1], summary.plugin, summary.fields)
    if not summary.tag:
        raise InvalidEventError("All summaries must have a tag, but found at least one without one.")
    return Event(_run(name[:-1]), check_wall_time(wall_time), check_step(step), summary)


def _run(name: tuple[str, ...]) -> str:
    """The run that the names of the mappings around a value make."""
    parts: list[str] = []
    for part in name[1:]:
        if part.startswith("/") or "\0" in part:
            raise InvalidEventError(f"{part!r} can't be the name of a run: it must be a relative path.")
        parts += part.removeprefix("./").rstrip("/").split("/") if part not in (".", "./") else []
    for part in parts:
        if not part or part.startswith("."):
            raise InvalidEventError(
                f"{'/'.join(parts)!r} can't be the name of a run: "
                "its parts must not be empty or begin with a dot."
            )
    return "/".join(parts) or "."


def _at(name: tuple[str, ...]) -> str:
    return f" (at {'/'.join(name[1:])!r})" if len(name) > 1 else ""


def check_step(step: Any) -> int:
    """The step as an int64.

    Raises:
        InvalidEventError: It is no whole number, or beyond int64.
    """
    whole: Any = int(step) if isinstance(step, float) and step.is_integer() else step
    try:
        whole = operator.index(whole)
    except TypeError:
        raise InvalidEventError(f"`step` must be a whole number, not {step!r}.") from None
    if whole not in _INT64:
        raise InvalidEventError(f"`step` must fit 64 bits, {whole} does not.")
    return whole


def check_wall_time(wall_time: Any) -> float:
    """The time as seconds since the epoch.

    Raises:
        InvalidEventError: It is no finite number.
    """
    try:
        seconds = float(wall_time)
    except (TypeError, ValueError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise InvalidEventError(f"`wall_time` must be seconds since the epoch, not {wall_time!r}.")
    return seconds
