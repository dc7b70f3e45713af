"""Values back out: what a summary holds, as Python's and numpy's own objects."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._summary import Summary

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

_U32 = struct.Struct("<I")


class Audio:
    """A sound.

    Attributes:
        samples: The samples, of shape (channels, samples): floats from -1 to 1, whole samples divided by
            their largest.
        sample_rate: Samples a second.
        bit_depth: Bits a sample takes in the file.
    """

    __slots__ = ("bit_depth", "sample_rate", "samples")

    def __init__(self, samples: NDArray[np.float64], sample_rate: int, bit_depth: int) -> None:
        self.samples, self.sample_rate, self.bit_depth = samples, sample_rate, bit_depth

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels and samples."""
        return self.samples.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001 - numpy's
        array = self.samples if dtype is None else self.samples.astype(dtype, copy=False)
        return array.copy() if copy else array

    def __repr__(self) -> str:
        channels, samples = self.samples.shape
        return f"<Audio: {channels} x {samples} samples, {self.sample_rate} Hz, {self.bit_depth} bit>"


def value(x: Any, *, as_list: bool = False) -> Any:
    """What a summary holds.

    | plugin | value |
    |---|---|
    | scalars | float |
    | text | str; an array of str, if it is a table |
    | images | ndarray of floats from 0 to 1, (height, width), or (height, width, channels); a list if there
    are several |
    | audio | `Audio`: ndarray (channels, samples) with `sample_rate` and `bit_depth`; a list if there are
    several |
    | histograms | frame with lower, upper and count |
    | hparams | dict of names and values; of an experiment and of a session's end: a dict that describes it |
    | others | ndarray; a str for one string, bytes for what is no tensor |

    Args:
        x: A cell of the `summary` column of `collect_events(type="summary")`, that column (of one row, unless
            `as_list`), a frame with that column, or what a `summary_*` function returns.
        as_list: Return a list, with a value for each row.

    Raises:
        InvalidEventError: `x` has not one row, and `as_list` is False; it is no summary; or its bytes are
            broken.

    Examples:
        >>> import tfruns_rs as tfr
        >>> tfr.value(tfr.summary_text("hello"))
        'hello'
    """
    cells = _cells(x)
    if as_list:
        return [_decode(cell) for cell in cells]
    if len(cells) != 1:
        raise InvalidEventError(
            "You must pass a single summary_value to get it's value. "
            f"Got size {len(cells)}. Use as_list = TRUE (as_list=True) to get a list of values."
        )
    return _decode(cells[0])


def plugin(x: Any) -> Any:
    """The plugin of a summary; a list of them for a column or a frame."""
    if isinstance(x, Summary):
        return x.plugin
    cells = _cells(x)
    return _plugin_of(cells[0]) if isinstance(x, Mapping) else [_plugin_of(cell) for cell in cells]


def _cells(x: Any) -> list[Mapping[str, Any]]:
    """The summaries in `x` as mappings, in the form of the `summary` column."""
    if isinstance(x, Summary):
        return [_cell_of(x)]
    if _is_row(x):
        return _cells(x["summary"])
    if isinstance(x, list):
        return [cell for item in x for cell in _cells(item)]  # pyright: ignore[reportUnknownVariableType]
    cells: list[Any] = [x]
    if hasattr(x, "collect_schema") and hasattr(x, "lazy") and not hasattr(x, "row"):
        raise InvalidEventError("`x` is a lazy frame; collect() it first.")
    if "summary" in getattr(x, "columns", ()):
        cells = x["summary"].to_list()
    elif hasattr(x, "to_list"):  # a column of summaries, or of lists of them
        cells = [cell for item in x.to_list() for cell in (item if isinstance(item, list) else [item])]  # pyright: ignore[reportUnknownVariableType]
    if not all(isinstance(cell, Mapping) and "kind" in cell for cell in cells):
        raise InvalidEventError(
            f"`x` must be a summary, a cell of the `summary` column, or that column, not {type(x).__name__}; "
            'collect_events(type="summary") has it, and other types have it with columns=["summary"].'
        )
    return cells


def _is_row(x: object) -> bool:
    """Whether this is a row of a frame that has summaries."""
    return isinstance(x, Mapping) and "summary" in x


def _cell_of(summary: Summary) -> Mapping[str, Any]:
    """A summary that was not logged, as the `summary` column would hold it."""
    kind, dtype, shape, data, content = _core.summary_cell(summary.fields)
    return {
        "kind": kind,
        "dtype": dtype,
        "shape": shape,
        "data": data,
        "plugin": summary.plugin,
        "plugin_content": content,
    }


def _plugin_of(cell: Mapping[str, Any]) -> str:
    by_kind = {"scalar": "scalars", "image": "images", "audio": "audio", "histo": "histograms"}
    return cell.get("plugin") or by_kind.get(cell["kind"], "")


def _decode(cell: Mapping[str, Any]) -> Any:
    name, kind = _plugin_of(cell), cell["kind"]
    if name == "hparams":
        return _hparams(cell.get("plugin_content") or b"")
    if kind == "none":
        return float("nan") if name == "scalars" else None
    if cell["data"] is None:
        raise InvalidEventError(f"The data of this {name or kind} summary are broken.")
    decode = _DECODERS.get(name)
    return tensor_of(cell) if decode is None else decode(cell)


def tensor_of(cell: Mapping[str, Any]) -> Any:
    """The array of a cell; a single string as such; the bytes of what is no tensor."""
    import numpy as np

    dtype, data = cell["dtype"], cell["data"]
    if dtype is None:
        return data
    shape = tuple(cell["shape"] or ())
    if dtype == "string":
        strings = [_text_or_bytes(element) for element in strings_of(cell)]
        if not shape and len(strings) == 1:
            return strings[0]
        array = np.empty(len(strings), object)
        array[:] = strings
        return array.reshape(shape)
    if dtype == "bfloat16":
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").reshape(shape)
    return np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).reshape(shape)


def strings_of(cell: Mapping[str, Any]) -> list[bytes]:
    """The strings of a tensor of them; the bytes themselves of what is no tensor."""
    data: bytes = cell["data"]
    if cell["dtype"] != "string":
        return [data]
    strings: list[bytes] = []
    at = 0
    while at < len(data):
        (length,) = _U32.unpack_from(data, at)
        strings.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return strings


def images_of(cell: Mapping[str, Any]) -> list[bytes]:
    """The encoded images of a cell: behind width and height, where it is a tensor."""
    strings = strings_of(cell)
    return strings[2:] if cell["kind"] == "tensor" else strings


def clips_of(cell: Mapping[str, Any]) -> tuple[list[bytes], list[bytes]]:
    """The encoded sounds of a cell, and their labels."""
    strings = strings_of(cell)
    if cell["kind"] == "tensor" and len(cell["shape"]) > 1:
        stride = len(strings) // max(cell["shape"][0], 1)
        return strings[::stride], strings[1::stride] if stride > 1 else []
    return strings, []


def buckets_of(cell: Mapping[str, Any]) -> NDArray[np.float64]:
    """The table of a histogram: a row for each bucket, its lower and upper edge and its count."""
    import numpy as np

    if cell["kind"] == "histo":
        read = _core.decode_histo(cell["data"])
        if read is None:
            raise InvalidEventError("The histogram is broken: it has not as many edges as buckets.")
        return np.array(read[0], np.float64).reshape(-1, 3)
    table = tensor_of(cell)
    if not isinstance(table, np.ndarray) or table.shape[1:] != (3,) or table.dtype.kind != "f":  # pyright: ignore[reportUnknownMemberType]
        raise InvalidEventError("The histogram is broken: it is no table of three columns of numbers.")
    return table.astype(np.float64)  # pyright: ignore[reportUnknownVariableType]


def _text_or_bytes(element: bytes) -> str | bytes:
    try:
        return element.decode()
    except UnicodeDecodeError:
        return element


def _scalar(cell: Mapping[str, Any]) -> Any:
    array = tensor_of(cell)
    return (
        float(array.reshape(-1)[0]) if getattr(array, "size", 0) == 1 and array.dtype.kind != "c" else array
    )


def _text(cell: Mapping[str, Any]) -> Any:
    strings = [element.decode("utf-8", "replace") for element in strings_of(cell)]
    if len(strings) == 1:
        return strings[0]
    import numpy as np

    return np.array(strings).reshape(tuple(cell["shape"]))


def _histogram(cell: Mapping[str, Any]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(buckets_of(cell), schema=dict.fromkeys(("lower", "upper", "count"), pl.Float64))


def _images(cell: Mapping[str, Any]) -> Any:
    images = [_pixels(image) for image in images_of(cell)]
    return images[0] if len(images) == 1 else images


def _pixels(image: bytes) -> NDArray[np.float64]:
    """An encoded image as floats from 0 to 1. PNG is read here, others by Pillow where it is installed."""
    import numpy as np

    if not image.startswith(b"\x89PNG"):
        return _foreign_pixels(image)
    width, height, channels, bits, samples = _core.decode_png(image)
    array = np.frombuffer(samples, "<u2" if bits == 16 else "u1")  # noqa: PLR2004 - the only two there are
    return (array / (2**bits - 1)).reshape((height, width) if channels == 1 else (height, width, channels))


def _foreign_pixels(image: bytes) -> NDArray[np.float64]:
    import io

    import numpy as np

    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise InvalidEventError("The image is no PNG; install pillow to decode other images.") from None
    try:
        with Image.open(io.BytesIO(image)) as picture:
            wanted = picture.mode if picture.mode in ("L", "LA", "RGB", "RGBA") else "RGB"
            return np.asarray(picture.convert(wanted)) / 255
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise InvalidEventError(f"The image can't be decoded: {error}") from error


def _sounds(cell: Mapping[str, Any]) -> Any:
    clips = [_sound(clip) for clip in clips_of(cell)[0]]
    return clips[0] if len(clips) == 1 else clips


def _sound(clip: bytes) -> Audio:
    import numpy as np

    rate, channels, bits, is_float, data = _core.decode_wav(clip)
    samples: NDArray[Any]
    if is_float:
        samples = np.frombuffer(data, f"<f{bits // 8}").astype(np.float64)
    elif bits == 8:  # noqa: PLR2004 - the one size without a sign
        samples = (np.frombuffer(data, "u1") - 128.0) / 128
    elif bits == 24:  # noqa: PLR2004 - the one size that numpy lacks
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, "u1").reshape(-1, 3)
        samples = wide.reshape(-1).view("<i4") / 2**31
    else:
        samples = np.frombuffer(data, f"<i{bits // 8}") / 2 ** (bits - 1)
    return Audio(samples.reshape(-1, channels).T, rate, bits)


def _hparams(content: bytes) -> dict[str, Any]:
    from tfruns_rs.tfevents._hparams import DATASET_TYPES, HParam, Metric, status_name

    decoded = _core.decode_hparams(content)
    match decoded:
        case ("start", values, _, _):
            return values
        case ("end", status, time):
            return {"status": status_name(status), "end_time_secs": time}
        case ("experiment", hparams, metrics, time):
            return {
                "hparams": [
                    HParam(name, values and tuple(values), interval, title or None, description or None)
                    for name, values, interval, title, description in hparams
                ],
                "metrics": [
                    Metric(tag, group or None, title or None, text or None, DATASET_TYPES.get(kind))
                    for tag, group, title, text, kind in metrics
                ],
                "time_created_secs": time,
            }
        case _:
            raise InvalidEventError("The hyperparameters are broken.")


_DECODERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "audio": _sounds,
    "histograms": _histogram,
    "images": _images,
    "scalars": _scalar,
    "text": _text,
}
