"""Videos as summaries: animated images."""

import warnings
from typing import Any

from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._array import as_array, memory
from tfruns_rs.tfevents._metadata import SummaryMetadata, metadata_field
from tfruns_rs.tfevents._summary import Summary, check_tag

_RANK = 4
_CHANNELS = (1, 3)
_LONGEST_SIDE = 2**16 - 1


def summary_video(
    frames: Any, *, fps: float = 4, metadata: SummaryMetadata | None = None, tag: str | None = None
) -> Summary:
    """Make a summary of a video. It becomes a GIF, which TensorBoard plays among the images.

    Args:
        frames: An array or tensor of shape (frames, height, width, channels), uint8, or floating from 0 to
            1, with 1 (gray) or 3 (RGB) channels. Floats outside of 0 to 1 are clipped, with a warning.
        fps: Frames a second, at most 100.
        metadata: From `summary_metadata("images", …)`.
        tag: The name to log it under, if it is not given a name in `log_event`.

    Raises:
        InvalidEventError: An array of another shape or type, an empty one, or another `fps`.

    Examples:
        >>> import numpy as np, tfruns_rs as tfr
        >>> moving = tfr.summary_video(np.zeros((8, 4, 4, 3), np.uint8), fps=4, tag="moving")
    """
    import numpy as np

    array, dtype = as_array(frames, "frames")
    shape = tuple(int(dim) for dim in array.shape)
    if len(shape) != _RANK or shape[3] not in _CHANNELS or 0 in shape:
        raise InvalidEventError(
            "Expected an array with dimensions `(frames, height, width, 1 or 3)` as `frames`. "
            f"Got an array with dimensions `({', '.join(map(str, shape))})`."
        )
    if max(shape[1:3]) > _LONGEST_SIDE:
        raise InvalidEventError(
            f"`frames` must be at most {_LONGEST_SIDE} pixels wide and high, as a GIF is; got {shape[2]} x "
            f"{shape[1]}."
        )
    if dtype not in ("uint8", "bool", "float16", "bfloat16", "float32", "float64"):
        raise InvalidEventError(f"`frames` must be uint8, or floating with values from 0 to 1, not {dtype}.")
    if not isinstance(fps, int | float) or not 0.002 <= fps <= 100:  # pyright: ignore[reportUnnecessaryIsInstance]  # noqa: PLR2004 - what a GIF can say
        raise InvalidEventError(f"`fps` must be a number from 0.002 to 100, not {fps!r}.")
    if shape[3] == 1:
        array = np.broadcast_to(array, (*shape[:3], 3))
    gif, clipped = _core.encode_gif(memory(array), dtype, shape[:3], round(100 / fps))
    if clipped:
        warnings.warn("values of a video outside of 0 to 1 (or NaN) are clipped", stacklevel=2)
    field = metadata_field(metadata, "images")
    fields = _core.encode_image(gif, shape[2], shape[1], 3, field)
    return Summary(check_tag(tag), "images", fields)
