import numpy as np
import pytest

import tfruns_rs as tfr
from tfruns_rs.views._budget import PAGE_BYTES, Budget
from tfruns_rs.views._events import read_events
from views.made_runs import random_run


@pytest.fixture
def logged(tmp_path):
    """A run with events of every kind, and a page of it."""
    run_dir = random_run(tmp_path / "run", 1)
    draw = np.random.default_rng(1)
    with tfr.with_logdir(run_dir / "logs"):
        for step in range(20):
            values = {"loss": 1 / (step + 1), "accuracy": step / 20, "val_loss": 2 / (step + 1)}
            tfr.log_event(train=values, test={"loss": 1.5}, step=step)
            if step % 5 == 0:
                tfr.log_event(
                    train={
                        "weights": tfr.summary_histogram(draw.normal(step, 1, 1000), buckets=10),
                        "sample": tfr.summary_image(draw.random((1, 8, 8, 3), dtype=np.float32)),
                        "note": tfr.summary_text(f"step {step} *is* <b>done</b>"),
                    },
                    step=step,
                )
        tfr.flush()
    return run_dir


def test_scalars_are_charts_with_a_line_a_run(logged):
    events = read_events(logged / "logs", Budget(), media_bytes=10**6)
    lines = {chart.title: chart for chart in events.charts if chart.kind == "line"}

    assert list(lines) == ["accuracy", "loss"]
    assert [series.name for series in lines["loss"].series] == ["test", "train", "train (validation)"]
    training = lines["loss"].series[1]
    assert list(training.x) == list(range(20))
    assert list(training.y) == [1 / (step + 1) for step in range(20)]
    assert lines["accuracy"].is_share
    assert lines["loss"].x_title == "step"


def test_a_histogram_covers_its_steps_and_counts_all_values(logged):
    events = read_events(logged / "logs", Budget(), media_bytes=10**6)
    (chart,) = [chart for chart in events.charts if chart.kind == "histogram"]

    assert chart.title == "train: weights"
    for step in (0, 5, 10, 15):
        rows = [row for row in chart.rows if row["step"] == step]
        assert sum(row["count"] for row in rows) == 1000
        assert {row["to"] for row in rows} == {step + 5}
        assert max(row["share"] for row in rows) == 1


def test_events_are_seen_in_the_page(logged, tmp_path, open_page):
    opened = open_page(tfr.save_run_view(logged, tmp_path / "page.html"))
    page = opened.page
    page.click("#tab-events")
    opened.draw_all()

    titles = page.eval_on_selector_all("#events .chart .name", "all => all.map(one => one.textContent)")
    assert titles == ["accuracy", "loss", "train: weights"]
    points = page.evaluate(
        "views.find(view => view.chart.title === 'loss' && view.chart.x === 'step').view.data('points')"
    )
    assert [point["y"] for point in points if point["s"] == "train"] == [1 / (step + 1) for step in range(20)]
    assert page.locator("#events .picture img").count() == 4
    assert page.evaluate(
        "[...document.querySelectorAll('#events img')].every(image => image.naturalWidth === 8)"
    )
    assert "step 15 *is* <b>done</b>" in page.inner_text("#events")
    assert page.locator(
        "#events [data-title='train: weights'] svg path[aria-roledescription]"
    ).count() > 0 or (page.locator("#events [data-title='train: weights'] svg .mark-rect path").count() > 10)


def test_a_long_log_is_reduced(tmp_path, open_page):
    run_dir = random_run(tmp_path / "run", 2)
    with tfr.EventWriter(run_dir / "logs" / "train") as writer:
        for step in range(100_000):
            writer.add_scalar("loss", 7.0 if step == 77_777 else 1 / (step + 1), step=step)
    path = tfr.save_run_view(run_dir, tmp_path / "page.html")
    opened = open_page(path)
    opened.page.click("#tab-events")

    assert path.stat().st_size < PAGE_BYTES
    assert "of 100,000 points shown, extremes kept" in opened.page.inner_text("#events .chart .note")
    highest = "Math.max(...views.find(view => view.chart.x === 'step').chart.series[0].y)"
    assert opened.page.evaluate(highest) == 7


@pytest.mark.parametrize("damage", [b"", b"garbage" * 1000])
def test_damaged_or_missing_logs_are_no_trouble(tmp_path, damage):
    assert read_events(tmp_path / "none", Budget(), media_bytes=0).charts == []
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "events.out.tfevents.1.host").write_bytes(damage)
    assert read_events(tmp_path / "logs", Budget(), media_bytes=0).charts == []


def test_pictures_keep_to_their_budget(logged):
    events = read_events(logged / "logs", Budget(images=3), media_bytes=10**6)
    assert len(events.images) == 3
    assert "3 of 4 images are shown." in events.notes
    assert read_events(logged / "logs", Budget(), media_bytes=10).images == []


def test_histograms_of_the_first_form_are_charts_too(tmp_path):
    writer = pytest.importorskip("tensorboardX").SummaryWriter(str(tmp_path / "logs" / "train"))
    for step in range(3):
        writer.add_histogram("weights", np.random.default_rng(step).normal(step, 1, 1000), step)
    writer.close()
    (chart,) = read_events(tmp_path / "logs", Budget(), media_bytes=0).charts

    assert chart.kind == "histogram"
    for step in range(3):
        rows = [row for row in chart.rows if row["step"] == step]
        assert sum(row["count"] for row in rows) == 1000
        assert all(row["low"] <= row["high"] for row in rows)


def test_values_of_broken_bytes_are_left_out(tmp_path):
    with tfr.with_logdir(tmp_path / "logs"):
        for plugin in ("histograms", "images", "text"):
            metadata = tfr.summary_metadata(plugin)
            tfr.log_event(train={plugin: tfr.summary_tensor(np.ones(5), metadata=metadata)}, step=1)
        tfr.flush()
    events = read_events(tmp_path / "logs", Budget(), media_bytes=10**6)

    assert events.charts == []
    assert events.images == []
