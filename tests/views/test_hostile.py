"""A run that wants to run scripts in its reader's browser shows as text, on every page."""

import pytest

import tfruns_rs as tfr
from tfruns_rs import run_info, save_run_comparison, save_run_view, view_run_metrics
from tfruns_rs.views._live import charts_of, notebook_html
from views.made_runs import make_run

PAYLOADS = [
    "</script><script>window.pwned = 1</script>",
    "<img src=x onerror='window.pwned = 1'>",
    "<svg/onload=window.pwned=1>",
    "javascript:window.pwned=1",
    'https://x.example/" onmouseover="window.pwned = 1',
    "{{ 7 * 7 }}{% include 'base' %}${7 * 7}",
    "<!-- <script> --> </style></title></template><b>bold</b>",
    "&lt;b&gt; \u2028 \u2029 ]]> '\"",
]
FILE_NAMES = [
    "<img src=x onerror=window.pwned=1>.txt",
    "{{7*7}}.txt",
    "javascript:window.pwned=1",
    "a&lt;b.svg",
]
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="pwned = 1"><script>pwned = 1</script></svg>'
IMAGE = tfr.summary_metadata("images")
CONSOLE = (
    "\n".join(PAYLOADS)
    + "\n\x1b]8;;javascript:window.pwned=1\x07link\x1b]8;;\x07 "
    + "\x1b[31m<b>red</b>\x1b[0m \x1b]0;title\x07\x00\x07\n"
)


@pytest.fixture
def hostile(tmp_path):
    run_dir = make_run(
        tmp_path / "<img src=x onerror=window.pwned=1>",
        properties={"note": PAYLOADS[0], "script": PAYLOADS[1], "link": PAYLOADS[3], "quoted": PAYLOADS[4]},
        flags={payload: payload for payload in PAYLOADS},
        metrics={payload: [1.0, 0.5] for payload in PAYLOADS} | {"val_" + PAYLOADS[0]: [1.0, 2.0]},
        evaluation={PAYLOADS[1]: 0.5},
        error={"message": PAYLOADS[0], "traceback": PAYLOADS},
        sources={"train.py": "\n".join(PAYLOADS), "<b>.py": PAYLOADS[0], "plain": PAYLOADS[1]},
        output=CONSOLE,
        files={f"files/{name}": SVG for name in FILE_NAMES}
        | {"plots/Rplot002.svg": SVG, "plots/Rplot003.png": SVG},
    )
    with tfr.with_logdir(run_dir / "logs"):
        for payload in PAYLOADS:
            values = {payload: 1.0, "text " + payload: tfr.summary_text(payload)}
            values["picture " + payload] = tfr.summary_tensor(["8", "8", SVG], metadata=IMAGE)
            tfr.log_event(hostile=values, step=1)
        tfr.flush()
    return run_dir


def assert_harmless(opened):
    page = opened.page
    assert page.evaluate("window.pwned") is None
    assert page.evaluate("[...document.querySelectorAll('body script')].length") == 3
    attributes = page.evaluate(
        "[...document.querySelectorAll('*')].flatMap(one => [...one.attributes].map(each => each.name))"
    )
    assert len(attributes) > 100
    assert not [name for name in attributes if name.startswith("on")]
    links = page.eval_on_selector_all("[href]", "all => all.map(one => one.getAttribute('href'))")
    assert links
    assert not [link for link in links if not link.startswith(("#", "file:///", "https://"))]
    assert (
        page.evaluate(
            "document.querySelectorAll('iframe, object, embed, base, form[action], body b > script').length"
        )
        == 0
    )
    policy = page.get_attribute("meta[http-equiv]", "content")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy


def test_a_hostile_report_is_text(hostile, tmp_path, open_page):
    opened = open_page(save_run_view(run_info(hostile), tmp_path / "page.html"))
    for tab in opened.page.query_selector_all('[role="tab"]'):
        tab.click()
        opened.draw_all()
        for button in opened.page.query_selector_all(".legend button"):
            if button.is_visible():
                button.hover()
    assert_harmless(opened)

    text = opened.page.evaluate("document.body.textContent")
    for payload in PAYLOADS:
        assert payload in text
    for name in FILE_NAMES:
        assert f"files/{name}" in text
    shown = opened.page.eval_on_selector_all("img", "all => all.map(one => one.src.slice(0, 15))")
    assert shown == ["data:image/png;"]
    console = opened.page.eval_on_selector("#console pre", "one => one.textContent")
    assert "\x1b" not in console
    assert "<b>red</b>" in console
    assert "title" not in console.splitlines()[-1]


def test_a_hostile_comparison_is_text(hostile, tmp_path, open_page):
    other = make_run(tmp_path / "other", flags={PAYLOADS[0]: 1}, sources={"train.py": "x"}, start=1.0)
    third = make_run(
        tmp_path / "third", flags={PAYLOADS[0]: PAYLOADS[1]}, metrics={PAYLOADS[0]: [0.1]}, start=2.0
    )
    infos = [run_info(run) for run in (hostile, other, third)]
    opened = open_page(save_run_comparison(infos, tmp_path / "page.html"))
    opened.draw_all()
    for button in opened.page.query_selector_all(".compare button"):
        button.click()
    assert_harmless(opened)
    text = opened.page.evaluate("document.body.textContent")
    for payload in PAYLOADS:
        assert payload in text


def test_hostile_live_metrics_are_text(open_page):
    metrics = {payload: [1.0, 0.5] for payload in PAYLOADS}
    with view_run_metrics({"loss": [1.0]}, viewer=print) as viewer:
        opened = open_page(viewer.address, offline=False)
        viewer.update(metrics)
        opened.page.wait_for_function(
            "n => document.querySelectorAll('.chart').length === n", arg=len(metrics) + 1
        )
        opened.draw_all()
        assert_harmless_live(opened)


def assert_harmless_live(opened):
    assert opened.page.evaluate("window.pwned") is None
    names = opened.page.eval_on_selector_all(".chart .name", "all => all.map(one => one.textContent)")
    assert names == ["loss", *PAYLOADS]


def test_hostile_metrics_in_a_notebook_are_pictures(chromium):
    page = chromium.new_page()
    page.set_content(notebook_html(charts_of({payload: [1.0, 0.5] for payload in PAYLOADS})))
    page.wait_for_timeout(300)
    assert page.evaluate("window.pwned") is None
    assert page.evaluate("document.querySelectorAll('img').length") == len(PAYLOADS)
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    page.close()


def test_the_policy_holds_against_what_would_slip_through(tmp_path, chromium):
    page = chromium.new_page()
    page.goto(save_run_view(run_info(make_run(tmp_path / "run")), tmp_path / "page.html").as_uri())
    blocked = page.evaluate(
        """async () => {
          const seen = [];
          addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
          const script = document.createElement("script");
          script.textContent = "window.pwned = 1";
          document.body.append(script);
          const html = "<img src='https://x.example/p.png'><p onclick='window.pwned = 1'>x</p>";
          document.body.insertAdjacentHTML("beforeend", html);
          document.body.lastElementChild.click();
          await fetch("https://x.example/").catch(() => {});
          setTimeout("window.pwned = 1", 0); // evaluates text
          await new Promise((resolve) => setTimeout(resolve, 200));
          return { seen, pwned: window.pwned ?? null };
        }"""
    )
    page.close()
    assert blocked["pwned"] is None
    assert {"script-src", "script-src-elem", "img-src", "script-src-attr", "connect-src"} <= set(
        blocked["seen"]
    )
