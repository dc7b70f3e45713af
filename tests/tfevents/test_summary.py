import pickle

import numpy as np
import pytest

import tfruns_rs as tfr
from tfevents.wire import parse
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._metadata import SummaryMetadata
from tfruns_rs.tfevents._summary import Summary


def test_scalar_is_written_as_r_writes_it():
    assert tfr.summary_scalar(0.5).fields.hex() == "150000003f4a0b0a090a077363616c617273"


@pytest.mark.parametrize(
    "number", [2, True, np.float32(2), np.int64(2), np.array(2.0), np.array([[2]]), np.True_]
)
def test_scalar_of_any_number(number):
    assert parse(tfr.summary_scalar(number)).simple_value == float(np.asarray(number).item())


def test_scalar_keeps_the_float64():
    assert tfr.summary_scalar(0.1).fields != tfr.summary_scalar(float(np.float32(0.1))).fields
    assert tfr.summary_scalar(0.1, exact=False).fields == tfr.summary_scalar(float(np.float32(0.1))).fields
    value = parse(tfr.summary_scalar(0.1))
    assert value.simple_value == np.float32(0.1)
    assert value.metadata.plugin_data.plugin_name == "scalars"


def test_nan_scalar_is_a_value():
    value = parse(tfr.summary_scalar(float("nan")))
    assert value.WhichOneof("value") == "simple_value"
    assert np.isnan(value.simple_value)


@pytest.mark.parametrize("infinite", [float("inf"), -float("inf"), 1e300])
def test_scalar_beyond_float32_is_infinite_there(infinite):
    assert abs(parse(tfr.summary_scalar(infinite)).simple_value) == np.inf


def test_large_integer_is_rounded_with_a_warning():
    with pytest.warns(UserWarning, match=r"2\*\*53"):
        tfr.summary_scalar(2**53 + 1)
    tfr.summary_scalar(2**60)  # exact


@pytest.mark.parametrize("size", [[], [1, 2], (1.0, 2.0), np.zeros(3), np.zeros(0)])
def test_scalar_of_many_numbers_is_refused(size):
    with pytest.raises(
        InvalidEventError, match=r"Can't log a numeric vector with length != 1.*Expected a single value"
    ):
        tfr.summary_scalar(size)


@pytest.mark.parametrize(
    "other", [None, "1", b"1", 1j, np.complex64(1), np.datetime64("2026-01-01"), {}, object]
)
def test_scalar_of_no_number_is_refused(other):
    with pytest.raises(InvalidEventError, match=r"Can't log .* as a scalar"):
        tfr.summary_scalar(other)


def test_integer_beyond_float64_is_refused():
    with pytest.raises(InvalidEventError, match="beyond the range"):
        tfr.summary_scalar(10**400)


def test_text():
    value = parse(tfr.summary_text("hi"))
    assert tfr.summary_text("hi").fields.hex() == "420c0807120412020801420268694a080a060a0474657874"
    assert list(value.tensor.string_val) == [b"hi"]
    assert list(parse(tfr.summary_text("")).tensor.string_val) == [b""]
    assert list(parse(tfr.summary_text("größe\ud800")).tensor.string_val) == ["größe?".encode()]


def test_text_table():
    value = parse(tfr.summary_text(np.array([["a", "b"], ["c", "d"], ["e", "f"]])))
    assert [dim.size for dim in value.tensor.tensor_shape.dim] == [3, 2]
    assert list(value.tensor.string_val) == [b"a", b"b", b"c", b"d", b"e", b"f"]
    objects = parse(tfr.summary_text(np.array(["a", "b"], dtype=object)))
    assert [dim.size for dim in objects.tensor.tensor_shape.dim] == [2]


@pytest.mark.parametrize("text", [["a", "b"], [], np.array([], dtype=str)])
def test_many_strings_are_refused(text):
    with pytest.raises(InvalidEventError, match="Can't log a character vector with length != 1"):
        tfr.summary_text(text)


@pytest.mark.parametrize("text", [1, b"a", None, np.zeros(3), np.array(["a", 1], dtype=object)])
def test_text_of_no_string_is_refused(text):
    with pytest.raises(InvalidEventError, match="expected a string"):
        tfr.summary_text(text)


def test_text_of_high_rank_is_refused():
    with pytest.raises(InvalidEventError, match="rank 3"):
        tfr.summary_text(np.full((1, 1, 1), "a"))


def test_metadata():
    metadata = tfr.summary_metadata("scalars", "DD", description="EE")
    value = parse(tfr.summary_scalar(2, metadata=metadata)).metadata
    assert (value.display_name, value.summary_description) == ("DD", "EE")
    assert tfr.summary_metadata("scalars", "").encode() == tfr.summary_metadata("scalars").encode()


def test_metadata_of_an_unknown_plugin_names_its_class():
    known = parse(Summary(None, "text", tfr.summary_metadata("text").encode())).metadata
    unknown = parse(
        Summary(None, "mine", tfr.summary_metadata("mine", plugin_content=b"12").encode())
    ).metadata
    assert (known.data_class, unknown.data_class) == (0, 2)
    assert unknown.plugin_data.content == b"12"


@pytest.mark.parametrize(
    "arguments",
    [
        {"plugin_name": ""},
        {"plugin_name": 1},
        {"display_name": 1},
        {"description": 1},
        {"plugin_content": "text"},
    ],
)
def test_wrong_metadata_is_refused(arguments):
    with pytest.raises(InvalidEventError, match=f"`{next(iter(arguments))}` must be"):
        tfr.summary_metadata(**{"plugin_name": "text", **arguments})


def test_metadata_of_another_plugin_is_refused():
    with pytest.raises(InvalidEventError, match="Plugin name should be 'text'"):
        tfr.summary_text("a", metadata=tfr.summary_metadata("text2"))
    with pytest.raises(InvalidEventError, match=r"summary_metadata\(\)"):
        tfr.summary_text("a", metadata="text")


def test_tag():
    assert tfr.summary_scalar(1, tag="a").tag == "a"
    assert tfr.summary_scalar(1, tag="").tag is None
    with pytest.raises(InvalidEventError, match="`tag` must be"):
        tfr.summary_scalar(1, tag=1)


def test_summaries_are_frozen_values():
    a, b = tfr.summary_scalar(1, tag="a"), tfr.summary_scalar(1, tag="a")
    assert a == b
    assert hash(a) == hash(b)
    assert a != tfr.summary_scalar(2, tag="a")
    assert pickle.loads(pickle.dumps(a)) == a  # noqa: S301 - our own bytes
    assert repr(a).startswith("Summary(tag='a', plugin='scalars', fields=")
    assert str(a) == "<a>"
    with pytest.raises(AttributeError, match="frozen"):
        a.tag = "b"
    with pytest.raises(AttributeError, match="frozen"):
        del a.tag
    assert SummaryMetadata("text") == tfr.summary_metadata("text")
