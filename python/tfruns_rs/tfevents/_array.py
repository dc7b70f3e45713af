"""Arrays of any library, as numpy sees them: without a copy where that is possible."""

from __future__ import annotations

import operator
import sys
from typing import TYPE_CHECKING, Any

from tfruns_rs.errors import InvalidEventError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def as_array(x: Any, argument: str) -> tuple[NDArray[Any], str]:
    """An array and the name of its element type.

    Taken are numpy arrays and whatever offers `__array__` or `__dlpack__` (torch, JAX, TensorFlow, CuPy,
    Polars, pandas), numbers, and nested lists of numbers. Tensors that need a gradient are detached, those
    on a device copied to the host. bfloat16, which numpy lacks, comes as its 16 bits and the name
    "bfloat16".

    Raises:
        InvalidEventError: It is none of those.
    """
    import numpy as np

    if isinstance(x, np.ma.MaskedArray):
        raise InvalidEventError(
            f"`{argument}` is a masked array; say what becomes of the rest: compressed() leaves it out, "
            "filled() gives it a value."
        )
    try:
        if hasattr(x, "detach"):
            x = x.detach().cpu()
            if hasattr(x, "resolve_conj"):
                x = x.resolve_conj().resolve_neg()
            if str(x.dtype) == "torch.bfloat16":
                bits = x.contiguous().view(sys.modules["torch"].int16).numpy()
                return bits.view(np.uint16), "bfloat16"
        array = (
            np.from_dlpack(x) if hasattr(x, "__dlpack__") and not hasattr(x, "__array__") else np.asarray(x)
        )
    except (TypeError, ValueError, BufferError, RuntimeError) as error:
        raise InvalidEventError(f"`{argument}` is no array: {error}") from error
    if array.dtype.name == "bfloat16":
        return array.view(np.uint16), "bfloat16"
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:  # noqa: PLR2004 - wider than float64
        array = array.astype(np.float64)
    if array.dtype.byteorder == ">" or (sys.byteorder == "big" and array.dtype.byteorder == "="):
        array = array.astype(array.dtype.newbyteorder("<"))
    return array, array.dtype.name


def as_numbers(x: Any, argument: str, *, wide: bool = True) -> tuple[NDArray[Any], str]:
    """An array of numbers that have an order; bfloat16 as float32, unless `wide` is False.

    Raises:
        InvalidEventError: It is none.
    """
    array, dtype = as_array(x, argument)
    if wide and dtype == "bfloat16":
        array, dtype = widened(array), "float32"
    if array.dtype.kind not in "biuf":
        held = type(x).__name__ if array.dtype.kind == "O" and array.ndim == 0 else dtype
        raise InvalidEventError(f"`{argument}` must hold real numbers, not {held}.")
    return array, dtype


def widened(bits: NDArray[Any]) -> NDArray[Any]:
    """The float32 numbers of which these are the upper 16 bits: bfloat16."""
    import numpy as np

    return (bits.astype(np.uint32) << 16).view(np.float32)


def as_whole(argument: str, value: Any, lowest: int, highest: int) -> int:
    """A whole number of Python's, numpy's or another library's making; a float will do if it is one.

    Raises:
        InvalidEventError: It is none, or not from `lowest` to `highest`.
    """
    try:
        whole: Any = int(value) if isinstance(value, float) and value.is_integer() else value
        number = operator.index(whole)
    except TypeError:
        number = lowest - 1
    if not lowest <= number <= highest:
        raise InvalidEventError(
            f"`{argument}` must be a whole number from {lowest} to {highest}, not {value!r}."
        )
    return number


def memory(array: NDArray[Any], *, ordered: bool = True) -> memoryview:
    """The bytes of an array, row by row; in any order if that saves a copy and `ordered` is False."""
    import numpy as np

    flat = array.ravel(order="C" if ordered else "K")  # contiguous, a copy if need be
    return flat.view(np.uint8).data
