"""Differences of two texts, line by line, with the changed part of a line marked."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_LINES: Final = 4_000
"""Longer texts are compared by their first lines: the comparison's time grows with the square."""


@dataclass(frozen=True, slots=True)
class DiffLine:
    """A line of a diff: what it is (add, del, same, hunk), and its text around the part that changed."""

    kind: str
    before: str
    changed: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Diff:
    """The differences of two texts under one name."""

    name: str
    lines: list[DiffLine]
    is_cut: bool = False


def diff_files(old: dict[str, str], new: dict[str, str], limit: int) -> list[Diff]:
    """The files that differ; a missing file counts as empty.

    Args:
        old: Texts by name.
        new: Texts by name.
        limit: How many characters the diffs may hold in all.

    Returns:
        A diff a file, in the order of their names' first appearance.
    """
    diffs: list[Diff] = []
    for name in dict.fromkeys((*new, *old)):
        if old.get(name) == new.get(name):
            continue
        suffix = "" if name in old and name in new else " (new)" if name in new else " (gone)"
        lines: list[DiffLine] = []
        is_cut = max(old.get(name, "").count("\n"), new.get(name, "").count("\n")) > _MAX_LINES
        for line in diff_lines(old.get(name, ""), new.get(name, "")):
            limit -= len(line.before) + len(line.changed) + len(line.after)
            if limit < 0:
                is_cut = True
                break
            lines.append(line)
        diffs.append(Diff(name + suffix, lines, is_cut))
    return diffs


def diff_lines(old: str, new: str, context: int = 3) -> Iterator[DiffLine]:
    """The unified diff of two texts."""
    before, after = old.splitlines()[:_MAX_LINES], new.splitlines()[:_MAX_LINES]
    for group in SequenceMatcher(None, before, after).get_grouped_opcodes(context):
        _, old_start, _, new_start, _ = group[0]
        _, _, old_end, _, new_end = group[-1]
        yield DiffLine(
            "hunk",
            f"@@ -{old_start + 1},{old_end - old_start} +{new_start + 1},{new_end - new_start} @@",
        )
        for operation, i, i_end, j, j_end in group:
            if operation == "equal":
                yield from (DiffLine("same", f"  {line}") for line in before[i:i_end])
                continue
            is_pairwise = i_end - i == j_end - j
            pairs = list(zip(before[i:i_end], after[j:j_end], strict=True)) if is_pairwise else []
            removed = [_marked("del", a, b) for a, b in pairs] or [
                DiffLine("del", f"- {line}") for line in before[i:i_end]
            ]
            added = [_marked("add", b, a) for a, b in pairs] or [
                DiffLine("add", f"+ {line}") for line in after[j:j_end]
            ]
            yield from (*removed, *added)


def _marked(kind: str, line: str, other: str) -> DiffLine:
    """A line whose part that its counterpart does not share stands apart."""
    head = _shared(line, other)
    tail = _shared(line[head:][::-1], other[head:][::-1])
    sign = "+ " if kind == "add" else "- "
    if head + tail < 3:  # noqa: PLR2004 - lines this different are marked as a whole by their colour
        return DiffLine(kind, sign + line)
    return DiffLine(kind, sign + line[:head], line[head : len(line) - tail], line[len(line) - tail :])


def _shared(one: str, other: str) -> int:
    """How many characters two texts share at their beginning."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
