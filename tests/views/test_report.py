import json
import math

import pytest

from tfruns_rs import run_info, save_run_view
from tfruns_rs.views._budget import PAGE_BYTES
from views.made_runs import make_run, random_run


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_page_shows_what_the_run_holds_at_full_precision(tmp_path, open_page, seed):
    info = run_info(random_run(tmp_path / f"2026-01-01T00-00-0{seed}Z", seed))
    opened = open_page(save_run_view(info, tmp_path / "run.html"))

    for card, prefix in (("metrics", "metric_"), ("evaluation", "eval_"), ("flags", "flag_")):
        expected = {key.removeprefix(prefix): info[key] for key in info if key.startswith(prefix)}
        shown = opened.values(card)
        assert set(shown) == set(expected)
        assert expected
        for name, value in expected.items():
            if isinstance(value, bool):
                assert shown[name] == str(value).lower()
            elif isinstance(value, int | float):
                assert float(shown[name]) == value
            else:
                assert shown[name] == value
    training = opened.values("training")
    assert int(training["samples"]) == info["samples"]
    opened.draw_all()


def test_tabs_answer_to_mouse_and_keyboard(tmp_path, open_page):
    info = run_info(random_run(tmp_path / "run", 7))
    page = open_page(save_run_view(info, tmp_path / "run.html")).page
    shown = "panels => panels.filter(panel => !panel.hidden).map(panel => panel.id)"

    assert page.eval_on_selector_all('[role="tabpanel"]', shown) == ["summary"]
    page.click("#tab-code")
    assert page.eval_on_selector_all('[role="tabpanel"]', shown) == ["code"]
    page.keyboard.press("ArrowLeft")
    assert page.eval_on_selector_all('[role="tabpanel"]', shown) == ["output"]
    assert page.url.endswith("#output")
    assert "done" in page.inner_text("#console")
    assert page.inner_text("#console .f2").startswith("epoch")
    assert "weights/model.bin" in page.inner_text(".files")


def test_source_is_numbered_and_whole(tmp_path, open_page):
    text = 'def f():\n    """doc\n    string"""\n    return "<b>&amp;</b>"\n'
    info = run_info(make_run(tmp_path / "run", sources={"train.py": text}))
    page = open_page(save_run_view(info, tmp_path / "run.html")).page
    page.click("#tab-code")

    assert page.eval_on_selector(".code", "pre => pre.textContent") == text.rstrip("\n")
    assert page.eval_on_selector_all(".code .line", "lines => lines.map(line => line.dataset.n)") == list(
        "1234"
    )


def test_series_toggle_smooth_and_turn_logarithmic(tmp_path, open_page):
    info = run_info(random_run(tmp_path / "run", 4))
    opened = open_page(save_run_view(info, tmp_path / "run.html"))
    opened.draw_all()
    page = opened.page
    lines = "() => new Set(views[0].view.data('points').map(row => row.s)).size"
    values = "() => views[0].view.data('points').filter(row => row.s === 'training').map(row => row.y)"

    assert page.evaluate(values) == info["metrics"]["loss"].to_list()
    assert page.evaluate(lines) == 2
    page.click('[data-title="loss"] .legend button:text-is("validation")')
    assert page.evaluate(lines) == 1

    page.fill('[name="smoothing"]', "0.5")
    raw = info["metrics"]["loss"].to_list()
    page.wait_for_function("raw => views[0].view.data('points').at(-1).y !== raw", arg=raw[-1])
    last, expected = 0.0, []
    for n, value in enumerate(raw, start=1):
        last = last * 0.5 + value * 0.5
        expected.append(last / (1 - 0.5**n))
    assert page.evaluate(values) == pytest.approx(expected, rel=1e-12)

    page.check('[name="log"]')
    page.wait_for_function("() => views[0].view.scale('y').type === 'log'")


def test_values_are_read_by_pointer_and_by_keyboard(tmp_path, open_page):
    info = run_info(random_run(tmp_path / "run", 5))
    opened = open_page(save_run_view(info, tmp_path / "run.html"))
    opened.draw_all()
    page = opened.page
    page.focus('[data-title="loss"] .plot')
    page.keyboard.press("ArrowRight")

    assert page.inner_text("#spoken").startswith(f"epoch 1, training {info['metrics']['loss'][0]}")
    page.hover('[data-title="loss"] .plot svg', position={"x": 100, "y": 100})
    page.wait_for_selector("#tooltip:not([hidden])")
    assert "training" in page.inner_text("#tooltip")


def test_an_accuracy_ends_at_one(tmp_path, open_page):
    info = run_info(make_run(tmp_path / "run", metrics={"accuracy": [0.2, 0.4], "share": [0.2, 0.4]}))
    opened = open_page(save_run_view(info, tmp_path / "run.html"))
    opened.draw_all()

    assert opened.page.evaluate("views[0].view.scale('y').domain()[1]") >= 1
    assert opened.page.evaluate("views[1].view.scale('y').domain()[1]") < 1


def test_a_failed_run_shows_its_error(tmp_path, open_page):
    error = {"message": "loss became NaN", "traceback": ["inner()", "outer()"]}
    info = run_info(make_run(tmp_path / "run", error=error))
    page = open_page(save_run_view(info, tmp_path / "run.html")).page

    assert page.inner_text(".error .message") == "loss became NaN"
    assert "inner()" in page.inner_text(".error pre")
    assert page.inner_text(".badge") == "failed"


def test_small_numbers_keep_their_digits(tmp_path, open_page):
    values = {"tiny": 2e-05, "third": 1 / 3, "many": 123456789.125, "negative": -0.1}
    info = run_info(make_run(tmp_path / "run", flags=values))
    page = open_page(save_run_view(info, tmp_path / "run.html")).page
    shown = page.eval_on_selector_all("#flags dd", "dds => dds.map(dd => dd.textContent)")

    assert shown == ["2e-05", "0.333333", "1.23457e+08", "-0.1"]
    exact = page.eval_on_selector_all("#flags data", "all => all.map(data => Number(data.value))")
    assert exact == list(values.values())


def test_times_are_the_readers_with_utc_on_hover(tmp_path, open_page):
    info = run_info(random_run(tmp_path / "run", 6))
    page = open_page(
        save_run_view(info, tmp_path / "run.html"), timezone_id="Asia/Tokyo", locale="en-GB"
    ).page

    assert "09:00:06" in page.inner_text('#run dd[data-name="start"]')
    assert page.get_attribute('#run dd[data-name="start"] time', "title") == "2026-01-01T00:00:06.125Z (UTC)"


@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), (1280, "dark"), (3840, "light")])
def test_no_page_scrolls_sideways(tmp_path, open_page, width, scheme):
    info = run_info(random_run(tmp_path / "run", 8))
    opened = open_page(save_run_view(info, tmp_path / "run.html"), width=width, color_scheme=scheme)
    for tab in opened.page.query_selector_all('[role="tab"]'):
        tab.click()
        opened.draw_all()
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_huge_run_fits_the_budget_and_says_what_is_left_out(tmp_path, open_page):
    values = [math.sin(n / 50_000) for n in range(100_000)]
    values[34_567] = 42.0
    info = run_info(
        make_run(
            tmp_path / "run",
            metrics={f"metric{n}": values for n in range(2)},
            output="".join(f"line {n} of a long console\n" for n in range(100_000)),
            sources={f"file{n}.py": "x = 1\n" * 20_000 for n in range(10)},
        )
    )
    path = save_run_view(info, tmp_path / "run.html")
    assert path.stat().st_size <= PAGE_BYTES

    opened = open_page(path)
    opened.draw_all()
    assert "of 100,000 points shown" in opened.page.inner_text(".chart .note")
    assert opened.page.evaluate("Math.max(...views[0].chart.series[0].y)") == 42
    opened.page.click("#tab-output")
    assert "characters are left out here" in opened.page.inner_text("#console")
    console = opened.page.inner_text("#console")
    assert "line 0 of" in console
    assert "line 99999 of" in console
    link = opened.page.get_attribute("#console .cut a", "href")
    assert link == (tmp_path / "run" / "tfruns.d" / "properties" / "output").as_uri()


def test_a_run_without_anything_is_a_page(tmp_path, open_page):
    (tmp_path / "run" / "tfruns.d").mkdir(parents=True)
    page = open_page(save_run_view(tmp_path / "run", tmp_path / "run.html")).page

    assert "run" in page.inner_text("h1")


def test_damaged_files_do_not_stop_the_page(tmp_path, open_page):
    run_dir = random_run(tmp_path / "run", 9)
    info = run_info(run_dir)
    (run_dir / "tfruns.d" / "source.tar.gz").write_bytes(b"\x1f\x8b\x08garbage")
    (run_dir / "tfruns.d" / "environment.json").write_text("[" * 100_000)
    (run_dir / "plots" / "Rplot002.png").write_bytes(b"no picture")
    page = open_page(save_run_view(info, tmp_path / "run.html")).page

    assert page.query_selector("#tab-code") is None
    assert len(page.query_selector_all("#output .picture")) == 1


def test_values_are_there_without_scripts(tmp_path, chromium):
    info = run_info(random_run(tmp_path / "run", 10))
    path = save_run_view(info, tmp_path / "run.html")
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())

    text = page.inner_text("body")
    context.close()
    assert "train.py" in text
    assert "def train():" in text
    assert json.dumps(info["flag_units"]) in text
