import io
import threading

import numpy as np
import PIL.Image
import pytest
from tensorboard.plugins.image import metadata as image_metadata

import tfruns_rs as tfr
from tfevents.wire import parse
from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError

RNG = np.random.default_rng(3)


def pixels(png):
    return np.asarray(PIL.Image.open(io.BytesIO(png)))


def strings(summary):
    value = parse(summary)
    assert value.metadata.plugin_data.plugin_name == image_metadata.PLUGIN_NAME
    assert [dim.size for dim in value.tensor.tensor_shape.dim] == [len(value.tensor.string_val)]
    return list(value.tensor.string_val)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(28, 28), (3, 300), (130, 5), (1, 1)])
def test_uint8_comes_back(channels, size):
    batch = RNG.integers(0, 256, (2, *size, channels), dtype=np.uint8)
    width, height, first, second = strings(tfr.summary_image(batch))
    assert (width, height) == (str(size[1]).encode(), str(size[0]).encode())
    for png, image in ((first, batch[0]), (second, batch[1])):
        np.testing.assert_array_equal(pixels(png).reshape(image.shape), image)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, bool])
def test_floats_are_rounded(dtype):
    batch = np.array([0, 1, 0.5, 0.25]).reshape(1, 2, 2, 1).astype(dtype)
    png = strings(tfr.summary_image(batch))[2]
    np.testing.assert_array_equal(pixels(png).reshape(-1), np.floor(batch.reshape(-1) * 255.0 + 0.5))


def test_floats_are_clipped_with_a_warning():
    batch = np.array([-1, 2, np.nan, 1], np.float32).reshape(1, 2, 2, 1)
    with pytest.warns(UserWarning, match="outside of 0 to 1") as caught:
        png = strings(tfr.summary_image(batch))[2]
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert pixels(png).reshape(-1).tolist() == [0, 255, 0, 255]


def test_max_outputs():
    batch = np.zeros((5, 2, 2, 3), np.uint8)
    assert len(strings(tfr.summary_image(batch))) == 2 + 5
    assert len(strings(tfr.summary_image(batch, max_outputs=3))) == 2 + 3
    assert len(strings(tfr.summary_image(batch, max_outputs=9))) == 2 + 5
    for wrong in (0, -1, 1.5):
        with pytest.raises(InvalidEventError, match="`max_outputs` must be"):
            tfr.summary_image(batch, max_outputs=wrong)


def a_png(mode="RGB", size=(7, 5)):
    file = io.BytesIO()
    PIL.Image.new(mode, size, 1).save(file, "png")
    return file.getvalue()


@pytest.mark.parametrize(
    ("mode", "colorspace"), [("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4), ("P", 3), ("1", 1)]
)
def test_png(mode, colorspace):
    png = a_png(mode)
    image = parse(tfr.summary_image(png)).image
    assert (image.width, image.height, image.colorspace) == (7, 5, colorspace)
    assert image.encoded_image_string == png


def test_bytes_of_given_size_are_not_looked_at():
    fields = tfr.summary_image(b"\x89\x50", width=3, height=2, colorspace=1).fields
    assert fields.hex() == "220a080210031801220289504a0a0a080a06696d61676573"


def test_several_png():
    first, second = a_png(), a_png("L")
    assert strings(tfr.summary_image([first, second])) == [b"7", b"5", first, second]
    assert strings(tfr.summary_image([first, second], max_outputs=1)) == [b"7", b"5", first]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "CMYK", "1", "LAB", "F"])
def test_pil(mode):
    image = parse(tfr.summary_image(PIL.Image.new(mode, (7, 5)))).image
    assert (image.width, image.height) == (7, 5)
    assert pixels(image.encoded_image_string).shape[:2] == (5, 7)


def test_figure():
    figure_module = pytest.importorskip("matplotlib.figure")
    figure = figure_module.Figure(figsize=(3, 2), dpi=100)
    figure.subplots().plot([1, 2, 1])
    image = parse(tfr.summary_image(figure)).image
    assert (image.width, image.height, image.colorspace) == (300, 200, 4)
    assert pixels(image.encoded_image_string).shape == (200, 300, 4)
    image = parse(tfr.summary_image(figure, width=480, height=480)).image
    assert (image.width, image.height) == (480, 480)
    assert figure.get_size_inches().tolist() == [3, 2]


@pytest.mark.parametrize("shape", [(28, 28), (2, 28, 28), (1, 2, 2, 2, 3), ()])
def test_wrong_rank(shape):
    with pytest.raises(
        InvalidEventError, match=r"Expected an array with dimensions `\(batch, height, width, channels\)`"
    ):
        tfr.summary_image(np.zeros(shape))


@pytest.mark.parametrize("channels", [0, 5])
def test_wrong_channels(channels):
    with pytest.raises(InvalidEventError, match=r"either 1 \(grayscale\), 2 \(GA\), 3 \(RGB\) or 4 \(RGBA\)"):
        tfr.summary_image(np.zeros((1, 2, 2, channels)))


@pytest.mark.parametrize("shape", [(0, 2, 2, 1), (1, 0, 2, 1), (1, 2, 0, 1)])
def test_empty(shape):
    with pytest.raises(InvalidEventError, match="must not be empty"):
        tfr.summary_image(np.zeros(shape))


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, complex, "U1", object])
def test_wrong_type(dtype):
    with pytest.raises(InvalidEventError, match="must be uint8, or floating"):
        tfr.summary_image(np.zeros((1, 2, 2, 1)).astype(dtype))


@pytest.mark.parametrize(
    "broken", [b"", b"PNG", a_png()[:-20], a_png()[:40], a_png().replace(b"IDAT", b"IDAX")]
)
def test_broken_png(broken):
    for image in (broken, [a_png(), broken]):
        with pytest.raises(InvalidEventError, match="not a whole PNG"):
            tfr.summary_image(image)


def test_wrong_arguments():
    with pytest.raises(InvalidEventError, match="The PNG is 7 wide and 5 high"):
        tfr.summary_image(a_png(), width=8)
    with pytest.raises(InvalidEventError, match="`colorspace` must be"):
        tfr.summary_image(b"jpeg", width=8, height=8, colorspace=7)
    with pytest.raises(InvalidEventError, match="are for encoded images"):
        tfr.summary_image(np.zeros((1, 2, 2, 1)), width=2)
    for images in ([], [a_png(), 1]):
        with pytest.raises(InvalidEventError, match="must hold PNGs"):
            tfr.summary_image(images)
    for images in ([1], [np.zeros((2, 2))]):
        with pytest.raises(InvalidEventError, match="Expected an array with dimensions"):
            tfr.summary_image(images)
    for other in ("a.png", None, object()):
        with pytest.raises(InvalidEventError, match="`img` must be an array, an encoded image"):
            tfr.summary_image(other)


def test_lists_of_anything_that_is_an_image():
    picture, png = PIL.Image.new("L", (4, 3), 51), a_png("L", (4, 3))
    assert strings(tfr.summary_image([picture, png]))[:2] == [b"4", b"3"]
    assert len(strings(tfr.summary_image((picture, picture, png), max_outputs=2))) == 2 + 2
    arrays = [np.zeros((3, 4, 1), np.uint8)] * 2
    assert tfr.summary_image(arrays) == tfr.summary_image(np.stack(arrays))
    assert tfr.summary_image(bytearray(png)) == tfr.summary_image(memoryview(png)) == tfr.summary_image(png)
    assert strings(tfr.summary_image([b"jpeg"], width=8, height=np.int64(9), colorspace=3)) == [
        b"8",
        b"9",
        b"jpeg",
    ]
    with pytest.raises(InvalidEventError, match="`img` is no PNG"):
        tfr.summary_image([png, b"jpeg"])


def test_a_warning_points_at_the_caller():
    for images in (np.full((1, 2, 2, 1), 2.0), [np.full((2, 2, 1), 2.0)]):
        with pytest.warns(UserWarning, match="are clipped") as caught:
            tfr.summary_image(images)
        assert caught[0].filename == __file__


def test_a_class_can_be_registered():
    class Board:
        pass

    @tfr.summary_image.register(Board)
    def _(_img, *, metadata=None, tag=None):
        return tfr.summary_image(np.ones((1, 2, 2, 3)), metadata=metadata, tag=tag)

    assert tfr.summary_image(Board(), tag="b") == tfr.summary_image(np.ones((1, 2, 2, 3)), tag="b")


def test_interpreter_runs_meanwhile():
    batch = np.random.default_rng(0).integers(0, 256, (8, 600, 600, 3), dtype=np.uint8)
    ticks = 0
    done = threading.Event()

    def tick():
        nonlocal ticks
        while not done.wait(0.001):
            ticks += 1

    thread = threading.Thread(target=tick)
    thread.start()
    _core.encode_images(memoryview(batch.reshape(-1)), "uint8", batch.shape, b"")
    done.set()
    thread.join()
    assert ticks > 3
