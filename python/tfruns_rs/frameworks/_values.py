"""What `SummaryWriter` writes: for each kind of value its tag and its fields, in the forms torch uses."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.frameworks._arrays import as_frames, as_picture, bytes_of_pixels, grid, numbers
from tfruns_rs.tfevents._array import as_array, memory

if TYPE_CHECKING:
    from collections.abc import Sequence

Values = list[tuple[str, str, bytes]]
"""Run, tag and fields, as `EventWriter.add_values` takes them."""

_HIGHEST_16 = 32767
_MOST_THRESHOLDS = 127
"""Torch's own bound, beyond which TensorBoard's plugin does not draw."""
_SMALLEST_COUNT = 1e-7
_MESH = {"vertices": (1, "VERTEX"), "faces": (2, "FACE"), "colors": (3, "COLOR")}
_edges: Any = None


def default_bins() -> Any:
    """The edges of torch's and TensorFlow's histograms: powers of 1.1 times 1e-12 up to 1e20, mirrored."""
    global _edges  # noqa: PLW0603 - computed once
    if _edges is None:
        import numpy as np

        positive: list[float] = []
        edge = 1e-12
        while edge < 1e20:  # noqa: PLR2004 - as the docstring says
            positive.append(edge)
            edge *= 1.1
        _edges = np.array([-edge for edge in reversed(positive)] + [0.0] + positive)
    return _edges


def scalar_tensor(value: float, *, double: bool) -> bytes:
    """The fields of a scalar in TensorFlow 2's form: a tensor of rank 0."""
    import numpy as np

    array, dtype = (
        (np.array([value], np.float64), "float64") if double else (np.array([value], np.float32), "float32")
    )
    return _core.encode_tensor(memory(array), dtype, [], None, _core.encode_metadata("scalars", b"", "", ""))


def tensor(x: Any) -> bytes:
    """The fields of any tensor."""
    array, dtype = as_array(x, "tensor")
    metadata = _core.encode_metadata("tensor", b"", "", "")
    return _core.encode_tensor(memory(array), dtype, list(array.shape), None, metadata)


def histogram(x: Any, bins: Any, max_bins: int | None) -> bytes:
    """The fields of a histogram, from its first bucket that holds something to the last.

    Raises:
        InvalidEventError: There are no values, or some that are not finite.
    """
    import numpy as np

    values = numbers(x, "values").astype(np.float64).reshape(-1)
    if not values.size:
        raise InvalidEventError("`values` must hold at least one value.")
    low, high, total = values.min(), values.max(), values.sum()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InvalidEventError("`values` must be finite; a histogram has no bucket for NaN or infinity.")
    counts, limits = _counts(values, bins)
    if max_bins is not None and len(counts) > max_bins:
        merged = len(counts) // max_bins
        counts = np.pad(counts, (0, -len(counts) % merged)).reshape(-1, merged).sum(axis=1)
        limits = np.append(limits[:-1:merged], limits[-1])
    held = np.flatnonzero(counts)
    first, last = (int(held[0]), int(held[-1]) + 1) if held.size else (0, len(counts))
    # An empty bucket on the left tells where the first one begins: buckets are known by their upper edge.
    counts = np.concatenate([[0], counts[first:last]])
    moments = (float(low), float(high), float(values.size), float(total), float(values.dot(values)))
    return _core.encode_histo(moments, limits[first : last + 1].tolist(), counts.tolist())


def _counts(values: Any, bins: Any) -> tuple[Any, Any]:
    """Numpy's histogram; of the default bins, which are many, only those that can hold something."""
    import numpy as np

    if not (isinstance(bins, str) and bins == "tensorflow"):
        return np.histogram(values, bins=bins)
    edges: Any = default_bins()
    inside: Any = values[(values >= edges[0]) & (values <= edges[-1])]
    if not inside.size:
        return np.zeros(len(edges) - 1, np.int64), edges
    low, high = float(inside.min()), float(inside.max())
    first = max(int(np.searchsorted(edges, low, "right")) - 1, 0)
    last = max(int(np.searchsorted(edges, high, "left")), first + 1)
    counts = np.zeros(len(edges) - 1, np.int64)
    counts[first:last] = np.histogram(inside, bins=edges[first : last + 1])[0]
    # The last bucket that numpy was given is closed on the right, but among all bins only the very last is.
    if last < len(edges) - 1 and (closed := int((inside == edges[last]).sum())):
        counts[last - 1] -= closed
        counts[last] += closed
    return counts, edges


def histogram_raw(moments: Any, limits: Any, counts: Any) -> bytes:
    """The fields of a histogram that was made elsewhere."""
    import numpy as np

    edges = np.asarray(as_array(limits, "bucket_limits")[0], np.float64).reshape(-1)
    numbers_of = np.asarray(as_array(counts, "bucket_counts")[0], np.float64).reshape(-1)
    if len(edges) != len(numbers_of):
        raise InvalidEventError(
            f"`bucket_limits` and `bucket_counts` differ in length: {len(edges)}, {len(numbers_of)}."
        )
    least, most, number, total, squares = (float(moment) for moment in moments)
    return _core.encode_histo((least, most, number, total, squares), edges.tolist(), numbers_of.tolist())


def image(x: Any, dataformats: str) -> bytes:
    """The fields of a picture."""
    return _picture(as_picture(x, dataformats))


def _picture(picture: Any) -> bytes:
    height, width, colors = picture.shape
    png = _core.encode_png(memory(picture), width, height, colors)
    return _core.encode_image(png, width, height, colors, b"")


def image_with_boxes(
    x: Any, boxes: Any, rescale: float, dataformats: str, labels: Sequence[str] | str | None
) -> bytes:
    """The fields of a picture with red boxes (xmin, ymin, xmax, ymax) and a label each drawn on it.

    Labels are left out if there are not as many as boxes.
    """
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError:
        raise ImportError("boxes are drawn by Pillow: pip install pillow") from None
    import numpy as np

    labels = [labels] if isinstance(labels, str) else labels
    if labels is not None and len(labels) != len(boxes):
        labels = None
    picture = as_picture(x, dataformats)
    drawn = Image.fromarray(picture)
    pen = ImageDraw.Draw(drawn)
    font: Any = ImageFont.load_default()
    for number, (left, top, right, bottom) in enumerate(numbers(boxes, "box_tensor").tolist()):
        corners = [(left, top), (left, bottom), (right, bottom), (right, top), (left, top)]
        pen.line(corners, width=2, fill="Red")
        if labels is not None and labels[number]:
            start, above, end, below = font.getbbox(labels[number])
            height, margin = below - above, np.ceil(0.05 * (below - above))
            frame = [(left, bottom - height - 2 * margin), (left + end - start, bottom)]
            pen.rectangle(frame, fill="Red")
            pen.text((left + margin, bottom - height - margin), labels[number], fill="black", font=font)
    height, width, colors = picture.shape
    scaled = drawn.resize((int(width * rescale), int(height * rescale)), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    scaled.save(file, format="PNG")
    # Torch tells the size before scaling.
    return _core.encode_image(file.getvalue(), width, height, colors, b"")


def figure_pixels(figure: Any, *, close: bool) -> Any:
    """A matplotlib figure, or a list of them, as pixels of shape (3, H, W) or (N, 3, H, W)."""
    import numpy as np

    if isinstance(figure, list):
        return np.stack([figure_pixels(one, close=close) for one in cast("list[Any]", figure)])
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[:, :, :3].transpose(2, 0, 1).copy()
    if close:
        import matplotlib.pyplot as plt

        plt.close(figure)
    return pixels


def video(x: Any, fps: float, dataformats: str) -> bytes:
    """The fields of a video: a GIF among the images."""
    import numpy as np

    frames = as_frames(x, dataformats)
    length, height, width, colors = frames.shape
    shown = np.broadcast_to(frames, (length, height, width, 3)) if colors == 1 else frames
    if not frames.size or shown.shape[3] != 3:  # noqa: PLR2004 - RGB
        raise InvalidEventError(f"`vid_tensor` must have 1 or 3 colors and not be empty; it has {colors}.")
    gif, _ = _core.encode_gif(memory(shown), "uint8", (length, height, width), max(round(100 / fps), 1))
    return _core.encode_image(gif, width, height, colors, b"")


def audio(x: Any, sample_rate: int, *, channels_last: bool) -> bytes:
    """The fields of a sound: a WAV file of 16 bits. With `channels_last`, of shape (samples, channels)."""
    import numpy as np

    sound = numbers(x, "snd_tensor")
    sound = sound if channels_last else sound.squeeze()
    sound = sound[:, None] if sound.ndim == 1 else sound
    if sound.ndim != 2 or not sound.size or (not channels_last and sound.shape[1] != 1):  # noqa: PLR2004
        wanted = "(samples,) or (samples, channels)" if channels_last else "(samples,)"
        raise InvalidEventError(f"`snd_tensor` must be of shape {wanted}, not {sound.shape}.")
    scaled = sound.astype(np.float64).clip(-1, 1) * _HIGHEST_16
    samples = (np.rint(scaled) if channels_last else scaled).astype("<i2")
    frames, channels = samples.shape
    wav = _core.encode_wav(memory(samples), "int16", channels, int(sample_rate))
    return _core.encode_audio(wav, float(sample_rate), channels, frames)


def text(value: str) -> bytes:
    """The fields of a text."""
    metadata = _core.encode_metadata("text", b"", "", "")
    return _core.encode_strings([value.encode("utf-8", "replace")], [1], None, metadata)


def pr_curve(labels: Any, predictions: Any, num_thresholds: int, weights: Any) -> bytes:
    """The fields of a precision-recall curve."""
    import numpy as np

    num_thresholds = min(num_thresholds, _MOST_THRESHOLDS)
    truth = numbers(labels, "labels").astype(np.float64).reshape(-1)
    guess = numbers(predictions, "predictions").reshape(-1)
    if truth.shape != guess.shape:
        raise InvalidEventError(
            f"`labels` and `predictions` must be as many, not {len(truth)} and {len(guess)}."
        )
    weight = np.broadcast_to(1.0 if weights is None else numbers(weights, "weights").reshape(-1), truth.shape)
    bucket = np.floor(guess * (num_thresholds - 1)).astype(np.int32)
    inside = (bucket >= 0) & (bucket < num_thresholds)

    def at_least(counted: Any) -> Any:
        return np.bincount(bucket[inside], counted[inside], num_thresholds)[::-1].cumsum()[::-1]

    tp, fp = at_least(truth * weight), at_least((1 - truth) * weight)
    tn, fn = fp[0] - fp, tp[0] - tp
    precision = tp / np.maximum(_SMALLEST_COUNT, tp + fp)
    recall = tp / np.maximum(_SMALLEST_COUNT, tp + fn)
    return pr_curve_raw((tp, fp, tn, fn, precision, recall), num_thresholds)


def pr_curve_raw(rows: Any, num_thresholds: int) -> bytes:
    """The fields of a precision-recall curve that was counted elsewhere."""
    import numpy as np

    table = np.stack([numbers(row, "precision").reshape(-1) for row in rows]).astype(np.float32)
    content = _core.encode_pr_curve_content(min(num_thresholds, _MOST_THRESHOLDS))
    metadata = _core.encode_metadata("pr_curves", content, "", "")
    return _core.encode_tensor(memory(table), "float32", list(table.shape), None, metadata)


def mesh(tag: str, arrays: dict[str, Any], config: Any, *, numbered: bool) -> Values:
    """The values of a mesh: one for each array. `numbered` names them as tensorboardX does."""
    import numpy as np

    given = {name: numbers(x, name).astype(np.float32) for name, x in arrays.items() if x is not None}
    settings = "{}" if config is None and not numbered else json.dumps(config, sort_keys=True)
    kinds = [] if numbered else [_MESH[name][0] for name in given]
    values: Values = []
    for name, array in given.items():
        if array.ndim != 3:  # noqa: PLR2004 - batch, number, coordinates
            raise InvalidEventError(f"`{name}` must be of shape (batch, number, 3), not {array.shape}.")
        kind, suffix = _MESH[name]
        shape = list(array.shape)
        content = _core.encode_mesh_content(tag, kind, kinds, shape, settings)
        metadata = _core.encode_metadata("mesh", content, "", "")
        fields = _core.encode_tensor(memory(array), "float32", shape, None, metadata)
        values.append((".", f"{tag}_{kind if numbered else suffix}", fields))
    return values


def custom_scalars(layout: Any) -> bytes:
    """The fields of a layout: category -> chart -> ["Multiline" or "Margin", tags]."""
    categories: list[tuple[str, bool, list[tuple[str, Any]]]] = []
    for title, charts in layout.items():
        drawn: list[tuple[str, Any]] = []
        for name, (kind, tags) in charts.items():
            if kind == "Margin" and len(tags) != 3:  # noqa: PLR2004 - value, lower, upper
                raise InvalidEventError(f"The chart {name!r} with a margin takes 3 tags, not {len(tags)}.")
            drawn.append((name, [tuple(tags)] if kind == "Margin" else list(tags)))
        categories.append((title, False, drawn))
    metadata = _core.encode_metadata("custom_scalars", b"", "", "")
    return _core.encode_strings([_core.encode_layout(categories)], [], None, metadata)


def sprite(label_img: Any) -> tuple[bytes, tuple[int, int]]:
    """Labels of an embedding as one square PNG, and the width and height of one of them."""
    import numpy as np

    images = bytes_of_pixels(numbers(label_img, "label_img"))
    number, _, height, width = images.shape
    sheet = grid(images, columns=int(np.ceil(number**0.5))).transpose(1, 2, 0)
    side = sheet.shape[1]
    square = np.zeros((side, side, 3), np.uint8)
    square[: sheet.shape[0]] = sheet
    return _core.encode_png(memory(square), side, side, 3), (width, height)
