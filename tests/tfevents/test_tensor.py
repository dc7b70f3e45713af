import numpy as np
import pytest
from tensorboard.util import tensor_util

import tfruns_rs as tfr
from tfevents.wire import parse
from tfruns_rs.errors import InvalidEventError

FLOATS = ["float16", "float32", "float64", "complex64", "complex128"]
WHOLE = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"]


@pytest.mark.parametrize("dtype", FLOATS + WHOLE)
@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 3), (2, 0, 3), (2, 1, 2, 2)])
def test_numbers(dtype, shape):
    array = (np.arange(np.prod(shape, dtype=int)) * 3 + 1).reshape(shape).astype(dtype)
    value = parse(tfr.summary_tensor(array))
    if array.size == 0 and dtype in ("uint32", "uint64"):  # which TensorBoard's reader knows as bytes only
        assert (value.tensor.dtype, value.tensor.tensor_content) == ({"uint32": 22, "uint64": 23}[dtype], b"")
        return
    read = tensor_util.make_ndarray(value.tensor)
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)
    assert (value.metadata.plugin_data.plugin_name, value.metadata.data_class) == ("tensor", 2)


def test_order_in_memory():
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    expected = tfr.summary_tensor(array)
    assert tfr.summary_tensor(np.asfortranarray(array)) == expected
    assert tfr.summary_tensor(array.astype(">f4")) == expected
    np.testing.assert_array_equal(
        tensor_util.make_ndarray(parse(tfr.summary_tensor(array.T)).tensor), array.T
    )


@pytest.mark.parametrize(
    ("name", "dtype"), [("float", np.float32), ("double", np.float64), ("int8", np.int8)]
)
def test_conversion(name, dtype):
    assert tensor_util.make_ndarray(parse(tfr.summary_tensor([[1, 2]], dtype=name)).tensor).dtype == dtype


def test_types_of_numpy():
    for dtype in (np.float32, np.dtype("f4"), "float32"):
        assert tfr.summary_tensor([1, 2], dtype=dtype) == tfr.summary_tensor([1, 2], dtype="float")
    with pytest.raises(InvalidEventError, match="none of numpy's"):
        tfr.summary_tensor([1, 2], dtype=object())


@pytest.mark.parametrize("x", [["a", "b"], [b"a", b"b"], np.array(["a", "b"], object), np.array(["a", "b"])])
def test_strings(x):
    tensor = parse(tfr.summary_tensor(x)).tensor
    assert (list(tensor.string_val), [dim.size for dim in tensor.tensor_shape.dim]) == ([b"a", b"b"], [2])
    assert tfr.summary_tensor(x, dtype="string") == tfr.summary_tensor(x)


def test_string_of_rank_0():
    tensor = parse(tfr.summary_tensor("größe")).tensor
    assert (list(tensor.string_val), len(tensor.tensor_shape.dim)) == (["größe".encode()], 0)


def test_dim_names():
    tensor = parse(tfr.summary_tensor(np.zeros((1, 2)), dim_names=["row", ""])).tensor
    assert [(dim.size, dim.name) for dim in tensor.tensor_shape.dim] == [(1, "row"), (2, "")]
    for names in (["row"], [1, 2]):
        with pytest.raises(InvalidEventError, match="`dim_names` must be 2 strings"):
            tfr.summary_tensor(np.zeros((1, 2)), dim_names=names)


def test_any_plugin():
    value = parse(tfr.summary_tensor(0.5, metadata=tfr.summary_metadata("scalars")))
    assert tensor_util.make_ndarray(value.tensor) == 0.5
    assert value.metadata.data_class == 0


@pytest.mark.parametrize(
    ("x", "dtype"),
    [([1], "qint8"), ([None], None), (["a", 1.5, None], None), (["a"], "float"), ([1.5], "string")],
)
def test_unsupported(x, dtype):
    with pytest.raises(InvalidEventError, match="Unsupported data type"):
        tfr.summary_tensor(np.array(x, object) if None in x else x, dtype=dtype)


def test_ragged():
    with pytest.raises(InvalidEventError, match="`x` is no array"):
        tfr.summary_tensor([[1], [2, 3]])
