"""Curves, a histogram and a text with tensorboardX."""

import numpy as np
from tensorboardX import SummaryWriter

writer = SummaryWriter()
noise = np.random.default_rng(0)
for step in range(50):
    writer.add_scalar("train/loss", np.exp(-step / 10) + 0.01 * noise.random(), step)
    writer.add_scalar("val/loss", np.exp(-step / 12) + 0.02 * noise.random(), step)
writer.add_histogram("noise", noise.standard_normal(1000), 0)
writer.add_text("note", "a *decay*", 0)
writer.close()
