"""What the tests of R's tfruns hold `tuning_run` to, line by line."""

import polars as pl
import pytest

from tfruns_rs import tuning_run
from tfruns_rs.errors import FlagsError

GRID = {"learning_rate": [0.01, 0.02], "max_steps": [2500, 5000]}


def test_26_sample_is_a_share():
    with pytest.raises(ValueError, match="less or equal to 1"):
        tuning_run("train.py", flags=GRID, sample=1.1)
    with pytest.raises(ValueError, match="greater than 0"):
        tuning_run("train.py", flags=GRID, sample=0)
    runs = tuning_run("train.py", flags=GRID, sample=1e-6, confirm=False)
    assert runs.height == 1


def test_27_a_list_is_a_grid():
    runs = tuning_run("train.py", flags=GRID, sample=1, confirm=False)
    assert runs.height == 4


def test_28_a_data_frame_is_taken_as_it_is():
    frame = pl.DataFrame(
        {
            "learning_rate": [0.01, 0.02, 0.03, 0.01, 0.02, 0.03],
            "max_steps": [2500, 2500, 2500, 5000, 5000, 5000],
        }
    )
    runs = tuning_run("train.py", flags=frame, confirm=False, workers=2)
    assert runs.height == 6
    with pytest.raises(FlagsError, match="as a named list"):
        tuning_run("train.py")
    with pytest.raises(FlagsError, match="as a named list"):
        tuning_run("train.py", flags=[[0.01, 0.02], [2500, 5000]])
    with pytest.raises(FlagsError, match="as a named list"):
        tuning_run("train.py", flags={})
