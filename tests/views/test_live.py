import http.client
import subprocess
import sys
import textwrap
from urllib.parse import urlsplit

import polars as pl
import pytest

from tfruns_rs import update_run_metrics, view_run_metrics


@pytest.fixture
def viewer():
    with view_run_metrics({"loss": [1.0, None, None]}, viewer=lambda _: None) as one:
        yield one


def ask(viewer, path=None, host=None, method="GET"):
    address = urlsplit(viewer.address)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=5)
    connection.putrequest(method, address.path if path is None else path, skip_host=True)
    connection.putheader("Host", address.netloc if host is None else host)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_an_update_arrives_without_a_reload(viewer, open_page):
    opened = open_page(viewer.address, offline=False)
    page = opened.page
    opened.draw_all()
    page.evaluate("window.mark = 'kept'")
    update_run_metrics(
        viewer, {"loss": [1.0, 0.125, None], "val_loss": [2.0, 0.25, None], "accuracy": [0.5, 0.75, None]}
    )
    page.wait_for_function("() => document.querySelectorAll('.chart').length === 2")
    opened.draw_all()
    page.wait_for_function("() => views[0].view.data('points').length === 4")

    assert page.evaluate("window.mark") == "kept"
    assert page.evaluate("views[0].view.data('points').map(row => row.y)") == [1, 0.125, 2, 0.25]
    assert page.evaluate("views[0].view.scale('x').domain()[1]") >= 3
    assert "validation 0.25" in page.inner_text('[data-title="loss"] .last')
    assert page.inner_text("#state") == "following"


def test_choices_stay_over_an_update(viewer, open_page):
    opened = open_page(viewer.address, offline=False)
    update_run_metrics(viewer, {"loss": [1.0, 0.5], "val_loss": [2.0, 1.0]})
    page = opened.page
    page.wait_for_selector('.legend button:text-is("validation")')
    opened.draw_all()
    page.click('.legend button:text-is("validation")')
    update_run_metrics(viewer, pl.DataFrame({"loss": [1.0, 0.5, 0.25], "val_loss": [2.0, 1.0, 0.5]}))
    page.wait_for_function("() => views[0].view.data('points').length === 3")


def test_the_end_is_told(viewer, open_page):
    page = open_page(viewer.address, offline=False).page
    viewer.close()
    page.wait_for_function("() => document.querySelector('#state').textContent === 'ended'")


def test_only_the_token_and_this_host_are_answered(viewer):
    address = urlsplit(viewer.address)
    answer, body = ask(viewer)
    assert answer.status == 200
    assert b"Content-Security-Policy" in body
    assert answer.getheader("X-Content-Type-Options") == "nosniff"
    assert answer.getheader("Cache-Control") == "no-store"
    assert address.hostname == "127.0.0.1"
    assert len(address.path) > 40

    for path in (
        "/",
        "/wrong/",
        f"{address.path}../",
        f"{address.path}etc/passwd",
        f"{address.path[:-2]}/",
        "*",
        "x",
    ):
        assert ask(viewer, path=path)[0].status == 404
    for host in ("evil.example", f"evil.example:{address.port}", "", "127.0.0.1"):
        assert ask(viewer, host=host)[0].status == 404
    assert ask(viewer, method="POST")[0].status == 501
    assert ask(viewer, method="HEAD")[1] == b""


def test_an_unchanged_page_is_not_sent_again(viewer):
    path = urlsplit(viewer.address).path
    assert ask(viewer, f"{path}metrics.json?seen=-1")[0].status == 200
    assert ask(viewer, f"{path}metrics.json?seen=0")[0].status == 204
    viewer.update({"loss": [1.0, 2.0]})
    assert ask(viewer, f"{path}metrics.json?seen=0")[0].status == 200


def test_tokens_are_fresh():
    with (
        view_run_metrics({}, viewer=lambda _: None) as one,
        view_run_metrics({}, viewer=lambda _: None) as two,
    ):
        assert urlsplit(one.address).path != urlsplit(two.address).path


def test_without_a_display_the_address_is_printed(capsys, monkeypatch):
    monkeypatch.setenv("SSH_CONNECTION", "here there")
    monkeypatch.setenv("BROWSER", "w3m")
    with view_run_metrics({"loss": [1.0]}) as viewer:
        assert capsys.readouterr().out == f"{viewer.address}\n"


def test_the_server_ends_with_its_process():
    script = textwrap.dedent("""
        from tfruns_rs import view_run_metrics
        view_run_metrics({"loss": [1.0]}, viewer=print)
    """)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("http://127.0.0.1:")
    assert done.stderr == ""


def test_a_notebook_shows_pictures_that_update(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_code_cell(
            "import time\n"
            "from tfruns_rs import update_run_metrics, view_run_metrics\n"
            "viewer = view_run_metrics({'loss': [1.0, None]})\n"
            "update_run_metrics(viewer, {'loss': [1.0, 0.125]})\n"
            "viewer.close()"
        )
    ]
    client.NotebookClient(notebook, timeout=120, kernel_name="python3").execute(cwd=str(tmp_path))
    (output,) = notebook.cells[0].outputs

    assert output["output_type"] == "display_data"
    assert output["data"]["text/plain"] == "loss (training): 0.125"
    assert "data:image/svg+xml;base64," in output["data"]["text/html"]
