"""Tensors of any element type as summaries."""

from collections.abc import Sequence
from typing import Any

from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._array import as_array, memory, widened
from tfruns_rs.tfevents._metadata import SummaryMetadata, metadata_field
from tfruns_rs.tfevents._summary import Summary, check_tag

_R_NAMES = {"float": "float32", "double": "float64"}
_FLOATS = ("float16", "float32", "float64", "complex64", "complex128")
_WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")
_DTYPES = (*_FLOATS, *_WHOLE)


def summary_tensor(
    x: Any,
    *,
    dtype: Any = None,
    dim_names: Sequence[str] | None = None,
    metadata: SummaryMetadata | None = None,
    tag: str | None = None,
) -> Summary:
    """Make a summary of a tensor: any array, for any plugin.

    Args:
        x: An array or tensor of numbers, bools, strings or bytes; a nested list; a number or a string.
        dtype: The element type to convert to: R's "float" and "double", "string", numpy's names, or what
            numpy takes for a type (`np.float32`); None keeps it.
        dim_names: A name for each axis.
        metadata: From `summary_metadata(…)`, of any plugin; by default the plugin is "tensor".
        tag: The name to log it under, if it is not given a name in `log_event`.

    Raises:
        InvalidEventError: No tensor has such elements.

    Examples:
        >>> import numpy as np
        >>> import tfruns_rs as tfr
        >>> weights = tfr.summary_tensor(np.eye(3), dtype="float", dim_names=["in", "out"])
    """
    field = metadata_field(metadata, "tensor" if metadata is None else metadata.plugin_name)
    array, own = as_array(x, "x")
    names = list(dim_names) if dim_names is not None else None
    if names is not None and (len(names) != array.ndim or not all(isinstance(name, str) for name in names)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidEventError(f"`dim_names` must be {array.ndim} strings, one for each axis.")
    shape = list(array.shape)
    if (isinstance(dtype, str) and dtype == "string") or (dtype is None and array.dtype.kind in "USOT"):
        fields = _core.encode_strings(_strings(array), shape, names, field)
    else:
        wanted = own if dtype is None else _name_of(dtype)
        if wanted not in _DTYPES and not wanted == own == "bfloat16":
            raise InvalidEventError(
                f"Unsupported data type of `x`. {wanted!r} is none of float, double, string, "
                f"{', '.join(_DTYPES)}."
            )
        if wanted != own:
            if array.dtype.kind not in "biufc":
                raise InvalidEventError(
                    f"Unsupported data type of `x`. {own} can't be converted to {wanted}."
                )
            array = (widened(array) if own == "bfloat16" else array).astype(wanted)
        fields = _core.encode_tensor(memory(array), wanted, shape, names, field)
    return Summary(check_tag(tag), metadata.plugin_name if metadata else "tensor", fields)


def _name_of(dtype: Any) -> str:
    import numpy as np

    if isinstance(dtype, str):
        return _R_NAMES.get(dtype, dtype)
    try:
        return np.dtype(dtype).name
    except TypeError:
        raise InvalidEventError(
            f"Unsupported data type. {dtype!r} is none of numpy's; name it instead: {', '.join(_DTYPES)}."
        ) from None


def _strings(array: Any) -> list[bytes]:
    """The elements of an array of strings or bytes, row by row."""
    elements: list[Any] = array.reshape(-1).tolist()
    if not all(isinstance(element, str | bytes) for element in elements):
        raise InvalidEventError(
            "Unsupported data type. `x` must hold numbers, or nothing but strings and bytes."
        )
    return [
        element.encode("utf-8", "replace") if isinstance(element, str) else element for element in elements
    ]
