"""Sounds as summaries."""

from functools import singledispatch
from typing import Any

from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._array import as_numbers, as_whole, memory
from tfruns_rs.tfevents._metadata import SummaryMetadata, metadata_field
from tfruns_rs.tfevents._summary import Summary, check_tag

_RANK = 3
_MOST_CHANNELS = 2**16 - 1
_HIGHEST_RATE = 2**32 - 1
_WAV = b"\x10\x0b"  # AudioPluginData { encoding: WAV }


@singledispatch
def summary_audio(
    audio: Any,
    *,
    sample_rate: int | None = None,
    metadata: SummaryMetadata | None = None,
    tag: str | None = None,
) -> Summary:
    """Make a summary of a sound, or of a batch of them.

    Args:
        audio: One of

            - an array or tensor of shape (batch, samples, channels): floating from -1 to 1, stored as
              float32; or int16 or int32, stored as they are;
            - bytes: a WAV file;
            - a list of WAV files, as one batch.
        sample_rate: Samples a second, for arrays; 44100 by default. A WAV file knows its own.
        metadata: From `summary_metadata("audio", …)`.
        tag: The name to log it under, if it is not given a name in `log_event`.

    Raises:
        InvalidEventError: An array of another shape or type, with values outside of -1 to 1 or NaN, an
            empty batch, broken WAV bytes, or metadata of another plugin.

    Examples:
        >>> import numpy as np, tfruns_rs as tfr
        >>> tone = np.sin(np.arange(8_000) * 440 * 2 * np.pi / 8_000)
        >>> sound = tfr.summary_audio(tone.reshape(1, -1, 1), sample_rate=8_000, tag="tone")
    """
    import numpy as np

    array, dtype = as_numbers(audio, "audio")
    shape = tuple(int(dim) for dim in array.shape)
    if len(shape) != _RANK:
        raise InvalidEventError(
            "Expected an array with dimensions `(batch, samples, channels)` as `audio`. "
            f"Got an array with dimensions `({', '.join(map(str, shape))})`; None in an index adds an axis."
        )
    if 0 in shape or shape[2] > _MOST_CHANNELS:
        raise InvalidEventError(
            f"`audio` must have samples and channels; got an array with dimensions `{shape}`."
        )
    rate = 44100 if sample_rate is None else as_whole("sample_rate", sample_rate, 1, _HIGHEST_RATE)
    if array.dtype.kind == "f":
        if not (np.abs(array) <= 1).all():
            raise InvalidEventError(
                "When inputs is numeric, amplitudes should be in the range [-1,1]; `audio` has others."
            )
        array, dtype = array.astype(np.float32, copy=False), "float32"
    elif dtype not in ("int16", "int32"):
        raise InvalidEventError(f"`audio` must be floating, int16 or int32, not {dtype}.")
    clips = [_core.encode_wav(memory(clip), dtype, shape[2], rate) for clip in array]
    return _summary(clips, metadata, tag)


@summary_audio.register(bytes)
@summary_audio.register(bytearray)
@summary_audio.register(memoryview)
def _(
    audio: bytes,
    *,
    sample_rate: int | None = None,
    metadata: SummaryMetadata | None = None,
    tag: str | None = None,
) -> Summary:
    return summary_audio([audio], sample_rate=sample_rate, metadata=metadata, tag=tag)


@summary_audio.register(list)
@summary_audio.register(tuple)
def _(
    audio: list[Any],
    *,
    sample_rate: int | None = None,
    metadata: SummaryMetadata | None = None,
    tag: str | None = None,
) -> Summary:
    if not audio or not all(isinstance(clip, bytes | bytearray | memoryview) for clip in audio):
        raise InvalidEventError(
            "A list of sounds, as `audio`, must hold WAV files, as bytes, and at least one; or pass an array."
        )
    if sample_rate is not None:
        raise InvalidEventError("`sample_rate` is for arrays; a WAV file knows its own.")
    clips = [bytes(clip) for clip in audio]
    for clip in clips:
        try:
            _core.decode_wav(clip)
        except InvalidEventError as error:
            raise InvalidEventError(f"`audio` must be an array, or WAV files as bytes: {error}.") from None
    return _summary(clips, metadata, tag)


def _summary(clips: list[bytes], metadata: SummaryMetadata | None, tag: str | None) -> Summary:
    field = metadata_field(metadata, "audio", _WAV)
    return Summary(check_tag(tag), "audio", _core.encode_strings(clips, [len(clips)], None, field))
