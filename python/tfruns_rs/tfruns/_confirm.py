"""Asking before what can't be undone at a keystroke, and saying how far long work is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tfruns_rs.tfruns._capture import show

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

_WORTH_SHOWING = 20


def confirmed(question: str, *, confirm: bool | None, are_named: bool) -> bool:
    """Whether to go on.

    Args:
        question: What is asked.
        confirm: True to ask, False to go on; None to ask where there is a terminal.
        are_named: The caller named what it is about. If not, silence is no consent.

    Raises:
        ValueError: Nobody is there to be asked.
    """
    if confirm is False:
        return True
    if not (sys.stdin and sys.stdin.isatty()):
        if confirm or not are_named:
            raise ValueError(
                f"{question.strip()} Nobody can be asked here; confirm=False goes on without asking"
            )
        return True
    try:
        answer = input(f"{question} [Y/n]: ")
    except EOFError:
        return False
    return answer.strip().lower() in {"", "y", "yes"}


def progress(items: Sequence[Any], what: str) -> Generator[Any]:
    """The items one by one, with their count on a terminal."""
    shows = len(items) > _WORTH_SHOWING and sys.stderr is not None and sys.stderr.isatty()
    for number, item in enumerate(items, 1):
        if shows:
            show(sys.stderr, f"\r{what} {number}/{len(items)}")
        yield item
    if shows:
        show(sys.stderr, "\n")
