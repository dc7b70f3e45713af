import pytest

from tfruns_rs import compare_runs, run_info, save_run_comparison
from tfruns_rs.errors import RunNotFoundError
from tfruns_rs.views._diff import diff_lines
from views.made_runs import make_run, random_run


@pytest.fixture
def three(tmp_path):
    return [run_info(random_run(tmp_path / f"2026-01-01T00-00-0{seed}Z", seed)) for seed in (1, 2, 3)]


def heads(page):
    return page.eval_on_selector_all("#table thead th[data-run]", "all => all.map(one => one.dataset.run)")


def row(page, group, name):
    return page.eval_on_selector_all(
        f'#table tr[data-group="{group}"][data-name="{name}"] td',
        "all => all.map(one => one.querySelector('data')?.value ?? one.textContent)",
    )


def test_runs_stand_side_by_side_the_newest_on_the_right(three, tmp_path, open_page):
    page = open_page(save_run_comparison(three[::-1], tmp_path / "page.html")).page

    assert heads(page) == [f"2026-01-01T00-00-0{seed}Z" for seed in (1, 2, 3)]
    for group, prefix in (("Flags", "flag_"), ("Metrics", "metric_"), ("Evaluation", "eval_")):
        names = [key.removeprefix(prefix) for key in three[0] if key.startswith(prefix)]
        assert names
        for name in names:
            expected = [info[prefix + name] for info in three]
            if isinstance(expected[0], float):
                assert [float(value) for value in row(page, group, name)] == expected
            else:
                assert row(page, group, name) == [
                    str(value).lower() if isinstance(value, bool) else str(value) for value in expected
                ]
            marked = page.query_selector(f'tr.differs[data-group="{group}"][data-name="{name}"]') is not None
            assert marked == (len(set(expected)) > 1)


def test_a_rows_name_sorts_the_runs(three, tmp_path, open_page):
    page = open_page(save_run_comparison(three, tmp_path / "page.html")).page
    button = '#table tr[data-group="Metrics"][data-name="loss"] button'
    ordered = sorted(three, key=lambda info: info["metric_loss"])
    names = [info["run_dir"].rsplit("/", 1)[-1] for info in ordered]

    page.click(button)
    assert heads(page) == names
    assert [float(value) for value in row(page, "Metrics", "loss")] == [
        info["metric_loss"] for info in ordered
    ]
    assert [float(value) for value in row(page, "Flags", "learning_rate")] == [
        info["flag_learning_rate"] for info in ordered
    ]
    page.focus(button)
    page.keyboard.press("Enter")
    assert heads(page) == names[::-1]


def test_only_differences_can_be_shown(three, tmp_path, open_page):
    page = open_page(save_run_comparison(three, tmp_path / "page.html")).page
    same = page.locator('#table tr[data-name="context"]')

    assert same.is_visible()
    page.check("[data-only-differences]")
    assert not same.is_visible()
    assert page.locator('#table tr[data-group="Metrics"][data-name="loss"]').is_visible()


def test_charts_overlay_runs_and_hide_them(three, tmp_path, open_page):
    opened = open_page(save_run_comparison(three, tmp_path / "page.html"))
    opened.draw_all()
    page = opened.page
    shown = (
        "() => new Set(views.find(v => v.chart.title === 'loss').view.data('points').map(row => row.s)).size"
    )

    assert page.evaluate(shown) == 6
    page.click('.toolbar .legend button:has-text("00-00-01Z")')
    page.wait_for_function(f"() => ({shown})() === 4")
    assert page.get_attribute('.toolbar .legend button:has-text("00-00-01Z")', "aria-pressed") == "false"


def test_many_runs_have_parallel_coordinates(tmp_path, open_page):
    infos = [run_info(random_run(tmp_path / f"run{seed:02}", seed)) for seed in range(12)]
    opened = open_page(save_run_comparison(infos, tmp_path / "page.html"), width=400)
    opened.draw_all()

    runs = opened.page.evaluate("[...new Set(views[0].view.data('rows').map(row => row.run))].length")
    fields = opened.page.evaluate("[...new Set(views[0].view.data('rows').map(row => row.field))]")
    assert runs == 12
    assert {"learning_rate", "loss", "eval loss"} <= set(fields)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 400


def test_sources_and_consoles_are_compared(tmp_path, open_page):
    old = make_run(
        tmp_path / "a", sources={"train.py": "a\nrate = 1\nc\n", "gone.py": "x\n"}, output="one\n", start=1
    )
    new = make_run(
        tmp_path / "b", sources={"train.py": "a\nrate = 2\nc\n", "new.py": "y\n"}, output="two\n", start=2
    )
    page = open_page(save_run_comparison([run_info(new), run_info(old)], tmp_path / "page.html")).page
    titles = page.eval_on_selector_all("details summary", "all => all.map(one => one.firstChild.data.trim())")

    assert titles == ["train.py", "new.py (new)", "console", "gone.py (gone)"]
    assert page.inner_text(".diff .del").strip() == "- rate = 1"
    assert page.inner_text(".diff .add mark") == "2"


def test_a_diff_tells_both_texts():
    old = "".join(f"line {n}\n" for n in range(100))
    new = old.replace("line 50\n", "line fifty\nanother\n")
    lines = list(diff_lines(old, new))

    assert [line.before + line.changed + line.after for line in lines if line.kind == "del"] == ["- line 50"]
    assert [line.before + line.changed + line.after for line in lines if line.kind == "add"] == [
        "+ line fifty",
        "+ another",
    ]
    assert len(lines) < 12


@pytest.mark.parametrize("runs", [[], ["one"]])
def test_comparing_takes_two_runs(tmp_path, runs):
    infos = [run_info(random_run(tmp_path / name, 1)) for name in runs]
    with pytest.raises(RunNotFoundError, match="two runs"):
        save_run_comparison(infos)


def test_the_viewer_gets_the_path(three):
    shown = []
    path = compare_runs(three, viewer=shown.append)
    assert shown == [str(path)]
    assert path.name == "compare-runs-2026-01-01T00-00-01Z-2026-01-01T00-00-03Z.html"
    assert path.parent.stat().st_mode & 0o077 == 0
