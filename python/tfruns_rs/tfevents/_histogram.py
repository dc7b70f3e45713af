"""Histograms as summaries."""

import warnings
from typing import Any

from tfruns_rs import _core
from tfruns_rs.tfevents._array import as_numbers, as_whole, memory
from tfruns_rs.tfevents._metadata import SummaryMetadata, metadata_field
from tfruns_rs.tfevents._summary import Summary, check_tag

_MOST_BUCKETS = 2**24


def summary_histogram(
    data: Any, *, buckets: int = 30, metadata: SummaryMetadata | None = None, tag: str | None = None
) -> Summary:
    """Make a histogram summary of all elements of an array.

    The buckets are TensorBoard's: equally wide from the smallest to the largest value, a value on an edge
    counts to the right, the largest value to the last bucket. So the counts add up to the number of finite
    values. Without any there are `buckets` rows of zeros; where all values are equal, all edges are, and
    all of them are in the last bucket.

    NaN and infinities are in no bucket: they are counted apart (columns `nan`, `positive_infinity` and
    `negative_infinity` of `collect_events(type="histogram")`), and a warning names their numbers.

    Args:
        data: An array of any shape and any integer, floating or bool type; a torch or JAX tensor; a list of
            numbers. It is read in place, without a float64 copy.
        buckets: How many buckets.
        metadata: From `summary_metadata("histograms", …)`.
        tag: The name to log it under, if it is not given a name in `log_event`.

    Raises:
        InvalidEventError: `data` holds no real numbers, or `buckets` is no whole number from 0 on.

    Examples:
        >>> import numpy as np, tfruns_rs as tfr
        >>> tfr.value(tfr.summary_histogram(np.array([0.0, 1.0, 1.0]), buckets=2)).rows()
        [(0.0, 0.5, 1.0), (0.5, 1.0, 2.0)]
    """
    buckets = as_whole("buckets", buckets, 0, _MOST_BUCKETS)
    array, dtype = as_numbers(data, "data", wide=False)
    tensor, content, (nan, positive, negative) = _core.encode_histogram(
        memory(array, ordered=False), dtype, buckets
    )
    field = metadata_field(metadata, "histograms", content)
    if nan or positive or negative:
        warnings.warn(
            f"{nan} NaN and {positive + negative} infinite values are in no bucket of the histogram",
            stacklevel=2,
        )
    return Summary(check_tag(tag), "histograms", tensor + field)
