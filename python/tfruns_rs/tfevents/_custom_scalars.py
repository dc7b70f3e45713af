"""The layout of TensorBoard's custom scalars dashboard."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._log import log_event
from tfruns_rs.tfevents._metadata import metadata_field
from tfruns_rs.tfevents._summary import Summary

_TAG = "custom_scalars__config__"
_BOUNDS = 3

Chart: TypeAlias = "Sequence[str] | Sequence[tuple[str, str, str]]"
Layout: TypeAlias = "Mapping[str, Mapping[str, Chart]]"


def summary_custom_scalars(layout: Layout, *, closed: Sequence[str] = ()) -> Summary:
    """Make the summary that lays out the custom scalars dashboard; its tag is fixed.

    Args:
        layout: Of each category its charts, of each chart its lines: a list of regular expressions, with a
            line for each tag that one matches; or of triples of tags (value, lower bound, upper bound),
            drawn with a margin.
        closed: The categories that are folded at first.

    Raises:
        InvalidEventError: Something else in the layout.

    Examples:
        >>> import tfruns_rs as tfr
        >>> layout = {"losses": {"both": ["loss/train", "loss/valid"], "band": [("mean", "low", "high")]}}
        >>> charts = tfr.summary_custom_scalars(layout, closed=["losses"])
    """
    if not isinstance(layout, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidEventError(f"`layout` must be a mapping of categories, not {type(layout).__name__}.")
    if isinstance(closed, str) or not set(closed) <= set(layout):
        raise InvalidEventError(
            f"`closed` must be a list of categories of the layout, {', '.join(map(repr, layout))}; "
            f"got {closed!r}."
        )
    categories: list[tuple[str, bool, list[tuple[str, Any]]]] = []
    for title, charts in layout.items():
        if not isinstance(title, str) or not isinstance(charts, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidEventError(f"The category {title!r} must be a mapping of charts.")
        categories.append(
            (title, title in closed, [(name, _check(name, chart)) for name, chart in charts.items()])
        )
    field = metadata_field(None, "custom_scalars")
    fields = _core.encode_strings([_core.encode_layout(categories)], [], None, field)
    return Summary(_TAG, "custom_scalars", fields)


def log_custom_scalars(layout: Layout, *, closed: Sequence[str] = ()) -> None:
    """Lay out the custom scalars dashboard for the default logdir.

    Args:
        layout: Of each category its charts, of each chart its lines; see `summary_custom_scalars`.
        closed: The categories that are folded at first.

    Examples:
        >>> import tfruns_rs as tfr
        >>> with tfr.with_logdir(tmp_path):
        ...     tfr.log_custom_scalars({
        ...         "losses": {"all": ["loss.*"], "with bounds": [("loss", "loss/lower", "loss/upper")]},
        ...     })
    """
    log_event(summary_custom_scalars(layout, closed=closed), step=0)


def _check(name: Any, chart: Any) -> list[Any]:
    lines: list[Any] = [] if isinstance(chart, str) else list(chart)
    tags = all(isinstance(line, str) for line in lines)
    margins = all(
        isinstance(line, tuple) and len(line) == _BOUNDS and all(isinstance(tag, str) for tag in line)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        for line in lines
    )
    if not isinstance(name, str) or not lines or not (tags or margins):
        raise InvalidEventError(
            f"The chart {name!r} must be a list of tags, or of triples of tags (value, lower, upper)."
        )
    return lines
