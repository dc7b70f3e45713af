"""A run as another tool tells it, and how its files are read.

Nothing in a source is trusted: texts are read up to a limit, YAML and JSON are taken apart without making
objects of them, links are not followed.
"""

from __future__ import annotations

import functools
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Status: TypeAlias = Literal["completed", "failed", "interrupted", "unknown"]
Point: TypeAlias = tuple[str, int, float, float]

MOST_TEXT_BYTES = 64 << 20
MOST_DOCUMENT_BYTES = 16 << 20
_MOST_NODES = 100_000
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class SkippedRunError(Exception):
    """A run that is none to import: deleted, or never started."""


class UnreadableRunError(Exception):
    """A run whose files say nothing that can be understood."""


@dataclass
class ForeignRun:
    """What a tool recorded of a run.

    Attributes:
        tool: The tool's name.
        source: The run's directory, or its file.
        id: What tells the run from the tool's others.
        name: The name it is shown by.
        status: How it ended; "unknown" if that was not told.
        start: Seconds since the epoch.
        end: Seconds since the epoch.
        hparams: Its parameters, nested.
        points: Scalars: tag, step, wall time, value.
        event_files: Event files, and the run each belongs to.
        evaluation: Single values that it ended with.
        properties: Texts and numbers that describe it.
        labels: Words it was tagged with.
        description: What was noted.
        output: Its console.
        error: What it failed with: a message and a traceback.
        environment: What it ran in: packages, git.
        parent: The id of the run it was started by.
        files: Files it left, and their places below the run.
        problems: What could not be read.
    """

    tool: str
    source: str
    id: str
    name: str = ""
    status: Status = "unknown"
    start: float | None = None
    end: float | None = None
    hparams: dict[str, Any] = field(default_factory=dict[str, Any])
    points: list[Point] = field(default_factory=list[Point])
    event_files: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    evaluation: dict[str, Any] = field(default_factory=dict[str, Any])
    properties: dict[str, Any] = field(default_factory=dict[str, Any])
    labels: list[str] = field(default_factory=list[str])
    description: str = ""
    output: str = ""
    error: tuple[str, str] | None = None
    environment: dict[str, Any] = field(default_factory=dict[str, Any])
    parent: str | None = None
    files: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    problems: list[str] = field(default_factory=list[str])

    def add(self, tag: str, step: int, wall_time: float | None, value: Any) -> bool:
        """Takes a scalar; returns whether it is one."""
        number = number_of(value)
        if number is None or not tag or not -(2**63) <= step < 2**63:
            return False
        time = wall_time if wall_time is not None and math.isfinite(wall_time) else self.start or 0.0
        self.points.append((tag, step, time, number))
        return True


def number_of(value: Any) -> float | None:
    """A number or bool as float, also in JSON's words for those it lacks; None for all else."""
    if isinstance(value, str):
        return {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(value)
    try:
        return float(value) if isinstance(value, int | float) else None
    except OverflowError:
        return None


def seconds_of(value: Any, per_second: float) -> float | None:
    """A time told in so many parts of a second; None if it is no number."""
    number = number_of(value)
    return None if number is None else number / per_second


def typed(text: str) -> Any:
    """What a tool wrote as text that was a bool or a number; else the text."""
    if text in ("True", "False"):
        return text == "True"
    if not _NUMBER.fullmatch(text):
        return text
    try:
        return int(text) if str(int(text)) == text else text
    except ValueError:
        return float(text)


def read_text(path: str, most: int = MOST_TEXT_BYTES) -> str:
    """A text file, up to so many bytes; empty if there is none."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - texts stay as given
            return file.read(most).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def read_json(path: str) -> Any:
    """A JSON file; None if there is none.

    Raises:
        UnreadableRunError: It is no JSON, or too large.
    """
    return _document(path, json.loads)


def read_yaml(path: str) -> Any:
    """A YAML file; None if there is none. What would be an object of Python's is a list, a mapping or a text.

    Raises:
        UnreadableRunError: It is no YAML, or too large.
    """
    import yaml

    def parse(text: str) -> Any:
        try:
            return yaml.load(text, _loader())  # noqa: S506 - a safe loader
        except yaml.YAMLError as error:
            raise ValueError(" ".join(str(error).split())[:200]) from None

    return _document(path, parse)


def _document(path: str, parse: Callable[[str], Any]) -> Any:
    name = os.path.basename(path)  # noqa: PTH119
    try:
        size = os.path.getsize(path)  # noqa: PTH202
    except FileNotFoundError:
        return None
    if size > MOST_DOCUMENT_BYTES:
        raise UnreadableRunError(f"{name} has {size} bytes")
    try:
        document = parse(read_text(path))
    except (ValueError, RecursionError) as error:
        raise UnreadableRunError(f"{name}: {error}") from None
    if not _is_bounded(document):
        raise UnreadableRunError(f"{name} holds too many values")
    return document


@functools.cache
def _loader() -> Any:
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):
        """A safe loader that takes Python's tags for what stands behind them."""

    def plain(loader: Any, _: str, node: Any) -> Any:
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        return loader.construct_scalar(node) or node.tag.rpartition(":")[2]

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", plain)
    Loader.add_multi_constructor("!", plain)
    return Loader


def _is_bounded(document: Any) -> bool:
    """Whether it is no larger than it looks: references can make billions of values of a few bytes."""
    left = _MOST_NODES
    waiting = [document]
    while waiting and left:
        left -= 1
        node = waiting.pop()
        if isinstance(node, Mapping):
            waiting += cast("Mapping[Any, Any]", node).values()
        elif isinstance(node, list | tuple):
            waiting += cast("list[Any]", node)
    return not waiting


def mapping(value: Any) -> dict[str, Any]:
    """A mapping with texts for keys; empty if it is none."""
    if not isinstance(value, Mapping):
        return {}
    return {str(key): item for key, item in cast("Mapping[Any, Any]", value).items()}


def sequence(value: Any) -> list[Any]:
    """A list; empty if it is none."""
    return list(cast("list[Any]", value)) if isinstance(value, list | tuple) else []


def files_below(directory: str, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The regular files below a directory, and their places below `prefix`. Links are left alone."""
    for folder, folders, names in os.walk(directory):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)  # noqa: PTH118
            if os.path.isfile(path) and not os.path.islink(path):  # noqa: PTH113, PTH114
                yield path, os.path.join(prefix, os.path.relpath(path, directory))  # noqa: PTH118
