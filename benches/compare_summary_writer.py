"""`SummaryWriter`, ours beside tensorboardX's and torch's: what one call costs the training loop."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

from _table import Row, show
from compare_write import EACH_CALL, logged

CALLS = {"scalar": (200_000, 20_000), "histogram": (2_000, 300), "image": (1_000, 200)}
WRITERS = {
    "tensorboardX": "from tensorboardX import SummaryWriter",
    "torch": "from torch.utils.tensorboard import SummaryWriter",
    "ours": "from tfruns_rs.torch import SummaryWriter",
}
PREPARE = """
import numpy as np
{writer}
writer = SummaryWriter(logdir)
weights = np.random.default_rng(0).standard_normal(10_000).astype(np.float32)
picture = np.random.default_rng(0).random((3, 64, 64)).astype(np.float32)
{call}
close = writer.close
"""
CODE = {
    "scalar": "add = writer.add_scalar\ndef call(i): add('loss', 0.1, i)",
    "histogram": "add = writer.add_histogram\ndef call(i): add('weights', weights, i)",
    "image": "add = writer.add_image\ndef call(i): add('picture', picture, i)",
}
WORK = {
    "scalar": "add_scalar(tag, float, step)",
    "histogram": "add_histogram of 10,000 float32",
    "image": "add_image of 3 x 64 x 64 float32",
}


def figures(writer: str, kind: str) -> dict[str, float]:
    """Median and mean of a call in microseconds; our scalars are counted in the file afterwards."""
    calls = CALLS[kind][writer != "ours"]
    prepare = PREPARE.format(writer=WRITERS[writer], call=CODE[kind])
    verify = writer == "ours" and kind == "scalar"
    return logged(EACH_CALL.format(prepare=prepare), calls, on_cores=2, repeats=3, verify=verify)


def rows() -> Iterator[Row]:
    """The comparisons, in the order of the table."""
    peers = ["tensorboardX", *(["torch"] if importlib.util.find_spec("torch") else [])]
    for kind, work in WORK.items():
        ours = figures("ours", kind)
        for peer in peers:
            theirs = figures(peer, kind)
            for figure in ("median", "mean"):
                yield Row(f"SummaryWriter.{work}", f"µs, {figure}", ours[figure], peer, theirs[figure])


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    show("SummaryWriter", rows())
