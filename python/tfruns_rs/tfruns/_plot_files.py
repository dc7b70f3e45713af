"""The files of a run's figures: `plots/Rplot001.png`, `plots/Rplot002.png`, …, as R names them."""

from __future__ import annotations

from pathlib import Path


def next_plot(run_dir: str) -> Path:
    """The file of the next figure; its directory is there."""
    plots = Path(run_dir) / "plots"
    plots.mkdir(parents=True, exist_ok=True)
    number = 1 + len(list(plots.glob("Rplot*.png")))
    while (path := plots / f"Rplot{number:03d}.png").exists():
        number += 1
    return path
