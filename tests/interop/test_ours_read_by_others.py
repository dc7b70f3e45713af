"""Event files that we write are read by TensorBoard's loaders, Python and Rust, with equal content.

They see a value as float32, which is all that `simple_value` holds; ours reads the float64 that was logged.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tfruns_rs as tfr
from interop import python_loader
from interop.data_server import DataServer
from interop.points import Point, comparable, rounded

RUNS = (".", "train", "deep/er")
NUMBERS = [0.5, 0.1, 1 / 3, -0.0, 5e-324, 1e-45, 1e300, 3.4e38, math.inf, -math.inf, math.nan, 123456789.123]


def read(logdir) -> list[Point]:
    frame = tfr.collect_events(logdir, type="scalar")
    return [Point(*row) for row in frame.select("run", "tag", "step", "wall_time", "value").iter_rows()]


def everyone_agrees(logdir, points: list[Point]) -> None:
    """All readers find these points and nothing else, and the data server has nothing to complain of."""
    assert comparable(read(logdir)) == comparable(points)
    seen = comparable(rounded(points))
    assert comparable(python_loader.raw_scalars(logdir)) == seen
    assert comparable(python_loader.accumulated_scalars(logdir)) == seen
    assert comparable(python_loader.legacy_scalars(logdir)) == seen
    with DataServer(logdir) as server:
        assert comparable(server.scalars()) == seen
        assert not server.complaints


def test_scalars_of_a_writer(tmp_path):
    points = [
        Point(run, tag, step, 1_700_000_000.123456 + step / 7, value)
        for run in RUNS
        for tag in ("loss", "a/b c", "größe", "x" * 2000)
        for step, value in enumerate(NUMBERS)
    ]
    for run in RUNS:
        with tfr.EventWriter(tmp_path / run) as writer:
            for point in points:
                if point.run == run:
                    writer.add_scalar(point.tag, point.value, point.step, wall_time=point.wall_time)
    everyone_agrees(tmp_path, points)


def test_scalars_of_log_event(tmp_path):
    with tfr.with_logdir(tmp_path):
        for step in range(20):
            tfr.log_event(train={"loss": 1 / (1 + step), "acc": step}, valid={"deep": {"loss": 0.1}}, lr=0.3)
    points = read(tmp_path)
    assert {(p.run, p.tag) for p in points} == {
        ("train", "loss"),
        ("train", "acc"),
        ("valid/deep", "loss"),
        (".", "lr"),
    }
    assert len(points) == 80
    assert len({p.step for p in points}) == 20
    assert [p.value for p in points if p.tag == "loss" and p.run == "train"] == [
        1 / (1 + s) for s in range(20)
    ]
    everyone_agrees(tmp_path, points)


@pytest.mark.parametrize("step", [0, 1, 127, 128, 2**31, 2**63 - 1])
def test_steps_of_any_size(step, tmp_path):
    with tfr.EventWriter(tmp_path) as writer:
        writer.add_scalar("loss", 0.1, step, wall_time=2.5)
    everyone_agrees(tmp_path, [Point(".", "loss", step, 2.5, 0.1)])


@pytest.mark.parametrize(
    "number",
    [
        True,
        3,
        -(2**53),
        np.float32(0.1),
        np.float64(0.1),
        np.int8(-3),
        np.uint64(2**40),
        np.float16(0.1),
        np.array(0.25),
    ],
    ids=lambda x: f"{type(x).__name__} {x}",
)
def test_numbers_of_any_type(number, tmp_path):
    with tfr.EventWriter(tmp_path) as writer:
        writer.add_scalar("x", number, 1, wall_time=2.5)
    with tfr.with_logdir(tmp_path):
        tfr.log_event(logged={"x": number}, step=1)
    points = read(tmp_path)
    assert [p.value for p in points] == [float(number)] * 2
    everyone_agrees(tmp_path, points)


def test_the_file_opens_as_tensorboard_expects(tmp_path):
    with tfr.EventWriter(tmp_path) as writer:
        writer.add_scalar("x", 0.5, 1)
    (file,) = python_loader.event_files(tmp_path)
    first, second = python_loader.events(file)
    assert first.file_version == "brain.Event:2"
    assert first.source_metadata.writer == "tfruns_rs"
    assert second.summary.value[0].metadata.plugin_data.plugin_name == "scalars"


def test_names_and_descriptions_reach_the_dashboard(tmp_path):
    metadata = tfr.summary_metadata("scalars", display_name="The loss", description="*Lower* is better")
    with tfr.with_logdir(tmp_path):
        tfr.log_event(loss=tfr.summary_scalar(0.5, metadata=metadata), step=1)
    tfr.flush()
    (accumulator,) = python_loader.Accumulators(tmp_path).accumulators()
    shown = accumulator.SummaryMetadata("loss")
    assert (shown.display_name, shown.summary_description) == ("The loss", "*Lower* is better")
    with DataServer(tmp_path) as server:  # forgets both for `simple_value`, whoever wrote it
        assert server.scalar_metadata()[(".", "loss")].plugin_data.plugin_name == "scalars"


def test_text_reaches_the_dashboard(tmp_path):
    with tfr.with_logdir(tmp_path):
        tfr.log_event(note="größer than\n*before*", step=4)
    tfr.flush()
    with DataServer(tmp_path) as server:
        (shown,) = server.tensors("text")
        assert not server.complaints
    assert (shown.run, shown.tag, shown.step) == (".", "note", 4)
    assert [text.decode() for text in shown.value.reshape(-1)] == ["größer than\n*before*"]


@pytest.mark.filterwarnings("ignore:.*TensorBoard hides points:UserWarning")  # told of in the writer's tests
@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(
        st.tuples(st.text(min_size=1, max_size=8), st.floats(), st.integers(0, 2**40)), max_size=20
    )
)
def test_generated_scalars(tmp_path_factory, values):
    logdir = tmp_path_factory.mktemp("generated")
    points = [Point(".", tag, step, float(i), value) for i, (tag, value, step) in enumerate(values)]
    with tfr.EventWriter(logdir) as writer:
        for p in points:
            writer.add_scalar(p.tag, p.value, p.step, wall_time=p.wall_time)
    assert comparable(read(logdir)) == comparable(points)
    assert comparable(python_loader.raw_scalars(logdir)) == comparable(rounded(points))


def test_both_loaders_follow_a_growing_file(tmp_path):
    points: list[Point] = []
    with tfr.EventWriter(tmp_path, flush_secs=0.05) as writer:

        def log(count: int) -> None:
            for _ in range(count):
                point = Point(
                    ".", f"tag{len(points) % 3}", len(points), float(len(points)), 1 / (1 + len(points))
                )
                writer.add_scalar(point.tag, point.value, point.step, wall_time=point.wall_time)
                points.append(point)

        log(5)
        writer.flush()
        python = python_loader.Accumulators(tmp_path)
        with DataServer(tmp_path, reload=1) as server:
            assert comparable(python.reload()) == comparable(server.scalars()) == comparable(rounded(points))
            for count in (1, 100, 4000):
                log(count)
                writer.flush()
                assert comparable(python.reload()) == comparable(rounded(points))
                seen = server.wait_until(lambda seen: len(seen) >= len(points))
                assert comparable(seen) == comparable(rounded(points))
            assert not server.complaints
    assert comparable(read(tmp_path)) == comparable(points)


def test_histograms_tensors_images_and_audio_reach_the_dashboards(tmp_path):
    numbers = np.array([0.0, 1.0, 2.0, 4.0])
    image = np.linspace(0, 1, 2 * 5 * 4 * 3).reshape(2, 5, 4, 3)
    sound = np.linspace(-1, 1, 400).reshape(1, 200, 2)
    with tfr.with_logdir(tmp_path):
        tfr.log_event(
            h=tfr.summary_histogram(numbers, buckets=2),
            i=tfr.summary_image(image),
            a=tfr.summary_audio(sound, sample_rate=8000),
            step=3,
        )
    tfr.flush()
    with DataServer(tmp_path) as server:
        (histogram,) = server.tensors("histograms")
        assert histogram.value.tolist() == [[0, 2, 2], [2, 4, 2]]
        (images,) = server.blobs("images")
        assert images.value[:2] == [b"4", b"5"]
        assert [blob[:4] for blob in images.value[2:]] == [b"\x89PNG"] * 2
        (audio,) = server.blobs("audio")
        assert audio.value[0][:4] == b"RIFF"
        assert {point.step for point in (histogram, images, audio)} == {3}
        assert not server.complaints
