"""Numbers as summaries."""

import warnings
from typing import Any

from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._metadata import SummaryMetadata, metadata_field
from tfruns_rs.tfevents._summary import Summary, check_tag

_LARGEST_EXACT = 2**53
_KINDS_OF_NO_NUMBER = "cMmSUV"  # complex, times, strings and records: numpy's letters


def summary_scalar(
    value: Any, *, exact: bool = True, metadata: SummaryMetadata | None = None, tag: str | None = None
) -> Summary:
    """Make a scalar summary.

    It is written as TensorBoard's `simple_value`, a float32 that every reader knows, and where the float64
    is another number, that one beside it, for `collect_events`. (`summary_tensor(value,
    metadata=summary_metadata("scalars"))` gives TensorFlow 2's form, a tensor of rank 0.)

    Args:
        value: One number: int, float, bool (as 0 or 1), a numpy scalar, or an array or tensor of one element.
        exact: Keep the float64 where it differs from the float32.
        metadata: From `summary_metadata("scalars", …)`.
        tag: The name to log it under, if it is not given a name in `log_event`.

    Raises:
        InvalidEventError: Not a single number, or metadata of another plugin.

    Examples:
        >>> import tfruns_rs as tfr
        >>> tfr.value(tfr.summary_scalar(0.1, tag="loss"))
        0.1
    """
    fields = _core.encode_scalar(as_float(value), exact, metadata_field(metadata, "scalars"))
    return Summary(check_tag(tag), "scalars", fields)


def as_float(value: Any) -> float:
    """The one number that `value` is.

    Raises:
        InvalidEventError: It is none, or several.
    """
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        return _from_int(value)
    if isinstance(value, list | tuple):
        raise _not_single(len(value))  # pyright: ignore[reportUnknownArgumentType]
    kind = getattr(getattr(value, "dtype", None), "kind", "f")
    if kind in _KINDS_OF_NO_NUMBER or not hasattr(value, "__float__"):
        raise InvalidEventError(f"Can't log {_describe(value)} as a scalar; expected a single number.")
    size = _size(value)
    if size != 1:
        raise _not_single(size)
    try:
        item = value.item() if hasattr(value, "item") else value
        return _from_int(item) if isinstance(item, int) else float(item)
    except (TypeError, ValueError) as error:
        raise InvalidEventError(f"Can't log {_describe(value)} as a scalar: {error}") from error


def _from_int(value: int) -> float:
    if -_LARGEST_EXACT <= value <= _LARGEST_EXACT:
        return float(value)
    try:
        rounded = float(value)
    except OverflowError:
        raise InvalidEventError("Can't log an integer beyond the range of float64.") from None
    if rounded != value:
        warnings.warn("integers beyond 2**53 are rounded to the nearest float64", stacklevel=4)
    return rounded


def _size(value: Any) -> int:
    """How many numbers an array or a number holds."""
    shape = getattr(value, "shape", ())
    size = 1
    for dim in shape:
        size *= int(dim)
    return size


def _not_single(size: int) -> InvalidEventError:
    hint = f"Expected a single value but got a vector with length {size}."
    if size == 1:
        hint = "Expected the value itself but got a list that holds it."
    return InvalidEventError(f"Can't log a numeric vector with length != 1. {hint}")


def _describe(value: Any) -> str:
    if value is None:
        return "None"
    return f"{'an' if type(value).__name__[:1] in 'aeiou' else 'a'} {type(value).__name__}"
