"""Images as summaries."""

import io
import warnings
from functools import singledispatch
from typing import Any

from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._array import as_array, memory
from tfruns_rs.tfevents._metadata import SummaryMetadata, metadata_field
from tfruns_rs.tfevents._summary import Summary, check_tag

_RANK = 4
_MOST_CHANNELS = 4
_LONGEST_SIDE = 2**31 - 1


@singledispatch
def summary_image(
    img: Any,
    *,
    max_outputs: int | None = None,
    width: int | None = None,
    height: int | None = None,
    colorspace: int | None = None,
    metadata: SummaryMetadata | None = None,
    tag: str | None = None,
) -> Summary:
    """Make a summary of an image, or of a batch of them.

    For other classes, `summary_image.register` a function that renders to PNG or to an array, calls
    `summary_image` on that, and hands on `metadata` and `tag`.

    Args:
        img: One of

            - an array or tensor of shape (batch, height, width, channels), uint8, or floating from 0 to 1,
            with 1 (gray),
              2 (gray and alpha), 3 (RGB) or 4 (RGBA) channels. Floats outside of 0 to 1 are clipped, with a
              warning;
            - bytes: an encoded image. A PNG is checked and says its size itself; for other encodings that
            TensorBoard's
              viewer knows (JPEG, GIF) give `width`, `height` and `colorspace`; then the bytes are not
              looked at;
            - a list of PNGs, as one batch;
            - a PIL image;
            - a matplotlib figure, drawn at its own size, or at `width` and `height`.
        max_outputs: How many images of a batch to take at most; None for all.
        width: Pixels; see `img`.
        height: Pixels; see `img`.
        colorspace: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA, 5 YUV, 6 BGRA; see `img`.
        metadata: From `summary_metadata("images", …)`.
        tag: The name to log it under, if it is not given a name in `log_event`.

    Raises:
        InvalidEventError: An array of another shape or type, an empty batch, a broken PNG, or metadata of
            another plugin.
    """
    if hasattr(img, "savefig"):
        image = _figure_png(img, width, height)
        return summary_image(image, metadata=metadata, tag=tag)
    if hasattr(img, "getbands") and hasattr(img, "save"):
        image = _picture_png(img)
        return summary_image(image, metadata=metadata, tag=tag)
    if (width, height, colorspace) != (None, None, None):
        raise InvalidEventError(
            "`width`, `height` and `colorspace` are for encoded images; an array has them itself."
        )
    array, dtype = as_array(img, "img")
    shape = _check_batch(array, dtype)
    if max_outputs is not None:
        array = array[: _check_max_outputs(max_outputs)]
        shape = (len(array), *shape[1:])
    fields, clipped = _core.encode_images(memory(array), dtype, shape, metadata_field(metadata, "images"))
    if clipped:
        warnings.warn("values of an image outside of 0 to 1 (or NaN) are clipped", stacklevel=3)
    return Summary(check_tag(tag), "images", fields)


@summary_image.register(bytes)
def _(
    img: bytes,
    *,
    width: int | None = None,
    height: int | None = None,
    colorspace: int | None = None,
    metadata: SummaryMetadata | None = None,
    tag: str | None = None,
) -> Summary:
    field = metadata_field(metadata, "images")
    if width is None or height is None or colorspace is None:
        own_width, own_height, channels, _, _ = _core.decode_png(img)
        if (width or own_width, height or own_height) != (own_width, own_height):
            raise InvalidEventError(
                f"The PNG is {own_width} wide and {own_height} high, not {width} and {height}."
            )
        width, height, colorspace = own_width, own_height, colorspace or channels
    for name, value, most in (
        ("width", width, _LONGEST_SIDE),
        ("height", height, _LONGEST_SIDE),
        ("colorspace", colorspace, 6),
    ):
        if not isinstance(value, int) or not 0 < value <= most:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidEventError(f"`{name}` must be a whole number from 1 to {most}, not {value!r}.")
    return Summary(check_tag(tag), "images", _core.encode_image(img, width, height, colorspace, field))


@summary_image.register(list)
def _(
    img: list[Any],
    *,
    max_outputs: int | None = None,
    metadata: SummaryMetadata | None = None,
    tag: str | None = None,
) -> Summary:
    if not img or not all(isinstance(image, bytes) for image in img):
        raise InvalidEventError(
            "A list of images must hold PNGs, as bytes, and at least one; or pass an array."
        )
    field = metadata_field(metadata, "images")
    images: list[bytes] = img if max_outputs is None else img[: _check_max_outputs(max_outputs)]
    sizes = [_core.decode_png(image)[:2] for image in images]
    width, height = sizes[0]
    strings = [b"%d" % width, b"%d" % height, *images]
    return Summary(check_tag(tag), "images", _core.encode_strings(strings, [len(strings)], None, field))


def _check_batch(array: Any, dtype: str) -> tuple[int, int, int, int]:
    shape = tuple(int(dim) for dim in array.shape)
    if len(shape) != _RANK:
        raise InvalidEventError(
            "Expected an array with dimensions `(batch, height, width, channels)`. "
            f"Got an array with dimensions `({', '.join(map(str, shape))})`."
        )
    if not 1 <= shape[3] <= _MOST_CHANNELS:
        raise InvalidEventError(
            f"An image must have either 1 (grayscale), 2 (GA), 3 (RGB) or 4 (RGBA) channels, not {shape[3]}."
        )
    if 0 in shape:
        raise InvalidEventError(f"An image must not be empty; got an array with dimensions `{shape}`.")
    if dtype not in ("uint8", "bool", "float16", "bfloat16", "float32", "float64"):
        raise InvalidEventError(f"An image must be uint8, or floating with values from 0 to 1, not {dtype}.")
    return shape


def _check_max_outputs(max_outputs: Any) -> int:
    if not isinstance(max_outputs, int) or max_outputs < 1:
        raise InvalidEventError(f"`max_outputs` must be a positive whole number, not {max_outputs!r}.")
    return max_outputs


def _figure_png(figure: Any, width: int | None, height: int | None) -> bytes:
    """A matplotlib figure as PNG, of its own size but where another is asked for."""
    own = figure.get_size_inches().copy()
    file = io.BytesIO()
    try:
        figure.set_size_inches(
            own[0] if width is None else width / figure.dpi, own[1] if height is None else height / figure.dpi
        )
        figure.savefig(file, format="png", dpi=figure.dpi)
    finally:
        figure.set_size_inches(own)
    return file.getvalue()


def _picture_png(picture: Any) -> bytes:
    """A PIL image as PNG; modes that PNG lacks become RGB."""
    file = io.BytesIO()
    if picture.mode not in ("1", "L", "LA", "I;16", "P", "RGB", "RGBA"):
        picture = picture.convert("RGBA" if "A" in picture.getbands() else "RGB")
    picture.save(file, format="png")
    return file.getvalue()
