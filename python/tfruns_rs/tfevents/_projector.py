"""Embeddings for TensorBoard's projector."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._array import as_numbers
from tfruns_rs.tfevents._logdir import get_default_logdir

_CONFIG = "projector_config.pbtxt"
_RANK = 2


def log_embedding(
    embedding: Any,
    *,
    name: str = "embedding",
    labels: Sequence[Any] | Mapping[str, Sequence[Any]] | None = None,
) -> Path:
    """Write vectors for TensorBoard's projector to the default logdir.

    The vectors become float32 bytes, the labels a table beside them, and `projector_config.pbtxt` says so;
    it is extended for every further embedding, and one of a name that is there replaces it.

    Args:
        embedding: An array or tensor of shape (points, dimensions).
        name: The embedding's name: letters, digits, and any of `_.-`.
        labels: A label for each point, or columns of labels by name: a mapping, or a frame.

    Returns:
        The path of the configuration.

    Raises:
        InvalidEventError: An array of another shape, another number of labels, or another name.

    Examples:
        >>> import numpy as np, tfruns_rs as tfr
        >>> with tfr.with_logdir(tmp_path):
        ...     tfr.log_embedding(np.eye(3), name="words", labels=["a", "b", "c"]).name
        'projector_config.pbtxt'
    """
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.\-]*", name, re.ASCII):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidEventError(f"`name` must be made of letters, digits, and any of '_.-', not {name!r}.")
    array, _ = as_numbers(embedding, "embedding")
    if array.ndim != _RANK or 0 in array.shape:
        raise InvalidEventError(f"`embedding` must be of shape (points, dimensions), not {array.shape}.")
    columns = _columns(labels)
    for title, column in columns.items():
        if isinstance(column, str) or len(column) != len(array):
            raise InvalidEventError(
                f"`labels` must be {len(array)}, one for each point; {title!r} is not as many."
            )
    logdir = Path(get_default_logdir())
    logdir.mkdir(parents=True, exist_ok=True)
    _replace(logdir / f"{name}.bytes", array.astype("<f4").tobytes())
    entry = [
        f'  tensor_name: "{name}"',
        f'  tensor_path: "{name}.bytes"',
        *(f"  tensor_shape: {size}" for size in array.shape),
    ]
    if columns:
        _replace(logdir / f"{name}.tsv", _table(columns).encode())
        entry.append(f'  metadata_path: "{name}.tsv"')
    others, rest = _entries(logdir / _CONFIG)
    entries = [other for other in others if f'tensor_name: "{name}"' not in other]
    text = rest + "".join(f"embeddings {{\n{entry}\n}}\n" for entry in [*entries, "\n".join(entry)])
    _replace(logdir / _CONFIG, text.encode())
    return logdir / _CONFIG


def _columns(labels: Any) -> dict[str, Sequence[Any]]:
    """The labels as columns: of a mapping or a frame its own, else one."""
    if labels is None:
        return {}
    if isinstance(labels, Mapping):
        return dict(labels)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if hasattr(labels, "columns"):
        return {str(title): labels[title] for title in labels.columns}
    return {"label": labels}


def _entries(config: Path) -> tuple[list[str], str]:
    """The embeddings of a configuration, as text, and what else it says."""
    try:
        text = config.read_text("utf-8")
    except FileNotFoundError:
        return [], ""
    entry = re.compile(r"^embeddings \{\n(.*?)\n\}\n", re.DOTALL | re.MULTILINE)
    return entry.findall(text), entry.sub("", text)


def _table(columns: Mapping[str, Sequence[Any]]) -> str:
    """Tab-separated labels; a table of one column has no header, as the projector wants it."""
    rows = [list(columns)] if len(columns) > 1 else []
    rows += [[str(cell) for cell in row] for row in zip(*columns.values(), strict=True)]
    return "".join("\t".join(re.sub(r"[\t\r\n]", " ", cell) for cell in row) + "\n" for row in rows)


def _replace(path: Path, content: bytes) -> None:
    """Write a file beside its target, then rename it over that."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(content)
    beside.replace(path)
