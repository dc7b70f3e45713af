"""Sounds as summaries."""

from functools import singledispatch
from typing import Any

from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._array import as_numbers, memory
from tfruns_rs.tfevents._metadata import SummaryMetadata, metadata_field
from tfruns_rs.tfevents._summary import Summary, check_tag

_RANK = 3
_MOST_CHANNELS = 2**16 - 1
_HIGHEST_RATE = 2**32 - 1
_WAV = b"\x10\x0b"  # AudioPluginData { encoding: WAV }


@singledispatch
def summary_audio(
    audio: Any, *, sample_rate: int = 44100, metadata: SummaryMetadata | None = None, tag: str | None = None
) -> Summary:
    """Make a summary of a sound, or of a batch of them.

    Args:
        audio: One of

            - an array or tensor of shape (batch, samples, channels): floating from -1 to 1, stored as
            float32; or int16 or
              int32, stored as they are;
            - bytes: a WAV file;
            - a list of WAV files, as one batch.
        sample_rate: Samples a second, for arrays. A WAV file knows its own.
        metadata: From `summary_metadata("audio", …)`.
        tag: The name to log it under, if it is not given a name in `log_event`.

    Raises:
        InvalidEventError: An array of another shape or type, with values outside of -1 to 1 or NaN, an
            empty batch, broken WAV bytes, or metadata of another plugin.
    """
    import numpy as np

    array, dtype = as_numbers(audio, "audio")
    shape = tuple(int(dim) for dim in array.shape)
    if len(shape) != _RANK:
        raise InvalidEventError(
            "Expected an array with dimensions `(batch, samples, channels)`. "
            f"Got an array with dimensions `({', '.join(map(str, shape))})`."
        )
    if 0 in shape or shape[2] > _MOST_CHANNELS:
        raise InvalidEventError(
            f"A sound must have samples and channels; got an array with dimensions `{shape}`."
        )
    if not isinstance(sample_rate, int) or not 0 < sample_rate <= _HIGHEST_RATE:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidEventError(f"`sample_rate` must be a positive whole number, not {sample_rate!r}.")
    if array.dtype.kind == "f":
        if not (np.abs(array) <= 1).all():
            raise InvalidEventError("When inputs is numeric, amplitudes should be in the range [-1,1].")
        array, dtype = array.astype(np.float32, copy=False), "float32"
    elif dtype not in ("int16", "int32"):
        raise InvalidEventError(f"A sound must be floating, int16 or int32, not {dtype}.")
    clips = [_core.encode_wav(memory(clip), dtype, shape[2], sample_rate) for clip in array]
    return _summary(clips, metadata, tag)


@summary_audio.register(bytes)
def _(audio: bytes, *, metadata: SummaryMetadata | None = None, tag: str | None = None) -> Summary:
    return summary_audio([audio], metadata=metadata, tag=tag)


@summary_audio.register(list)
def _(audio: list[Any], *, metadata: SummaryMetadata | None = None, tag: str | None = None) -> Summary:
    if not audio or not all(isinstance(clip, bytes) for clip in audio):
        raise InvalidEventError(
            "A list of sounds must hold WAV files, as bytes, and at least one; or pass an array."
        )
    for clip in audio:
        _core.decode_wav(clip)
    return _summary(audio, metadata, tag)


def _summary(clips: list[bytes], metadata: SummaryMetadata | None, tag: str | None) -> Summary:
    field = metadata_field(metadata, "audio", _WAV)
    return Summary(check_tag(tag), "audio", _core.encode_strings(clips, [len(clips)], None, field))
