from datetime import UTC, datetime

import matplotlib.figure
import numpy as np
import PIL.Image
import pytest

import tfruns_rs as tfr
from tfevents.wire import parse
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._summary import Summary


def events_of(x):
    return [(event.run, event.summary.tag) for event in tfr.as_event(x, step=1, wall_time=2.5)]


def test_an_event():
    (event,) = tfr.as_event({"hello": 1}, 1, 1)
    assert (event.run, event.wall_time, event.step, event.summary.tag) == (".", 1.0, 1, "hello")
    assert event.file_version is None
    assert str(event) == "<./1>"


def test_mappings_are_runs():
    nested = {"a": {"b": {"c": {"d": 1}}}, "e": "text", "./f": {"g": 1}, ".": {"h": 1}}
    assert events_of(nested) == [("a/b/c", "d"), (".", "e"), ("f", "g"), (".", "h")]


def test_slashes():
    assert events_of({"train/loss": 1}) == [(".", "train/loss")]
    assert events_of({"x/y": {"z": 1}}) == [("x/y", "z")]


def test_all_leaves_share_step_and_time():
    events = tfr.as_event({"a": 1, "b": {"c": 2}}, -5, 2.5)
    assert {(event.step, event.wall_time) for event in events} == {(-5, 2.5)}


@pytest.mark.parametrize("leaf", [1, 0.5, True, np.float16(1), np.array([3]), np.int8(1)])
def test_numbers_are_scalars(leaf):
    (event,) = tfr.as_event({"a": leaf}, 0, 0)
    assert event.summary.plugin == "scalars"
    assert parse(event.summary).simple_value == float(np.asarray(leaf).item())


def test_pictures_are_images():
    picture, figure = PIL.Image.new("L", (4, 3)), matplotlib.figure.Figure()
    for leaf in (picture, figure):
        assert tfr.as_event({"a": leaf}, 0, 0)[0].summary == tfr.summary_image(leaf, tag="a")


def test_strings_are_text():
    assert tfr.as_event({"a": "b"}, 0, 0)[0].summary == tfr.summary_text("b", tag="a")


def test_summaries_stay_what_they_are():
    assert tfr.as_event(tfr.summary_scalar(1, tag="x"), 0, 0)[0].summary == tfr.summary_scalar(1, tag="x")
    assert events_of({"a": tfr.summary_scalar(1)}) == [(".", "a")]
    tagged, untagged = tfr.summary_scalar(1, tag="x"), tfr.summary_scalar(2)
    assert events_of({"train": [tagged, tagged, untagged]}) == [
        ("train", "x"),
        ("train", "x"),
        (".", "train"),
    ]


def test_a_summary_has_one_tag():
    with pytest.raises(InvalidEventError, match="Two tags were provided for the same summary"):
        tfr.as_event({"a": tfr.summary_scalar(1, tag="x")}, 0, 0)
    for untagged in (1, "text", tfr.summary_scalar(1), {"": 1}):
        with pytest.raises(InvalidEventError, match="All summaries must have a tag"):
            tfr.as_event(untagged, 0, 0)


@pytest.mark.parametrize(
    "leaf",
    [None, b"bytes", 1j, datetime.now(UTC), object(), {1, 2}, [1, 2], [], [None], ["a", "b"], {}, [{}]],
)
def test_what_can_not_be_logged(leaf):
    with pytest.raises(InvalidEventError, match="Can't log"):
        tfr.as_event({"run": {"a": leaf}}, 0, 0)


@pytest.mark.parametrize("run", ["..", "../escape", "a/../b", "/abs", "a//b", "", "a/./b", "nul\0"])
def test_runs_stay_below_the_logdir(run):
    with pytest.raises(InvalidEventError, match="can't be the name of a run"):
        tfr.as_event({run: {"a": 1}}, 0, 0)


def test_names_are_strings():
    with pytest.raises(InvalidEventError, match="Names must be strings, not int"):
        tfr.as_event({1: 2}, 0, 0)


@pytest.mark.parametrize("step", [1.5, "7", None, 2**63, -(2**63) - 1])
def test_wrong_steps(step):
    with pytest.raises(InvalidEventError, match="`step` must"):
        tfr.as_event({"a": 1}, step, 0)


@pytest.mark.parametrize("step", [-(2**63), 2**63 - 1, np.int32(7), 7.0])
def test_steps(step):
    assert tfr.as_event({"a": 1}, step, 0)[0].step == int(step)


@pytest.mark.parametrize("wall_time", [float("nan"), float("inf"), None, "now"])
def test_wrong_times(wall_time):
    with pytest.raises(InvalidEventError, match="`wall_time` must"):
        tfr.as_event({"a": 1}, 0, wall_time)


class Celsius:
    def __init__(self, degrees):
        self.degrees = degrees


class Measured(Celsius):
    def __tfevents_summary__(self):
        return tfr.summary_scalar(self.degrees)


class Both(Celsius):
    def __tfevents_summary__(self):
        return {"celsius": self.degrees, "kelvin": self.degrees + 273.15}


def test_a_class_can_say_how_it_is_logged():
    assert tfr.as_event({"t": Measured(20)}, 0, 0)[0].summary == tfr.summary_scalar(20, tag="t")
    assert events_of({"t": Both(20)}) == [("t", "celsius"), ("t", "kelvin")]


def test_a_class_can_be_registered():
    class Foreign:
        text = "hello"

    @tfr.as_event.register(Foreign)
    def _(x, step, wall_time, *, name=(".",)):
        return tfr.as_event(tfr.summary_text(x.text), step, wall_time, name=name)

    (event,) = tfr.as_event({"run": {"a": Foreign()}}, 3, 4)
    assert (event.run, event.step, event.summary) == ("run", 3, tfr.summary_text("hello", tag="a"))
    assert isinstance(event.summary, Summary)
