"""What two runs differ in."""

from __future__ import annotations

import difflib
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs.tfruns import _json
from tfruns_rs.tfruns._record import load
from tfruns_rs.tfruns._run_info import run_info
from tfruns_rs.tfruns._run_metadata import META_DIR

if TYPE_CHECKING:
    import polars as pl

    from tfruns_rs.tfruns._run_dir import Runs
    from tfruns_rs.tfruns._run_info import RunInfo

_PREFIXES = {"flag_": "flag", "eval_": "evaluation", "metric_": "metric"}
_APART = {"run_dir", "start", "end", "output", "metrics", "source_code", "error_traceback", "model"}
_ENVIRONMENT = ("python", "implementation", "platform", "host", "command", "directory")


def diff_runs(left: Runs, right: Runs, *, source: bool = True) -> pl.DataFrame:
    """Tells what two runs differ in.

    Args:
        left: A run.
        right: Another.
        source: Compare the archived sources as well.

    Returns:
        A row a difference: part ("flag", "evaluation", "metric" (its last value), "property", "environment",
        "variable", "package", "git", "source"), name, left, right (text; null where a run has none). Of a
        source file the numbers of lines are told, and what was removed and added.

    Raises:
        RunNotFoundError: There is no such run.
        ValueError: Several runs on one side.

    Examples:
        >>> import tfruns_rs as tfr
        >>> runs = [tfr.unique_run_dir(tmp_path) for _ in range(2)]
        >>> for run, rate in zip(runs, [0.1, 0.2]):
        ...     tfr.write_run_metadata("flags", {"rate": rate}, run)
        >>> tfr.diff_runs(*runs).rows()
        [('flag', 'rate', '0.1', '0.2')]
    """
    import polars as pl

    sides = [_one(left), _one(right)]
    facts = [_facts(info) for info in sides]
    names = list(dict.fromkeys([*facts[0], *facts[1]]))
    rows = [
        (*name, facts[0].get(name), facts[1].get(name))
        for name in names
        if facts[0].get(name) != facts[1].get(name)
    ]
    parts = ["flag", "evaluation", "metric", "property", "environment", "variable", "package", "git"]
    rows.sort(key=lambda row: parts.index(row[0]))
    if source:
        old, new = (_sources(info) for info in sides)
        rows += [("source", name, *_counts(old, new, name)) for name in _changed(old, new)]
    schema = {"part": pl.String, "name": pl.String, "left": pl.String, "right": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def diff_sources(left: Runs, right: Runs, *, context_lines: int = 3) -> str:
    """The differences of the archived sources of two runs, in the form of `diff -u`.

    Args:
        left: A run.
        right: Another.
        context_lines: How many lines to show around a change.
    """
    old, new = (_sources(_one(run)) for run in (left, right))
    lines: list[str] = []
    for name in _changed(old, new):
        before, after = (side.get(name, "").splitlines() for side in (old, new))
        lines += difflib.unified_diff(before, after, f"a/{name}", f"b/{name}", n=context_lines, lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _one(run: Runs) -> RunInfo:
    info = run_info(run)
    if isinstance(info, list):
        raise ValueError(f"a side of a comparison is one run, not {len(info)}")  # noqa: TRY004 - of several
    return info


def _facts(info: RunInfo) -> dict[tuple[str, str], str]:
    """All that is compared as text, by part and name."""
    facts: dict[tuple[str, str], str] = {}
    for name, value in info.items():
        if value is None or name in _APART:
            continue
        prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), "")
        facts[_PREFIXES.get(prefix, "property"), name.removeprefix(prefix)] = _text(value)
    path = f"{info['run_dir']}/{META_DIR}/environment.json"
    found: Any = load(path)
    environment = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    for name in _ENVIRONMENT:
        if environment.get(name):
            facts["environment", name] = _text(environment[name])
    for part, key, wanted in (
        ("variable", "variables", None),
        ("package", "packages", None),
        ("git", "git", {"commit", "branch", "dirty"}),
    ):
        section: Any = environment.get(key)
        for name, value in cast("dict[str, Any]", section).items() if isinstance(section, dict) else ():
            if wanted is None or name in wanted:
                facts[part, str(name)] = _text(value)
    return facts


def _text(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(word, str) for word in cast("list[Any]", value)):
        return shlex.join(cast("list[str]", value))
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False)
    return repr(value) if isinstance(value, float) else _json.text(value)


def _sources(info: RunInfo) -> dict[str, str]:
    from tfruns_rs.views._source import read_sources

    return read_sources(Path(info["run_dir"], META_DIR, "source.tar.gz"))


def _changed(old: dict[str, str], new: dict[str, str]) -> list[str]:
    return [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]


def _counts(old: dict[str, str], new: dict[str, str], name: str) -> tuple[str | None, str | None]:
    """The lines of both sides; of a changed file what was removed and added."""
    if name not in old or name not in new:
        return tuple(  # pyright: ignore[reportReturnType]
            f"{len(side[name].splitlines())} lines" if name in side else None for side in (old, new)
        )
    lines = list(difflib.ndiff(old[name].splitlines(), new[name].splitlines()))
    removed, added = (sum(line.startswith(sign) for line in lines) for sign in ("- ", "+ "))
    return f"-{removed} lines", f"+{added} lines"
