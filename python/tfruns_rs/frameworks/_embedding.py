"""The files of `add_embedding`, laid out as torch's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.frameworks._arrays import numbers
from tfruns_rs.frameworks._values import sprite

if TYPE_CHECKING:
    from collections.abc import Sequence


def write_embedding(
    log_dir: str,
    mat: Any,
    metadata: Any,
    label_img: Any,
    step: int,
    tag: str,
    header: Sequence[str] | None,
) -> None:
    """Writes vectors, labels, the sheet of pictures, and an entry of `projector_config.pbtxt`.

    Raises:
        InvalidEventError: Vectors of another shape, or not as many labels or pictures.
    """
    vectors = numbers(mat, "mat")
    if vectors.ndim != 2:  # noqa: PLR2004 - points and dimensions
        raise InvalidEventError(f"`mat` must be of shape (points, dimensions), not {vectors.shape}.")
    for argument, given in (("metadata", metadata), ("label_img", label_img)):
        if given is not None and len(given) != len(vectors):
            raise InvalidEventError(
                f"`{argument}` must be {len(vectors)}, one for each point, not {len(given)}."
            )
    subdir = f"{step:05d}/{_encoded(tag)}"
    folder = Path(log_dir, subdir)
    folder.mkdir(parents=True, exist_ok=True)
    rows = ("\t".join(map(str, row)) + "\n" for row in vectors.tolist())
    _write(folder / "tensors.tsv", "".join(rows).encode())
    entry = [f'tensor_name: "{_quoted(tag)}:{step:05d}"', f'tensor_path: "{_quoted(subdir)}/tensors.tsv"']
    if metadata is not None:
        _write(folder / "metadata.tsv", _table(metadata, header).encode())
        entry.append(f'metadata_path: "{_quoted(subdir)}/metadata.tsv"')
    if label_img is not None:
        sheet, (width, height) = sprite(label_img)
        _write(folder / "sprite.png", sheet)
        entry += ["sprite {", f'  image_path: "{_quoted(subdir)}/sprite.png"']
        entry += [f"  single_image_dim: {width}", f"  single_image_dim: {height}", "}"]
    config = Path(log_dir, "projector_config.pbtxt")
    before = config.read_text("utf-8") if config.exists() else ""
    text = "embeddings {\n" + "".join(f"  {line}\n" for line in entry) + "}\n"
    if text not in before:
        _write(config, (before + text).encode())


def _table(metadata: Any, header: Sequence[str] | None) -> str:
    if not header:
        return "".join(f"{label}\n" for label in metadata)
    rows: list[Any] = [header, *metadata]
    if len({len(row) for row in rows}) != 1:
        raise InvalidEventError("`metadata_header` must have as many titles as `metadata` has columns.")
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


def _encoded(tag: str) -> str:
    return tag.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c")


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _write(path: Path, content: bytes) -> None:
    _core.write_atomic(os.fspath(path), content)
