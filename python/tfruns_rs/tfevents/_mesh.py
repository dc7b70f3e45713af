"""Meshes and point clouds as summaries."""

import json
from collections.abc import Mapping
from typing import Any

from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._array import as_numbers, memory
from tfruns_rs.tfevents._metadata import SummaryMetadata, metadata_field
from tfruns_rs.tfevents._summary import Summary

_RANK = 3
_KINDS = {
    "vertices": (1, "VERTEX", "float32"),
    "faces": (2, "FACE", "int32"),
    "colors": (3, "COLOR", "uint8"),
}


def summary_mesh(
    name: str,
    vertices: Any,
    *,
    faces: Any = None,
    colors: Any = None,
    config: Mapping[str, Any] | None = None,
    metadata: SummaryMetadata | None = None,
) -> list[Summary]:
    """Make the summaries of a mesh or a point cloud: one for each of its arrays, with tags of their own.

    Args:
        name: The mesh's name.
        vertices: Coordinates: an array of shape (batch, points, 3).
        faces: Three indices of vertices for each triangle: whole numbers of shape (batch, faces, 3); None
            for points.
        colors: A color for each point: whole numbers from 0 to 255 of shape (batch, points, 3).
        config: Settings of THREE.js: camera, lights, material.
        metadata: From `summary_metadata("mesh", …)`.

    Raises:
        InvalidEventError: An array of another shape or type, faces of vertices that are not there, settings
            that JSON can't hold, or no name.

    Examples:
        >>> import tfruns_rs as tfr
        >>> with tfr.with_logdir(tmp_path):
        ...     corners = [[[0, 0, 0], [1, 0, 0], [0, 1, 0]]]
        ...     tfr.log_event(*tfr.summary_mesh("triangle", corners, faces=[[[0, 1, 2]]]))
    """
    if not isinstance(name, str) or not name:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidEventError(f"`name` must be a non-empty string, not {name!r}.")
    given = {"vertices": vertices, "faces": faces, "colors": colors}
    arrays = {argument: _check(argument, array) for argument, array in given.items() if array is not None}
    if "vertices" not in arrays:
        raise InvalidEventError("A mesh must have `vertices`.")
    kinds = [_KINDS[argument][0] for argument in arrays]
    _check_fit(arrays)
    settings = _settings(config)
    if metadata is None or metadata.display_name is None:
        description = metadata.description if metadata is not None else None
        plugin = metadata.plugin_name if metadata is not None else "mesh"
        metadata = SummaryMetadata(plugin, name, description)
    summaries: list[Summary] = []
    for argument, array in arrays.items():
        kind, suffix, dtype = _KINDS[argument]
        content = _core.encode_mesh_content(name, kind, kinds, list(array.shape), settings)
        field = metadata_field(metadata, "mesh", content)
        fields = _core.encode_tensor(memory(array), dtype, list(array.shape), None, field)
        summaries.append(Summary(f"{name}_{suffix}", "mesh", fields))
    return summaries


def _check_fit(arrays: Mapping[str, Any]) -> None:
    """Refuses arrays that don't speak of the same points."""
    batch, points, _ = arrays["vertices"].shape
    for argument, array in arrays.items():
        if array.shape[0] != batch or (argument == "colors" and array.shape[1] != points):
            raise InvalidEventError(
                f"`{argument}` must fit `vertices`, of shape {arrays['vertices'].shape}; it is of shape "
                f"{array.shape}."
            )
    faces = arrays.get("faces")
    if faces is not None and faces.size and not (faces.min() >= 0 and faces.max() < points):
        raise InvalidEventError(f"`faces` must be indices of vertices, from 0 to {points - 1}.")


def _settings(config: Mapping[str, Any] | None) -> str:
    try:
        return json.dumps({} if config is None else dict(config), sort_keys=True)
    except (TypeError, ValueError) as error:
        raise InvalidEventError(f"`config` must be a mapping that JSON can hold: {error}") from error


def _check(argument: str, x: Any) -> Any:
    array, dtype = as_numbers(x, argument)
    wanted = _KINDS[argument][2]
    if array.ndim != _RANK or array.shape[2] != 3:  # noqa: PLR2004 - coordinates, corners, colors
        raise InvalidEventError(f"`{argument}` must be of shape (batch, number, 3), not {array.shape}.")
    if wanted != "float32" and array.dtype.kind not in "iu":
        raise InvalidEventError(f"`{argument}` must be whole numbers, not {dtype}.")
    if wanted == "uint8" and array.size and not (array.min() >= 0 and array.max() <= 255):  # noqa: PLR2004 - a color
        raise InvalidEventError("`colors` must be from 0 to 255.")
    return array.astype(wanted)
