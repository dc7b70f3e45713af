"""Showing a page: to a viewer function, in the browser, or by its path where nobody could see a browser."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tfruns_rs.tfruns._options import options

if TYPE_CHECKING:
    from collections.abc import Callable

_TEXT_BROWSERS: Final = frozenset(("w3m", "lynx", "links", "elinks", "links2", "browsh", "www-browser"))


def show_page(page: str, viewer: Callable[[str], object] | None = None) -> None:
    """Shows a page.

    Args:
        page: The path of a file, or the address of a local server.
        viewer: Called with the page; without one it opens in the browser. Without a display (over ssh, in
            CI) the page's place is printed, and no browser of the terminal takes the keyboard away.
    """
    if viewer is None:
        viewer = options.viewer
    if viewer is not None:
        viewer(page)
        return
    address = page if "://" in page else Path(page).as_uri()
    browser = graphical_browser()
    if browser is None or not browser.open(address):
        print(page)  # noqa: T201 - the place is the answer


def graphical_browser() -> webbrowser.BaseBrowser | None:
    """The user's browser, if it would open a window where the user sits."""
    if not has_display():
        return None
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return None
    name = getattr(browser, "name", "")
    return None if Path(str(name)).name in _TEXT_BROWSERS else browser


def has_display() -> bool:
    """Whether a window of this process would be seen by the person who started it."""
    if os.environ.get("CI") or os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"):
        return False
    if sys.platform in {"darwin", "win32"}:
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
