"""The runs of other tools below a path."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tfruns_rs.errors import RunNotFoundError
from tfruns_rs.importers import _guild, _lightning, _mlflow, _sacred, _wandb
from tfruns_rs.importers._foreign import ForeignRun, SkippedRunError, UnreadableRunError
from tfruns_rs.tfruns._run_metadata import META_DIR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfruns_rs.tfruns._run_dir import PathLike

_TOOLS = (_mlflow, _sacred, _guild, _lightning)
_READERS = {tool.TOOL: tool.read for tool in (*_TOOLS, _wandb)}
TOOLS = tuple(_READERS)


def discover(path: PathLike, tool: str | None) -> list[tuple[str, str]]:
    """The runs below a path: the tool of each and its directory or file, in the order of their paths.

    Links, hidden directories other than Guild's and run directories of ours are left alone.

    Raises:
        ValueError: There is no such tool.
        RunNotFoundError: There is no such path, or no run below it.
    """
    if tool is not None and tool not in TOOLS:
        raise ValueError(f"`tool` must be one of {', '.join(TOOLS)}, not {tool!r}")
    root = os.fspath(path)
    if not os.path.exists(root):  # noqa: PTH110
        raise RunNotFoundError(f"there is no file or directory {root}")
    found = [(name, place) for name, place in _walk(root) if tool in (None, name)]
    if not found:
        wanted = tool or "Lightning, MLflow (file store), Guild, Sacred (file storage) or W&B (offline)"
        hint = ""
        if os.path.isfile(os.path.join(root, "mlflow.db")):  # noqa: PTH113, PTH118
            hint = "; mlflow.db is MLflow's database, of which nothing is read"
        raise RunNotFoundError(f"there is no run of {wanted} below {root}{hint}")
    return found


def _walk(root: str) -> Iterator[tuple[str, str]]:
    if os.path.isfile(root):  # noqa: PTH113
        if _wandb.is_file(os.path.basename(root)):  # noqa: PTH119
            yield _wandb.TOOL, root
        return
    for folder, folders, names in os.walk(root):
        if META_DIR in folders:  # ours
            folders.clear()
            continue
        tool = _tool_of(folder, set(folders), set(names))
        if tool is not None:
            yield tool, folder
            folders.clear()
            continue
        for name in sorted(names):
            if _wandb.is_file(name):
                yield _wandb.TOOL, os.path.join(folder, name)  # noqa: PTH118
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") or (name == ".guild" and folder == root)
        )


def _tool_of(folder: str, folders: set[str], names: set[str]) -> str | None:
    own = os.path.basename(os.path.abspath(folder))  # noqa: PTH100, PTH119
    for tool in _TOOLS:
        if tool.is_run(own, folders, names) and not (
            tool is _guild and not os.path.isdir(f"{folder}/.guild/attrs")  # noqa: PTH112 - a home, no run
        ):
            return tool.TOOL
    return None


def read_run(tool: str, place: str) -> ForeignRun | tuple[str, str]:
    """A run; or why there is none: "skipped" or "failed", and the reason."""
    try:
        return _READERS[tool](place)
    except SkippedRunError as error:
        return "skipped", str(error)
    except UnreadableRunError as error:
        return "failed", str(error)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return "failed", f"{type(error).__name__}: {error}"
