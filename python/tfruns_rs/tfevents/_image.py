"""Images as summaries."""

import io
import warnings
from functools import singledispatch
from typing import Any

from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._array import as_array, as_whole, memory
from tfruns_rs.tfevents._metadata import SummaryMetadata, metadata_field
from tfruns_rs.tfevents._summary import Summary, check_tag

_RANK = 4
_MOST_CHANNELS = 4
_LONGEST_SIDE = 2**31 - 1
_LAST_COLORSPACE = 6


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
              with 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGBA) channels. Floats outside of 0 to 1 are
              clipped, with a warning;
            - bytes: an encoded image. A PNG is checked and says its size itself; for other encodings that
              TensorBoard's viewer knows (JPEG, GIF) give `width`, `height` and `colorspace`; then the bytes
              are not looked at;
            - a PIL image;
            - a matplotlib figure, drawn at its own size, or at `width` and `height`;
            - a list of encoded images, PIL images or figures, as one batch.
        max_outputs: How many images of a batch to take at most; None for all.
        width: Pixels; see `img`.
        height: Pixels; see `img`.
        colorspace: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA, 5 YUV, 6 BGRA; see `img`.
        metadata: From `summary_metadata("images", …)`.
        tag: The name to log it under, if it is not given a name in `log_event`.

    Raises:
        InvalidEventError: An array of another shape or type, an empty batch, a broken PNG, or metadata of
            another plugin.

    Examples:
        >>> import numpy as np, tfruns_rs as tfr
        >>> gray = tfr.summary_image(np.zeros((1, 4, 4, 1), np.uint8), tag="black")
        >>> noise = np.random.default_rng(0).random((2, 4, 4, 3))
        >>> first = tfr.summary_image(noise, max_outputs=1, tag="noise")
    """
    if (png := _drawn(img, width, height)) is not None:
        return summary_image(png, metadata=metadata, tag=tag)
    if (width, height, colorspace) != (None, None, None):
        raise InvalidEventError(
            "`width`, `height` and `colorspace` are for encoded images; an array has them itself."
        )
    return _of_array(img, max_outputs, metadata, tag)


@summary_image.register(bytes)
@summary_image.register(bytearray)
@summary_image.register(memoryview)
def _(
    img: bytes,
    *,
    max_outputs: int | None = None,
    width: int | None = None,
    height: int | None = None,
    colorspace: int | None = None,
    metadata: SummaryMetadata | None = None,
    tag: str | None = None,
) -> Summary:
    field = metadata_field(metadata, "images")
    _check_max_outputs(max_outputs, 1)
    if width is None or height is None or colorspace is None:
        own_width, own_height, channels = _png_size(bytes(img))
        if (width or own_width, height or own_height) != (own_width, own_height):
            raise InvalidEventError(
                f"The PNG is {own_width} wide and {own_height} high, not {width} and {height}."
            )
        width, height, colorspace = own_width, own_height, colorspace or channels
    width = as_whole("width", width, 1, _LONGEST_SIDE)
    height = as_whole("height", height, 1, _LONGEST_SIDE)
    colorspace = as_whole("colorspace", colorspace, 1, _LAST_COLORSPACE)
    return Summary(check_tag(tag), "images", _core.encode_image(bytes(img), width, height, colorspace, field))


@summary_image.register(list)
@summary_image.register(tuple)
def _(
    img: list[Any],
    *,
    max_outputs: int | None = None,
    width: int | None = None,
    height: int | None = None,
    colorspace: int | None = None,
    metadata: SummaryMetadata | None = None,
    tag: str | None = None,
) -> Summary:
    field = metadata_field(metadata, "images")
    drawn = [
        _drawn(image, width, height) or image for image in img[: _check_max_outputs(max_outputs, len(img))]
    ]
    if drawn and not any(isinstance(image, bytes | bytearray | memoryview) for image in drawn):
        return _of_array(img, max_outputs, metadata, tag)
    if not drawn or not all(isinstance(image, bytes | bytearray | memoryview) for image in drawn):
        raise InvalidEventError(
            "A list of images, as `img`, must hold PNGs, as bytes, or pictures, and at least one."
        )
    images = [bytes(image) for image in drawn]
    if width is None or height is None or colorspace is None or drawn[0] is not img[0]:
        sizes = [_png_size(image) for image in images]
        width, height, _ = sizes[0]
    strings = [
        b"%d" % as_whole("width", width, 1, _LONGEST_SIDE),
        b"%d" % as_whole("height", height, 1, _LONGEST_SIDE),
    ]
    fields = _core.encode_strings([*strings, *images], [2 + len(images)], None, field)
    return Summary(check_tag(tag), "images", fields)


def _of_array(
    img: Any, max_outputs: int | None, metadata: SummaryMetadata | None, tag: str | None
) -> Summary:
    """The summary of an array, called by an implementation of `summary_image`."""
    array, dtype = as_array(img, "img")
    if not array.ndim and array.dtype.kind not in "biufc":
        raise InvalidEventError(
            "`img` must be an array, an encoded image as bytes, a list of these, a PIL image or a matplotlib "
            f"figure, not {type(img).__name__}."
        )
    shape = _check_batch(array, dtype)
    array = array[: _check_max_outputs(max_outputs, len(array))]
    shape = (len(array), *shape[1:])
    fields, clipped = _core.encode_images(memory(array), dtype, shape, metadata_field(metadata, "images"))
    if clipped:
        warnings.warn("values of an image outside of 0 to 1 (or NaN) are clipped", stacklevel=4)
    return Summary(check_tag(tag), "images", fields)


def _png_size(image: bytes) -> tuple[int, int, int]:
    """Width, height and channels of a PNG, all of which is looked at."""
    try:
        width, height, channels, _, _ = _core.decode_png(image)
    except InvalidEventError as error:
        raise InvalidEventError(
            f"`img` is no PNG ({error}); for other encodings give `width`, `height` and `colorspace`."
        ) from None
    return width, height, channels


def _check_batch(array: Any, dtype: str) -> tuple[int, int, int, int]:
    shape = tuple(int(dim) for dim in array.shape)
    if len(shape) != _RANK:
        raise InvalidEventError(
            "Expected an array with dimensions `(batch, height, width, channels)` as `img`. "
            f"Got an array with dimensions `({', '.join(map(str, shape))})`; None in an index adds an axis."
        )
    if not 1 <= shape[3] <= _MOST_CHANNELS:
        raise InvalidEventError(
            f"`img` must have either 1 (grayscale), 2 (GA), 3 (RGB) or 4 (RGBA) channels, not {shape[3]}."
        )
    if 0 in shape:
        raise InvalidEventError(f"`img` must not be empty; got an array with dimensions `{shape}`.")
    if dtype not in ("uint8", "bool", "float16", "bfloat16", "float32", "float64"):
        raise InvalidEventError(f"`img` must be uint8, or floating with values from 0 to 1, not {dtype}.")
    return shape


def _check_max_outputs(max_outputs: int | None, images: int) -> int:
    """How many of so many images are taken."""
    return images if max_outputs is None else as_whole("max_outputs", max_outputs, 1, _LONGEST_SIDE)


def _drawn(img: Any, width: int | None, height: int | None) -> bytes | None:
    """A figure or a picture as PNG; None for all else."""
    if hasattr(img, "savefig"):
        return _figure_png(img, width, height)
    return _picture_png(img) if is_picture(img) else None


def is_picture(x: Any) -> bool:
    """Whether this is a matplotlib figure or a PIL image."""
    return hasattr(x, "savefig") or (hasattr(x, "getbands") and hasattr(x, "save"))


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
