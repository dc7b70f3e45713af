import warnings

import ml_dtypes
import numpy as np
import pytest
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorboard.util import tensor_util

import tfruns_rs as tfr
from tfevents.wire import parse
from tfruns_rs.errors import InvalidEventError

RNG = np.random.default_rng(7)


def table(summary):
    value = parse(summary)
    assert value.metadata.plugin_data.plugin_name == "histograms"
    return tensor_util.make_ndarray(value.tensor)


def of_tensorboard(data, buckets=30):
    return tensor_util.make_ndarray(histogram_pb("h", data, buckets).value[0].tensor)


@pytest.mark.parametrize("buckets", [1, 2, 30, 1000])
@pytest.mark.parametrize(
    "data",
    [
        RNG.standard_normal(20_000),
        RNG.standard_normal(20_000).astype(np.float32),
        RNG.standard_normal(20_000).astype(np.float16),
        RNG.integers(-5, 5, 1000),
        RNG.integers(0, 255, 1000, dtype=np.uint8),
        RNG.integers(-(2**62), 2**62, 1000),
        RNG.random((10, 10, 100)) < 0.5,
        np.arange(31) * 0.1,
        np.maximum(RNG.standard_normal(1000), 0),
        np.zeros(5),
        [1, 2, 3.5],
        np.zeros(0),
        3,
    ],
)
def test_equals_tensorboard(data, buckets):
    np.testing.assert_array_equal(
        table(tfr.summary_histogram(data, buckets=buckets)), of_tensorboard(data, buckets)
    )


def test_layouts_do_not_matter():
    data = RNG.standard_normal((40, 50, 6)).astype(np.float32)
    expected = tfr.summary_histogram(data)
    for other in (
        np.asfortranarray(data),
        data[::-1],
        data.astype(">f4"),
        data.reshape(-1),
        data.transpose(2, 0, 1),
    ):
        assert tfr.summary_histogram(other) == expected
    assert table(tfr.summary_histogram(data[::2, ::3]))[:, 2].sum() == data[::2, ::3].size


def test_maximum_is_counted():
    """The counts add up to the number of values, unlike those of R's tfevents."""
    assert table(tfr.summary_histogram([0, 1, 2, 3, 4, 4, 4], buckets=4))[:, 2].tolist() == [1, 1, 1, 4]
    assert table(tfr.summary_histogram(np.arange(10), buckets=1))[:, 2].tolist() == [10]


def test_no_buckets():
    assert table(tfr.summary_histogram([1, 2], buckets=0)).shape == (0, 3)


def test_non_finite_values_are_counted_apart():
    data = np.array([0, 1, np.nan, np.inf, np.inf, -np.inf, 2])
    with pytest.warns(UserWarning, match="1 NaN and 3 infinite values are in no bucket"):
        summary = tfr.summary_histogram(data, buckets=2)
    assert table(summary).tolist() == [[0, 1, 1], [1, 2, 2]]
    with pytest.warns(UserWarning, match="2 NaN"):
        assert table(tfr.summary_histogram([np.nan, np.nan], buckets=2)).tolist() == [[0, 0, 0]] * 2


def test_ends_of_the_range():
    for data in ([5e-324, 0, 1e-323], [-1e308, 0, 1.7e308], np.float32([1e-45, 3e-45, 1e-44])):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            rows = table(tfr.summary_histogram(data))
        assert rows[:, 2].sum() == 3
        assert (rows[0, 0], rows[-1, 1]) == (np.min(data), np.max(data))
        assert np.isfinite(rows).all()


@pytest.mark.parametrize("buckets", [-1, 2.5, "30", None, 2**40])
def test_wrong_buckets(buckets):
    with pytest.raises(InvalidEventError, match="`buckets` must be a whole number from 0"):
        tfr.summary_histogram([1, 2], buckets=buckets)


@pytest.mark.parametrize(
    "data", ["text", ["a"], np.ones(3, complex), None, [[1], [2, 3]], np.array(["2026"], "M8[s]")]
)
def test_wrong_data(data):
    with pytest.raises(InvalidEventError, match="`data`"):
        tfr.summary_histogram(data)


def test_masked_values_are_not_counted_unasked():
    data = np.ma.masked_array([1.0, 2.0, 3.0], mask=[0, 0, 1])
    with pytest.raises(InvalidEventError, match="`data` is a masked array"):
        tfr.summary_histogram(data)
    assert table(tfr.summary_histogram(data.compressed()))[:, 2].sum() == 2


def test_buckets_of_numpy():
    assert tfr.summary_histogram([1, 2], buckets=np.int64(3)) == tfr.summary_histogram([1, 2], buckets=3)


def test_wrong_plugin():
    with pytest.raises(InvalidEventError, match="Plugin name should be 'histograms'"):
        tfr.summary_histogram([1], metadata=tfr.summary_metadata("scalars"))


class OnlyDlpack:
    """An array of a library that numpy does not know."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **arguments):
        return self.array.__dlpack__(**arguments)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Tensor:
    """A tensor that must be detached before numpy may see it, as torch's."""

    def __init__(self, array, *, attached=True):
        self.array, self.attached, self.dtype = array, attached, f"torch.{array.dtype}"

    def detach(self):
        return Tensor(self.array, attached=False)

    def cpu(self):
        return self

    def __array__(self, dtype=None, copy=None):
        if self.attached:
            raise RuntimeError("can't call numpy() on Tensor that requires grad")
        return self.array


@pytest.mark.parametrize("foreign", [OnlyDlpack, Tensor])
def test_arrays_of_other_libraries(foreign):
    data = RNG.standard_normal(1000).astype(np.float32)
    assert tfr.summary_histogram(foreign(data)) == tfr.summary_histogram(data)


def test_bfloat16():
    """A type that numpy lacks: JAX and torch have it."""
    data = RNG.standard_normal(1000).astype(ml_dtypes.bfloat16)
    single = data.astype(np.float32)
    assert tfr.summary_histogram(data) == tfr.summary_histogram(data.astype(np.float32))
    read = tfr.value(tfr.summary_tensor(data))
    np.testing.assert_array_equal(read, data.astype(np.float32))
    assert tfr.value(tfr.summary_tensor(data, dtype="double")).tolist() == single.tolist()
    sound = np.clip(data, -1, 1).reshape(1, 500, 2)
    assert tfr.summary_audio(sound) == tfr.summary_audio(sound.astype(np.float32))
    points = data[:999].reshape(1, 333, 3)
    assert tfr.summary_mesh("m", points) == tfr.summary_mesh("m", points.astype(np.float32))
    guesses = np.abs(sound).reshape(-1)
    labels = guesses > 0.5
    assert tfr.summary_pr_curve(labels, guesses) == tfr.summary_pr_curve(labels, guesses.astype(np.float32))


def test_views_that_leave_elements_out():
    """Of every second element, row or channel: no copy was made before us."""
    wide = RNG.random((2, 5, 4, 6)).astype(np.float32)
    for view in (wide[..., ::2], wide[..., 3:], wide[:, ::2], wide[..., ::-1], np.moveaxis(wide, 1, 2)):
        channels = view[..., :3]
        assert tfr.summary_image(channels) == tfr.summary_image(channels.copy())
        np.testing.assert_array_equal(tfr.value(tfr.summary_tensor(view)), view)
        assert tfr.summary_histogram(view) == tfr.summary_histogram(view.copy())
    line = RNG.random(10)[::2]
    np.testing.assert_array_equal(tfr.value(tfr.summary_tensor(line)), line)
    assert tfr.summary_audio(line[None, :, None]) == tfr.summary_audio(line.copy()[None, :, None])
