"""Metrics as they come: a page that follows a training from a server on this machine, or a notebook's output.

The server listens on loopback, answers two addresses below a random token to requests that name its own host,
reads nothing from a request but its address, and ends with the process.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import sys
import threading
import time
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from tfruns_rs.views import _budget, _page
from tfruns_rs.views._charts import Chart, as_svg, chart_data, fit, history_charts
from tfruns_rs.views._data import history_of
from tfruns_rs.views._open import show_page

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from tfruns_rs.views._view import Metrics

_LINGER_SECS: Final = 5.0
"""How long a closed viewer still tells its page that it has ended."""

_NOTEBOOK_SHARE: Final = 0.1
"""How much of a training's time a notebook's pictures may take."""


class MetricsViewer:
    """An open view of metrics, made by `view_run_metrics`, fed by `update_run_metrics`.

    Attributes:
        address: Where the page is served; None in a notebook.
    """

    address: str | None = None

    def update(self, metrics: Metrics) -> None:
        """Shows other metrics."""
        self._show(charts_of(metrics))

    def close(self) -> None:
        """Ends the view: the page keeps the last metrics and says that it has ended."""

    def _show(self, charts: list[Chart]) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_viewer(metrics: Metrics, viewer: Callable[[str], object] | None = None) -> MetricsViewer:
    """Opens a view of metrics: a served page, or a notebook's output."""
    charts = charts_of(metrics)
    if viewer is None and in_notebook():
        return _NotebookViewer(charts)
    server = _ServedViewer(charts)
    show_page(server.address or "", viewer)
    return server


def charts_of(metrics: Metrics) -> list[Chart]:
    """The charts of a metrics frame or mapping."""
    budget = _budget.Budget()
    return fit(
        history_charts({"": history_of(metrics)}, keep_empty=True), budget.points, budget.series_points
    )


def in_notebook() -> bool:
    """Whether this runs in a Jupyter kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


@dataclass(frozen=True, slots=True)
class _State:
    version: int
    body: bytes


class _ServedViewer(MetricsViewer):
    def __init__(self, charts: list[Chart]) -> None:
        self._token = secrets.token_urlsafe(32)
        self._state = _state(0, charts, has_ended=False)
        self._page = _page.render("live", charts={"live": charts}, live=True).encode()
        self._charts = charts
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        host, port = self._server.server_address[:2]
        self.address = f"http://{host}:{port}/{self._token}/"
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, name="tfruns-live", daemon=True
        ).start()

    def _show(self, charts: list[Chart]) -> None:
        self._charts = charts
        self._state = _state(self._state.version + 1, charts, has_ended=False)

    def close(self) -> None:
        self._state = _state(self._state.version + 1, self._charts, has_ended=True)
        timer = threading.Timer(_LINGER_SECS, self._stop)
        timer.daemon = True
        timer.start()

    def _stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, host: str) -> tuple[HTTPStatus, str, bytes]:
        """What a request gets: its status, content type and body."""
        port = self._server.server_address[1]
        address, _, query = path.partition("?")
        parts = address.split("/")
        is_known = len(parts) == 3 and hmac.compare_digest(parts[1].encode(), self._token.encode())  # noqa: PLR2004 - "", token, name
        if host not in {f"127.0.0.1:{port}", f"localhost:{port}"} or not is_known:
            return HTTPStatus.NOT_FOUND, "text/plain", b""
        if parts[2] == "":
            return HTTPStatus.OK, "text/html; charset=utf-8", self._page
        if parts[2] != "metrics.json":
            return HTTPStatus.NOT_FOUND, "text/plain", b""
        state = self._state
        if query == f"seen={state.version}":
            return HTTPStatus.NO_CONTENT, "application/json", b""
        return HTTPStatus.OK, "application/json", state.body

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        viewer = self

        class Handler(BaseHTTPRequestHandler):
            server_version = "tfruns"
            sys_version = ""
            protocol_version = "HTTP/1.1"
            timeout = 30

            def do_GET(self) -> None:
                self._answer(with_body=True)

            def do_HEAD(self) -> None:
                self._answer(with_body=False)

            def _answer(self, *, with_body: bool) -> None:
                status, content_type, body = viewer.answer(self.path, self.headers.get("Host", ""))
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.send_header("X-Content-Type-Options", "nosniff")
                self.send_header("X-Frame-Options", "DENY")
                self.send_header("Referrer-Policy", "no-referrer")
                self.send_header("Cross-Origin-Resource-Policy", "same-origin")
                self.end_headers()
                if with_body:
                    self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                """Requests are not worth a line in a training's console."""
                del format, args

        return Handler


def _state(version: int, charts: list[Chart], *, has_ended: bool) -> _State:
    body = {"version": version, "ended": has_ended, "charts": chart_data(charts)}
    return _State(version, json.dumps(body, allow_nan=False, separators=(",", ":")).encode())


class _NotebookViewer(MetricsViewer):
    """Pictures of the charts in one output: no server, and there when it is reopened."""

    def __init__(self, charts: list[Chart]) -> None:
        self._charts = charts
        self._handle: Any = None
        self._next = 0.0
        self._draw()

    def _show(self, charts: list[Chart]) -> None:
        self._charts = charts
        if time.monotonic() >= self._next:
            self._draw()

    def close(self) -> None:
        self._draw()

    def _draw(self) -> None:
        from IPython.display import display  # pyright: ignore  # noqa: PGH003 - only in a notebook

        start = time.monotonic()
        content = {"text/html": notebook_html(self._charts), "text/plain": _words(self._charts)}
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)
        end = time.monotonic()
        self._next = end + (end - start) / _NOTEBOOK_SHARE


def notebook_html(charts: list[Chart]) -> str:
    """The charts as pictures in a row. An `img` runs no script, whatever its SVG says."""
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:8px">'
        + "".join(
            f'<img width="400" alt="{escape(_words([chart]))}" src="data:image/svg+xml;base64,'
            f'{base64.b64encode(as_svg(chart).encode()).decode()}">'
            for chart in charts
        )
        + "</div>"
    )


def _words(charts: list[Chart]) -> str:
    return "\n".join(
        f"{chart.title} ({series.name}): {_page.show_number(series.y[-1])}"
        for chart in charts
        for series in chart.series
        if series.y
    )
