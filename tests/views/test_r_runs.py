"""Runs that R's tfruns wrote, held against the data that R's own report shows of them."""

import json
from pathlib import Path

import pytest

import tfruns_rs as tfr
from tfruns_rs.views._budget import Budget
from tfruns_rs.views._data import gather

DATA = Path(__file__).parents[1] / "data" / "tfruns"
VIEWS = sorted(DATA.glob("expected_view_data_*.json"))


def name_of(path):
    return path.stem.removeprefix("expected_view_data_")


@pytest.mark.parametrize("path", VIEWS, ids=name_of)
def test_our_page_shows_what_rs_page_shows(path):
    expected = json.loads(path.read_text())
    data = gather(tfr.run_info(DATA / "runs" / name_of(path)), Budget(), media_bytes=10**6)

    assert data.name == expected["run_dir"]
    assert data.output.rstrip("\n") == (expected["output"] or "").rstrip("\n")
    sources = {name: text.rstrip("\n") for name, text in data.sources.items()}
    assert sources == (expected["source_code"] or {})
    if expected["source_code"]:
        assert next(iter(sources)) == next(iter(expected["source_code"]))
    assert len(data.plots) == len(expected["plots"])
    assert all(plot.uri.startswith("data:image/png;base64,iVBOR") for plot in data.plots)
    assert {file.path.split("/")[0] for file in data.files} == {
        file["name"] for file in expected["files"] or []
    }
    assert data.model == (expected["model"] or "").rstrip("\n")
    assert data.history == {
        name: [None if value is None else float(value) for value in values]
        for name, values in (expected["history"] or {}).items()
    }
    # R rounds to four decimals; we do not.
    assert {name: f"{value:.4f}" for name, value in data.metrics.items()} == (expected["metrics"] or {})
    assert {f"eval_{name}": round(value, 4) for name, value in data.evaluation.items()} == (
        expected["evaluation"] or {}
    )
    assert {
        name: round(value, 4) if isinstance(value, float) else value for name, value in data.flags.items()
    } == (expected["flags"] or {})
    assert (data.error is None) == (expected["error"] is None)
    if data.error and expected["error"]:
        assert data.error == (expected["error"]["message"], expected["error"]["traceback"])


def test_there_are_such_runs():
    assert len(VIEWS) >= 4


@pytest.mark.parametrize("run_dir", sorted((DATA / "runs").glob("*Z*")), ids=lambda path: path.name)
def test_every_run_of_r_is_a_page(run_dir, tmp_path, open_page):
    opened = open_page(tfr.save_run_view(run_dir, tmp_path / "page.html"))
    opened.draw_all()
    info = tfr.run_info(run_dir)
    expected = {
        key.removeprefix("metric_"): value for key, value in info.items() if key.startswith("metric_")
    }
    if expected:
        assert {name: float(value) for name, value in opened.values("metrics").items()} == expected
