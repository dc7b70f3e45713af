import pytest

import tfruns_rs as tfr
from views.made_runs import make_run, random_run


def test_a_run_shows_its_values_as_tables(tmp_path):
    info = tfr.run_info(random_run(tmp_path / "run", 1))
    html = info._repr_html_()

    for name in ("loss", "val_accuracy", "learning_rate", "activation"):
        assert f">{name}</td>" in html
    assert f'title="{info.metric_loss!r}">{info.metric_loss:.6g}</td>' in html
    assert "<em>completed</em>" in html


@pytest.mark.parametrize(
    "payload", ["<script>window.pwned=1</script>", '"><img src=x onerror=pwned=1>', "{{7*7}}"]
)
def test_hostile_values_show_as_text(tmp_path, chromium, payload):
    run_dir = make_run(
        tmp_path / "run", flags={payload: payload}, metrics={payload: [1.0]}, properties={"script": payload}
    )
    frame = tfr.ls_runs(runs_dir=tmp_path)
    assert len(frame) == 1
    page = chromium.new_page()
    for html in (tfr.run_info(run_dir)._repr_html_(), frame._repr_html_()):
        page.set_content(html)
        page.wait_for_timeout(100)
        assert page.evaluate("window.pwned ?? null") is None
        assert page.evaluate("document.querySelectorAll('script, img').length") == 0
        assert payload in page.inner_text("body")
    page.close()


def test_a_run_object_shows_its_hyperparameters(tmp_path):
    run = tfr.create_run(name="first", hparams={"<b>lr": 2e-05}, runs_dir=tmp_path)
    html = run._repr_html_()
    run.finish()

    assert "&lt;b&gt;lr" in html
    assert ">2e-05</td>" in html
