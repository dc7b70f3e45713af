"""The state of the sources that a run is made of, as git knows it; null without git or a repository."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

_SECONDS = 10.0


def git_facts(path: str | None = None) -> dict[str, Any]:
    """Repository, remote, branch, commit, whether files differ from it, and the program that runs.

    Args:
        path: A directory of the repository; the working directory by default.

    Returns:
        `repo_path, remote_url, branch, commit, is_dirty, entrypoint`; all but the last are None outside a
        repository. User names and tokens are taken out of the remote's URL.
    """
    facts: dict[str, Any] = dict.fromkeys(("repo_path", "remote_url", "branch", "commit", "is_dirty"))
    facts["entrypoint"] = entrypoint()
    where = path or os.getcwd()  # noqa: PTH109
    top = _git(where, "rev-parse", "--show-toplevel")
    if top is None:
        return facts
    facts["repo_path"] = top.rstrip("\n")
    facts["branch"] = _line(_git(where, "symbolic-ref", "--short", "-q", "HEAD"))
    facts["commit"] = _line(_git(where, "rev-parse", "-q", "--verify", "HEAD"))
    status = _git(where, "status", "--porcelain", "--untracked-files=no")
    facts["is_dirty"] = None if status is None else bool(status)
    remotes = (_git(where, "remote") or "").split()
    if remotes:
        name = "origin" if "origin" in remotes else remotes[0]
        url = _line(_git(where, "config", "--get", f"remote.{name}.url"))
        facts["remote_url"] = without_credentials(url) if url else None
    return facts


def without_credentials(url: str) -> str:
    """A URL without user, password and query: what may be kept and shown."""
    url = re.sub(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/?#]*@", r"\1", url)
    return re.sub(r"^([A-Za-z][A-Za-z0-9+.-]*://[^?#]*)[?#].*$", r"\1", url, flags=re.DOTALL)


def entrypoint() -> str | None:
    """The program that runs, absolute; None in an interactive session."""
    script = sys.argv[0] if sys.argv else ""
    return os.path.abspath(script) if script and script != "-c" and os.path.exists(script) else None  # noqa: PTH100, PTH110


def _line(text: str | None) -> str | None:
    return (text or "").strip() or None


def _git(where: str, *arguments: str) -> str | None:
    """What git prints; None where it fails, is missing or takes too long."""
    import subprocess

    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", where, "-c", "core.fsmonitor=false", *arguments],  # noqa: S607 - the user's git
            capture_output=True,
            timeout=_SECONDS,
            env=environment,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
