"""Text, and tables of text, as summaries."""

from typing import Any

from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._metadata import SummaryMetadata, metadata_field
from tfruns_rs.tfevents._summary import Summary, check_tag

_HIGHEST_RANK = 2


def summary_text(txt: Any, *, metadata: SummaryMetadata | None = None, tag: str | None = None) -> Summary:
    """Make a text summary. TensorBoard shows it as Markdown.

    Args:
        txt: One string; or a numpy array of strings of rank 1 or 2, shown as a table.
        metadata: From `summary_metadata("text", …)`.
        tag: The name to log it under, if it is not given a name in `log_event`.

    Raises:
        InvalidEventError: Neither a string nor such an array, or metadata of another plugin.

    Examples:
        >>> import tfruns_rs as tfr
        >>> tfr.value(tfr.summary_text("**done**"))
        '**done**'
    """
    elements, shape = _elements(txt)
    fields = _core.encode_strings(elements, shape, None, metadata_field(metadata, "text"))
    return Summary(check_tag(tag), "text", fields)


def _elements(txt: Any) -> tuple[list[bytes], list[int]]:
    """The strings in UTF-8 with their shape. A single string has shape [1], as R's tfevents writes it."""
    if isinstance(txt, str):
        return [_utf8(txt)], [1]
    if isinstance(txt, list | tuple):
        size = len(txt)  # pyright: ignore[reportUnknownArgumentType]
        raise InvalidEventError(
            "Can't log a character vector with length != 1. "
            f"Expected a single string but got a {type(txt).__name__} with length {size}; "  # pyright: ignore[reportUnknownArgumentType]
            "for a table pass a numpy array of strings."
        )
    kind = getattr(getattr(txt, "dtype", None), "kind", None)
    strings: list[Any] = txt.reshape(-1).tolist() if kind in ("U", "O", "T") else []
    if kind is None or kind not in "UOT" or not all(isinstance(s, str) for s in strings):
        raise InvalidEventError(
            f"Can't log `txt` of class {type(txt).__name__} as text; expected a string or a numpy array of "
            "strings."
        )
    shape = [int(dim) for dim in txt.shape]
    if len(shape) > _HIGHEST_RANK:
        raise InvalidEventError(f"Can't log a `txt` of rank {len(shape)}; expected at most 2.")
    if not strings:
        raise InvalidEventError("Can't log a character vector with length != 1. `txt` has no elements.")
    return [_utf8(s) for s in strings], shape


def _utf8(text: str) -> bytes:
    """The text in UTF-8; lone surrogates, which no reader accepts, become question marks."""
    return text.encode("utf-8", "replace")
