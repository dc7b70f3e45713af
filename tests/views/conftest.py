"""Pages are opened as a reader opens them: in Chromium, from disk, with the network off."""

import os
import shutil

import pytest

# Chromium in a closed network: without these it looks for updates and names at every start.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def chromium():
    pytest.importorskip("altair", reason="the extra [view] is not installed")
    playwright = pytest.importorskip("playwright.sync_api")
    executable = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if executable is None:
        if os.environ.get("TFRUNS_REQUIRE_BROWSER"):
            pytest.fail("no Chromium: `make browser` installs it")
        pytest.skip("no Chromium: `make browser` installs it")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield browser
        browser.close()


class OpenPage:
    """A page in the browser, with all it said and asked for."""

    def __init__(self, page, address):
        self.page = page
        self.address = address
        self.complaints = []
        self.requests = []
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("dialog", self._on_dialog)
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(address)

    def _on_dialog(self, dialog):
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def draw_all(self):
        """Scrolls every visible chart into view and waits until it is drawn."""
        for chart in self.page.query_selector_all(".chart"):
            if chart.is_visible():
                chart.scroll_into_view_if_needed()
                self.page.wait_for_function("chart => chart.dataset.drawn === 'yes'", arg=chart)

    def values(self, card):
        """A card's values by name: numbers from their exact form, everything else as its text."""
        return self.page.eval_on_selector_all(
            f"#{card} dd",
            "dds => Object.fromEntries(dds.map(dd => "
            "[dd.dataset.name, dd.querySelector('data')?.value ?? dd.textContent]))",
        )


@pytest.fixture
def open_page(chromium):
    contexts = []
    opened = []

    def start(path, *, width=1280, offline=True, **options):
        context = chromium.new_context(viewport={"width": width, "height": 900}, offline=offline, **options)
        contexts.append(context)
        address = path if "://" in str(path) else path.as_uri()
        opened.append(OpenPage(context.new_page(), address))
        return opened[-1]

    yield start
    for one in opened:
        assert one.complaints == []
        outside = [url for url in one.requests if not url.startswith((one.address, "data:"))]
        assert outside == []
        assert one.requests
    for context in contexts:
        context.close()
