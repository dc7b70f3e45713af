"""Torch's own tensors as values of every kind, and the files that its own writer makes.

Runs where torch is installed: `make test-frameworks`.
"""

import warnings

import numpy as np
import pytest

import tfruns_rs as tfr

torch = pytest.importorskip("torch")
SEED = torch.Generator().manual_seed(0)
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def noise(*shape, dtype=torch.float32):
    return torch.rand(shape, generator=SEED).to(dtype)


def forms(tensor):
    """The same elements: needing a gradient, in another order in memory, as a view, as a parameter."""
    yield tensor
    if tensor.is_floating_point():
        yield tensor.detach().clone().requires_grad_()
        yield torch.nn.Parameter(tensor.detach().clone())
        yield tensor.detach().clone().requires_grad_() * 1  # has a history
    if tensor.ndim > 1:
        turned = tensor.transpose(0, -1).contiguous().transpose(0, -1)
        assert turned.shape == tensor.shape
        yield turned
    wide = torch.stack([tensor, tensor], dim=-1)
    yield wide[..., 0]  # every second element
    yield torch.empty_like(tensor).copy_(tensor).as_subclass(torch.Tensor)


def exact(tensor):
    """The elements as numpy has them; bfloat16 as float32."""
    plain = tensor.detach()
    return (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()


@pytest.mark.parametrize("dtype", FLOATS)
def test_images(dtype):
    images = noise(2, 5, 4, 3, dtype=dtype)
    expected = tfr.summary_image(exact(images))
    for form in forms(images):
        assert tfr.summary_image(form) == expected
    whole = (images.float() * 255).to(torch.uint8)
    for form in forms(whole):
        assert tfr.summary_image(form) == tfr.summary_image(whole.numpy())
    with pytest.raises(ValueError, match="must be uint8"):
        tfr.summary_image(whole.to(torch.int64))


@pytest.mark.parametrize("dtype", FLOATS)
def test_audio(dtype):
    sound = noise(2, 50, 2, dtype=dtype) * 2 - 1
    for form in forms(sound):
        assert tfr.summary_audio(form, sample_rate=8000) == tfr.summary_audio(exact(sound), sample_rate=8000)
    whole = (sound.float() * 1000).to(torch.int16)
    assert tfr.summary_audio(whole) == tfr.summary_audio(whole.numpy())
    with pytest.raises(ValueError, match=r"\[-1,1\]"):
        tfr.summary_audio(sound + 3)


@pytest.mark.parametrize(
    "dtype", [*FLOATS, torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64, torch.bool]
)
def test_histograms(dtype):
    numbers = (noise(20, 30) * 7 - 2).to(dtype)
    for form in forms(numbers):
        assert tfr.summary_histogram(form) == tfr.summary_histogram(exact(numbers))


def test_histograms_of_non_finite_numbers():
    numbers = torch.tensor([1.0, 2.0, torch.nan, torch.inf], dtype=torch.bfloat16)
    with pytest.warns(UserWarning, match="1 NaN and 1 infinite"):
        summary = tfr.summary_histogram(numbers, buckets=2)
    assert tfr.value(summary)["count"].to_list() == [1, 1]


@pytest.mark.parametrize(
    "dtype",
    [
        *FLOATS,
        torch.int8,
        torch.uint8,
        torch.int16,
        torch.int32,
        torch.int64,
        torch.bool,
        torch.complex64,
        torch.uint16,
        torch.uint32,
        torch.uint64,
    ],
)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2)])
def test_tensors(dtype, shape):
    tensor = (noise(*shape) * 9).to(dtype)
    for form in forms(tensor):
        read = tfr.value(tfr.summary_tensor(form))
        np.testing.assert_array_equal(read, exact(tensor))
        assert read.shape == shape


def test_conversion():
    tensor = noise(3, dtype=torch.bfloat16)
    np.testing.assert_array_equal(tfr.value(tfr.summary_tensor(tensor, dtype="float")), exact(tensor))
    with pytest.raises(ValueError, match="name it instead"):
        tfr.summary_tensor(tensor, dtype=torch.float32)


@pytest.mark.parametrize("dtype", [*FLOATS, torch.int64, torch.bool, torch.uint8])
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_scalars(dtype, shape, tmp_path):
    number = torch.ones(shape, dtype=dtype)
    for form in forms(number):
        assert tfr.value(tfr.summary_scalar(form)) == 1
    with tfr.with_logdir(tmp_path):
        for form in forms(number):
            tfr.log_event(loss=form, train={"loss": form})
        with pytest.raises(ValueError, match="Can't log a numeric vector"):
            tfr.log_event(loss=torch.ones(2))
    assert set(tfr.collect_events(tmp_path, type="scalar")["value"]) == {1.0}


def test_hyperparameters(tmp_path):
    with tfr.with_logdir(tmp_path):
        tfr.log_hparams(lr=torch.tensor(0.5), units=torch.tensor(3), flag=torch.tensor(data=True))
    assert tfr.collect_hparams(tmp_path).select("lr", "units", "flag").row(0) == (0.5, 3.0, True)


def test_curves_meshes_videos_and_embeddings(tmp_path):
    labels, guesses = noise(50) > 0.5, noise(50)
    expected = tfr.summary_pr_curve(labels.numpy(), guesses.numpy())
    for form in forms(guesses):
        assert tfr.summary_pr_curve(labels, form) == expected
    points, faces = noise(1, 4, 3), torch.tensor([[[0, 1, 2]]])
    for form in forms(points):
        assert tfr.summary_mesh("m", form, faces=faces) == tfr.summary_mesh(
            "m", points.numpy(), faces=faces.numpy()
        )
    frames = noise(3, 4, 5, 3)
    for form in forms(frames):
        assert tfr.summary_video(form) == tfr.summary_video(frames.numpy())
    vectors = noise(4, 3)
    with tfr.with_logdir(tmp_path):
        for form in forms(vectors):
            tfr.log_embedding(form, labels=torch.arange(4))
    written = np.fromfile(tmp_path / "embedding.bytes", "<f4").reshape(4, 3)
    np.testing.assert_array_equal(written, vectors.numpy())


def test_a_large_tensor_is_read_where_it_lies():
    import tracemalloc

    weights = noise(1000, 1000).requires_grad_()
    tfr.summary_histogram(weights)
    tracemalloc.start()
    tfr.summary_histogram(weights)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100_000


def test_what_the_writer_of_torch_leaves_is_read(tmp_path):
    """Its forms of every kind; bfloat16 and float16 stand there as the bits of float32."""
    from torch.utils.tensorboard import SummaryWriter

    weights = noise(100)
    halves = {str(dtype): noise(2, 3, dtype=dtype) for dtype in (torch.float16, torch.bfloat16)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with SummaryWriter(str(tmp_path)) as writer:
            writer.add_scalar("old", 0.5, 1)
            writer.add_scalar("new", 0.5, 1, new_style=True)
            writer.add_scalar("double", 0.1, 1, new_style=True, double_precision=True)
            writer.add_text("note", "hello", 1)
            writer.add_histogram("weights", weights, 1)
            writer.add_image("image", noise(3, 4, 5), 1)
            writer.add_pr_curve("curve", noise(20) > 0.5, noise(20), 1)
            writer.add_mesh("mesh", noise(1, 4, 3), global_step=1)
            for name, half in halves.items():
                writer.add_tensor(name, half, 1)
            writer.add_hparams({"lr": 0.1, "bn": True}, {"acc": 0.5}, run_name="trial")
    scalars = tfr.collect_events(tmp_path, type="scalar", tag=["old", "new", "double"])
    assert scalars["value"].to_list() == [0.5, 0.5, 0.1]
    assert tfr.collect_events(tmp_path, type="text", tag="note/*")["text"].to_list() == ["hello"]
    (histogram,) = tfr.collect_events(tmp_path, type="histogram")["buckets"].to_list()
    assert sum(bucket["count"] for bucket in histogram) == 100
    assert tfr.collect_events(tmp_path, type="image").select("width", "height").row(0) == (5, 4)
    for name, half in halves.items():
        read = tfr.value(tfr.collect_events(tmp_path, type="summary", tag=name))
        np.testing.assert_array_equal(np.asarray(read, np.float32), half.float().numpy())
    session = tfr.collect_hparams(tmp_path)
    assert session.select("run", "lr", "bn", "acc").row(0)[:2] == ("trial", 0.1)
    assert session["acc"].to_list() == [0.5]
    assert session["bn"].item() in (1.0, True)


def test_what_numpy_can_not_see():
    turned = torch.view_as_complex(noise(3, 2)).conj()
    np.testing.assert_array_equal(tfr.value(tfr.summary_tensor(turned)), turned.resolve_conj().numpy())
    for hidden in (noise(2, 3).to_sparse(), noise(2, 3).to("meta")):
        for summary in (tfr.summary_histogram, tfr.summary_tensor):
            with pytest.raises(ValueError, match="is no array"):
                summary(hidden)
