"""Shapes of arrays as `SummaryWriter` takes them: letters name the axes (N, T, C, H, W)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._array import as_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRID_COLUMNS = 8
_COLORS = (1, 3, 4)


def numbers(x: Any, argument: str) -> NDArray[Any]:
    """An array of numbers; bfloat16, which numpy lacks, as float32.

    Raises:
        InvalidEventError: It is no array of numbers.
    """
    import numpy as np

    array, dtype = as_array(x, argument)
    if dtype == "bfloat16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    if array.dtype.kind not in "biufc":
        raise InvalidEventError(f"`{argument}` must hold numbers, not {dtype}.")
    return array


def bytes_of_pixels(array: NDArray[Any]) -> NDArray[Any]:
    """Pixels as uint8: those that are uint8 as they are, all others from 0 to 1, clipped."""
    import numpy as np

    if array.dtype == np.uint8:
        return array
    return np.nan_to_num(array.astype(np.float32) * 255).clip(0, 255).astype(np.uint8)


def transposed(array: NDArray[Any], given: str, wanted: str, argument: str) -> NDArray[Any]:
    """The array with its axes in another order.

    Raises:
        InvalidEventError: The letters do not name the array's axes.
    """
    given = given.upper()
    if sorted(given) != sorted(wanted) or array.ndim != len(given):
        raise InvalidEventError(
            f"`{argument}` has dimensions `{array.shape}`, which `dataformats={given!r}` does not name; "
            f"expected each letter of {wanted!r} once."
        )
    return array.transpose([given.index(letter) for letter in wanted])


def as_picture(x: Any, dataformats: str) -> NDArray[Any]:
    """One picture of shape (height, width, 3 or 4), uint8; a batch becomes a grid, gray becomes RGB.

    Raises:
        InvalidEventError: The letters do not name the array's axes, or it has another number of colors.
    """
    import numpy as np

    array = numbers(x, "img_tensor")
    if len(dataformats) == len("NCHW"):
        picture = grid(transposed(array, dataformats, "NCHW", "img_tensor")).transpose(1, 2, 0)
    elif len(dataformats) == len("CHW"):
        picture = transposed(array, dataformats, "HWC", "img_tensor")
    else:
        picture = transposed(array, dataformats, "HW", "img_tensor")[:, :, None]
    if picture.shape[2] not in _COLORS or 0 in picture.shape:
        raise InvalidEventError(
            f"`img_tensor` must have 1, 3 or 4 colors and not be empty; read as {dataformats!r}, it is of "
            f"height, width and colors {picture.shape}."
        )
    if picture.shape[2] == 1:
        picture = np.repeat(picture, 3, axis=2)
    return bytes_of_pixels(picture)


def grid(batch: NDArray[Any], columns: int = GRID_COLUMNS) -> NDArray[Any]:
    """Pictures of shape (N, C, H, W) side by side, as one of shape (C, rows x H, columns x W)."""
    import numpy as np

    if batch.shape[1] == 1:
        batch = np.repeat(batch, 3, axis=1)
    number, colors, height, width = batch.shape
    columns = min(number, columns)
    rows = -(-number // max(columns, 1))
    filled = np.zeros((rows * columns, colors, height, width), batch.dtype)
    filled[:number] = batch
    cells = filled.reshape(rows, columns, colors, height, width)
    return cells.transpose(2, 0, 3, 1, 4).reshape(colors, rows * height, columns * width)


def as_frames(x: Any, dataformats: str) -> NDArray[Any]:
    """The frames of a batch of videos, of shape (T, H, W, C), uint8.

    Videos stand side by side in a grid, whose cells are a power of two: the empty ones are black.

    Raises:
        InvalidEventError: The letters do not name the array's axes.
    """
    import numpy as np

    videos = bytes_of_pixels(transposed(numbers(x, "vid_tensor"), dataformats, "NTCHW", "vid_tensor"))
    number, length, colors, height, width = videos.shape
    cells = 1 << (number - 1).bit_length()
    rows = 1 << (number.bit_length() - 1) // 2
    filled = np.zeros((cells, length, colors, height, width), np.uint8)
    filled[:number] = videos
    laid = filled.reshape(rows, cells // rows, length, colors, height, width).transpose(2, 0, 4, 1, 5, 3)
    return laid.reshape(length, rows * height, cells // rows * width, colors)
