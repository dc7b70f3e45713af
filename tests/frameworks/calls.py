"""The calls that both a peer's writer and ours are given."""

import numpy as np

RNG = np.random.default_rng(7)
SMALL = RNG.random((3, 8, 10)).astype(np.float32)
BATCH = RNG.random((9, 3, 5, 7)).astype(np.float32)
WEIGHTS = RNG.standard_normal(500)
LABELS, GUESSES = RNG.integers(0, 2, 200), RNG.random(200)
POINTS = RNG.random((1, 6, 3)).astype(np.float32)
FACES = RNG.integers(0, 6, (1, 4, 3)).astype(np.int32)
COLORS = RNG.integers(0, 256, (1, 6, 3)).astype(np.uint8)


def scalars(writer):
    for step in range(5):
        writer.add_scalar("loss/train", 1 / (step + 3), step, walltime=100.0 + step)
    writer.add_scalar("no_step", 2)
    writer.add_scalar("numpy", np.float32(0.1), np.int64(7))
    writer.add_scalar("array", np.array([[3.5]]), 2)
    writer.add_scalar("int", np.int32(-3), global_step=-1)
    writer.add_scalar("nan", float("nan"), 1)
    writer.add_scalar("inf", float("-inf"), 1)
    writer.add_scalar("large", 1e300, 2**40)


def charts(writer):
    for step in range(3):
        writer.add_scalars("run_14h", {"sin": np.sin(step), "cos": np.cos(step)}, step, walltime=5.0)
    writer.add_scalars("a/b", {"c/d": 1.0}, 1)


def histograms(writer):
    writer.add_histogram("default", WEIGHTS, 1)
    writer.add_histogram("merged", WEIGHTS * 1e3, 2, max_bins=64)
    writer.add_histogram("auto", WEIGHTS.reshape(5, 100), 3, bins="auto")
    writer.add_histogram("fixed", WEIGHTS, 4, bins=[-1, 0, 0.5, 2])
    writer.add_histogram("zeros", np.zeros(10), 5)
    writer.add_histogram("ints", np.arange(-50, 50), 6)
    writer.add_histogram("positive", np.abs(WEIGHTS) + 1, 7)
    writer.add_histogram("on_edges", np.array([1e-12, 1e-12 * 1.1, 1e-12 * 1.1 * 1.1]), 8)
    writer.add_histogram("beyond", np.array([-1e30, 1.0, 1e30]), 9)
    counts, limits = np.histogram(WEIGHTS)
    moments = (WEIGHTS.min(), WEIGHTS.max(), len(WEIGHTS), WEIGHTS.sum(), WEIGHTS.dot(WEIGHTS))
    writer.add_histogram_raw("raw", *moments, limits[1:].tolist(), counts.tolist(), 10)


def images(writer):
    writer.add_image("chw", SMALL, 1)
    writer.add_image("hwc", SMALL.transpose(1, 2, 0), 2, dataformats="HWC")
    writer.add_image("hw", SMALL[0], 3, dataformats="HW")
    writer.add_image("uint8", (SMALL * 255).astype(np.uint8), 4)
    writer.add_image("gray", SMALL[:1], 5)
    writer.add_images("grid", BATCH, 6)
    writer.add_images("nhwc", BATCH.transpose(0, 2, 3, 1), 7, dataformats="NHWC")
    boxes = np.array([[1, 1, 5, 6], [2, 0, 9, 7]])
    writer.add_image_with_boxes("boxes", SMALL, boxes, 8, labels=["a", "b"])


def figures(writer):
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    for name, several in (("one", False), ("two", True)):
        drawn = []
        for slope in range(2):
            figure, axes = plt.subplots(figsize=(2, 1))
            axes.plot([0, slope])
            drawn.append(figure)
        writer.add_figure(name, drawn if several else drawn[0], 3)
    plt.close("all")


def texts(writer):
    writer.add_text("note", "**bold** ü", 3)
    writer.add_text("a/b", "", 4)


def curves(writer):
    writer.add_pr_curve("curve", LABELS, GUESSES, 1)
    writer.add_pr_curve("weighted", LABELS, GUESSES, 2, num_thresholds=50, weights=LABELS + 1)
    rows = [np.arange(5) + i for i in range(6)]
    writer.add_pr_curve_raw("raw", *rows, 3, num_thresholds=5)
    writer.add_custom_scalars_multilinechart(["a", "b"], "c", "t")
    writer.add_custom_scalars_marginchart(["a", "b", "c"])
    layout = {"c": {"lines": ["Multiline", ["a", "b"]], "margin": ["Margin", ["a", "b", "c"]]}}
    writer.add_custom_scalars(layout)


def meshes(writer):
    writer.add_mesh("points", POINTS, global_step=1)
    writer.add_mesh("all", POINTS, COLORS, FACES, {"camera": {"fov": 75}}, 2)


def embeddings(writer):
    names = [f"n{i}" for i in range(9)]
    writer.add_embedding(BATCH[:, 0, 0], names, BATCH[:, :, :, :5], global_step=3, tag="a/b")
    rows = [[name, i] for i, name in enumerate(names)]
    writer.add_embedding(BATCH[:, 0, 0], rows, metadata_header=["name", "number"])


ALL = (scalars, charts, histograms, images, figures, texts, curves, meshes, embeddings)
