import polars as pl
import pytest


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run's directory in a project of its own, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    directory = tmp_path / "runs" / "2026-11-21T07-07-03Z"
    (directory / "tfruns.d").mkdir(parents=True)
    return directory


@pytest.fixture
def images(run, tmp_path):  # noqa: ARG001 - made in its project
    """A table of eight rows to speak about, in the working directory."""
    frame = pl.DataFrame({"image": [f"{row}.png" for row in range(8)], "label": list("aabbccdd")})
    frame.write_parquet(tmp_path / "images.parquet")
    return "images.parquet"
