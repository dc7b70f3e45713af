"""Whole series at once: `EventWriter.add_scalar_series`."""

import math
import subprocess
import sys

import numpy as np
import pytest

import tfruns_rs as tfr
from interop.data_server import DataServer
from interop.points import as_float32
from interop.python_loader import event_files, events, raw_scalars
from tfruns_rs.errors import BufferFullError, InvalidEventError


def values(logdir):
    return [(point.tag, point.step, point.value) for point in raw_scalars(logdir)]


def test_series_from_arrays(tmp_path):
    rng = np.random.default_rng(0)
    numbers, times = rng.random(40_000), np.linspace(1.0, 2.0, 40_000)
    with tfr.EventWriter(tmp_path) as writer:
        writer.add_scalar_series("a", np.arange(40_000), numbers, times)
        writer.add_scalar_series("b", range(3), [1, 2, 3], run="r")
        writer.add_scalar_series("c", np.arange(3, dtype="int32"), np.ones(3, "float32"))
        writer.add_scalar_series("d", [], [])
        with pytest.raises(InvalidEventError, match="length"):
            writer.add_scalar_series("a", [1, 2], [1.0])
        with pytest.raises(InvalidEventError, match="wall_time"):
            writer.add_scalar_series("a", [1], [1.0], [math.nan])
        for bad in ([0.5], ["a"]):
            with pytest.raises(TypeError):
                writer.add_scalar_series("a", bad, [1.0])
    with DataServer(tmp_path) as server:
        found = {(point.run, point.tag): [] for point in server.scalars()}
        for point in server.scalars():
            found[point.run, point.tag].append(point)
    assert [point.step for point in found[".", "a"]] == list(range(40_000))
    assert [point.value for point in found[".", "a"]] == [as_float32(number) for number in numbers]
    assert [point.wall_time for point in found[".", "a"]] == list(times)
    assert [point.value for point in found["r", "b"]] == [1.0, 2.0, 3.0]
    assert len(found[".", "c"]) == 3


@pytest.mark.parametrize("metadata", ["always", "first"])
@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "uint8", "bool"])
def test_a_series_is_what_its_scalars_are(tmp_path, dtype, exact, metadata):
    rng = np.random.default_rng(0)
    numbers = (rng.random(300) * 100).astype(dtype)
    steps, times = np.cumsum(rng.integers(0, 1000, 300)), rng.random(300) * 2e9
    with tfr.EventWriter(
        tmp_path / "series", exact=exact, metadata=metadata, max_buffer_bytes=5000
    ) as writer:
        writer.add_scalar_series("t/ä", steps, numbers, times)
        writer.add_scalar_series("t/ä", steps[::-1][:1] + 1, numbers[::-1][:1], times[:1])
    with tfr.EventWriter(tmp_path / "scalars", exact=exact, metadata=metadata) as writer:
        for step, number, wall_time in zip(steps, numbers, times, strict=True):
            writer.add_scalar("t/ä", number, step, wall_time=wall_time)
        writer.add_scalar("t/ä", numbers[-1], steps[-1] + 1, wall_time=times[0])
    series, scalars = (list(events(*event_files(tmp_path / name)))[1:] for name in ("series", "scalars"))
    assert len(series) == 301
    assert series == scalars


def test_what_is_no_series_is_told(tmp_path):
    with tfr.EventWriter(tmp_path) as writer:
        with pytest.raises(InvalidEventError, match="dimension"):
            writer.add_scalar_series("a", np.arange(4), np.ones((2, 2)))
        with pytest.warns(UserWarning, match="step 3 comes after step 4"):
            writer.add_scalar_series("a", [0, 4, 3, 5], np.ones(4))
    assert [step for _, step, _ in values(tmp_path)] == [0, 4, 3, 5]


def test_a_series_that_does_not_fit_says_how_much_was_logged(tmp_path):
    options = {"max_buffer_bytes": 1000, "on_full": "raise", "flush_secs": 1000}
    with tfr.EventWriter(tmp_path, **options) as writer:
        writer.add_scalar("x", 0.1, 0)
        with pytest.raises(BufferFullError) as raised:
            writer.add_scalar_series("a", range(100), np.ones(100))
        assert raised.value.__notes__ == ["0 of 100 values were logged"]
        writer.flush()
        writer.add_scalar_series("a", range(100), np.ones(100))
    assert len(values(tmp_path)) == 101


def test_large_integers_of_a_series_are_rounded_with_one_warning(tmp_path):
    script = """
import sys, warnings
import numpy as np, tfruns_rs as tfr
with tfr.EventWriter(sys.argv[1]) as writer, warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    writer.add_scalar_series("a", [0], [1e300])
    writer.add_scalar_series("a", [1], np.array([2**53], "int64"))
    assert not told
    writer.add_scalar_series("a", [2, 3], np.array([2**53 + 1, 2**60 + 1], "int64"))
    writer.add_scalar("a", 2**53 + 1, 4)
    assert len(told) == 1, told
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert len(values(tmp_path)) == 5
