import io
import wave

import numpy as np
import pytest

import tfruns_rs as tfr
from tfevents.wire import parse
from tfruns_rs.errors import InvalidEventError

RNG = np.random.default_rng(5)


def clips(summary):
    value = parse(summary)
    assert value.metadata.plugin_data.plugin_name == "audio"
    assert value.metadata.plugin_data.content == b"\x10\x0b"
    assert [dim.size for dim in value.tensor.tensor_shape.dim] == [len(value.tensor.string_val)]
    return list(value.tensor.string_val)


def test_floats():
    sound = RNG.uniform(-1, 1, (2, 1000, 2))
    first, second = clips(tfr.summary_audio(sound, sample_rate=8000))
    assert first[:4] == b"RIFF"
    assert first[20:22] == b"\x03\x00"  # floating
    np.testing.assert_array_equal(
        np.frombuffer(first[44:], "<f4").reshape(1000, 2), sound[0].astype(np.float32)
    )
    np.testing.assert_array_equal(
        np.frombuffer(second[44:], "<f4").reshape(1000, 2), sound[1].astype(np.float32)
    )


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_whole_samples(dtype):
    limits = np.iinfo(dtype)
    sound = RNG.integers(limits.min, limits.max, (1, 500, 3), dtype=dtype)
    with wave.open(io.BytesIO(clips(tfr.summary_audio(sound, sample_rate=11025))[0])) as file:
        assert file.getparams()[:4] == (3, sound.itemsize, 11025, 500)
        np.testing.assert_array_equal(np.frombuffer(file.readframes(500), dtype).reshape(500, 3), sound[0])


def a_wav():
    file = io.BytesIO()
    with wave.open(file, "wb") as clip:
        clip.setparams((1, 2, 8000, 0, "NONE", ""))
        clip.writeframes(bytes(100))
    return file.getvalue()


def test_wav():
    assert clips(tfr.summary_audio(a_wav())) == [a_wav()]
    assert clips(tfr.summary_audio([a_wav(), a_wav()])) == [a_wav()] * 2


def test_as_r_writes_it():
    sound = np.array([[[0, -0.5], [0.5, 1]]])
    fields = tfr.summary_audio(sound, sample_rate=8000).fields.hex()
    assert fields == (
        "42460807120412020801423c524946463400000057415645666d74201000000003000200401f000000fa0000080020006461746110"
        "00000000000000000000bf0000003f0000803f4a0d0a0b0a05617564696f1202100b"
    )


def test_metadata_keeps_the_encoding():
    metadata = tfr.summary_metadata("audio", "Noise")
    assert clips(tfr.summary_audio(a_wav(), metadata=metadata)) == [a_wav()]


@pytest.mark.parametrize("value", [1.5, -1.0001, np.nan, np.inf])
def test_out_of_range(value):
    with pytest.raises(InvalidEventError, match=r"amplitudes should be in the range \[-1,1\]"):
        tfr.summary_audio(np.full((1, 3, 1), value))


@pytest.mark.parametrize("shape", [(10,), (2, 10), (1, 1, 10, 1)])
def test_wrong_rank(shape):
    with pytest.raises(InvalidEventError, match=r"dimensions `\(batch, samples, channels\)`"):
        tfr.summary_audio(np.zeros(shape))


@pytest.mark.parametrize("shape", [(0, 10, 1), (1, 0, 1), (1, 10, 0), (1, 1, 2**16)])
def test_empty(shape):
    with pytest.raises(InvalidEventError, match="must have samples and channels"):
        tfr.summary_audio(np.zeros(shape))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool])
def test_wrong_type(dtype):
    with pytest.raises(InvalidEventError, match="must be floating, int16 or int32"):
        tfr.summary_audio(np.zeros((1, 2, 1), dtype))


@pytest.mark.parametrize("rate", [0, -1, 44100.5, 2**32])
def test_wrong_rate(rate):
    with pytest.raises(InvalidEventError, match="`sample_rate` must be"):
        tfr.summary_audio(np.zeros((1, 2, 1)), sample_rate=rate)


@pytest.mark.parametrize(
    "broken", [b"", b"\1\2\3\4", a_wav()[:30], a_wav()[:36], a_wav().replace(b"WAVE", b"WAVX")]
)
def test_broken_wav(broken):
    for audio in (broken, [a_wav(), broken]):
        with pytest.raises(InvalidEventError, match="WAV"):
            tfr.summary_audio(audio)


def test_bytes_of_any_class_and_rates_of_any_library():
    wav = a_wav()
    for audio in (bytearray(wav), memoryview(wav), (wav,)):
        assert tfr.summary_audio(audio) == tfr.summary_audio(wav)
    sound = np.zeros((1, 4, 1))
    for rate in (np.int64(8000), 8000.0):
        assert tfr.summary_audio(sound, sample_rate=rate) == tfr.summary_audio(sound, sample_rate=8000)
    with pytest.raises(InvalidEventError, match="`sample_rate` is for arrays"):
        tfr.summary_audio(wav, sample_rate=8000)


def test_wrong_arguments():
    for audio in ([], [1]):
        with pytest.raises(InvalidEventError, match="must hold WAV files"):
            tfr.summary_audio(audio)
    with pytest.raises(InvalidEventError, match="Plugin name should be 'audio'"):
        tfr.summary_audio(a_wav(), metadata=tfr.summary_metadata("images"))
    with pytest.raises(InvalidEventError, match="`audio` must hold real numbers"):
        tfr.summary_audio(np.full((1, 2, 1), "a"))
