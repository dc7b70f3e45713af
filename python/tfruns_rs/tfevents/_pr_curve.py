"""Precision-recall curves as summaries."""

from typing import Any

from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._array import as_numbers, as_whole, memory
from tfruns_rs.tfevents._metadata import SummaryMetadata, metadata_field
from tfruns_rs.tfevents._summary import Summary, check_tag

_SMALLEST_COUNT = 1e-7
_MOST_THRESHOLDS = 2**20


def summary_pr_curve(
    labels: Any,
    predictions: Any,
    *,
    num_thresholds: int = 201,
    weights: Any = None,
    metadata: SummaryMetadata | None = None,
    tag: str | None = None,
) -> Summary:
    """Make a summary of a precision-recall curve.

    The counts are those of TensorBoard's `pr_curve`: at each of `num_thresholds` thresholds from 0 to 1, a
    prediction of at least the threshold is a positive one. The tensor has the rows true positives, false
    positives, true negatives, false negatives, precision and recall.

    Args:
        labels: What is true: an array of bools, or of 0 and 1.
        predictions: What is predicted, from 0 to 1: an array of the same shape.
        num_thresholds: How many thresholds, at least 2.
        weights: What each prediction counts: a number, or an array that can be broadcast to the labels'
            shape.
        metadata: From `summary_metadata("pr_curves", …)`.
        tag: The name to log it under, if it is not given a name in `log_event`.

    Raises:
        InvalidEventError: Shapes that differ, none at all, predictions outside of 0 to 1, labels other than
            0 and 1, weights below 0, or too few thresholds.

    Examples:
        >>> import tfruns_rs as tfr
        >>> curve = tfr.summary_pr_curve([0, 1, 1], [0.2, 0.6, 0.9], num_thresholds=11, tag="pr")
    """
    import numpy as np

    num_thresholds = as_whole("num_thresholds", num_thresholds, 2, _MOST_THRESHOLDS)
    truth, _ = as_numbers(labels, "labels")
    guess, _ = as_numbers(predictions, "predictions")
    if truth.shape != guess.shape:
        raise InvalidEventError(
            f"`labels` and `predictions` must be of one shape, not {truth.shape} and {guess.shape}."
        )
    if not truth.size:
        raise InvalidEventError("`labels` and `predictions` must not be empty.")
    if not ((truth == 0) | (truth == 1)).all():
        raise InvalidEventError("`labels` must be bools, or 0 and 1.")
    if not ((guess >= 0) & (guess <= 1)).all():
        raise InvalidEventError("`predictions` must be from 0 to 1.")
    weight, _ = as_numbers(1.0 if weights is None else weights, "weights")
    try:
        weight = np.broadcast_to(weight, truth.shape).reshape(-1).astype(np.float64)
    except ValueError:
        raise InvalidEventError(
            f"`weights` can't be broadcast from {weight.shape} to {truth.shape}."
        ) from None
    if not ((weight >= 0) & np.isfinite(weight)).all():
        raise InvalidEventError("`weights` must be finite, and not negative.")
    bucket = np.floor(guess.reshape(-1) * (num_thresholds - 1)).astype(np.intp)
    positive = truth.reshape(-1).astype(np.float64)

    def at_least(counted: Any) -> Any:
        return np.bincount(bucket, counted, num_thresholds)[::-1].cumsum()[::-1]

    tp, fp = at_least(positive * weight), at_least((1 - positive) * weight)
    tn, fn = fp[0] - fp, tp[0] - tp
    precision = tp / np.maximum(_SMALLEST_COUNT, tp + fp)
    recall = tp / np.maximum(_SMALLEST_COUNT, tp + fn)
    table = np.stack([tp, fp, tn, fn, precision, recall]).astype(np.float32)
    field = metadata_field(metadata, "pr_curves", _core.encode_pr_curve_content(num_thresholds))
    fields = _core.encode_tensor(memory(table), "float32", list(table.shape), None, field)
    return Summary(check_tag(tag), "pr_curves", fields)
