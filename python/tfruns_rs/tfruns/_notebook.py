"""A link to a run's report, in notebooks only."""

from __future__ import annotations

import sys
from contextlib import suppress

from tfruns_rs.errors import MissingExtraError


def show_link(run_dir: str) -> None:
    """Shows a link to the report of a run where the session is a notebook; does nothing elsewhere."""
    if "ipykernel" not in sys.modules:
        return
    from IPython.display import FileLink, display  # pyright: ignore[reportMissingImports, reportUnknownVariableType]

    from tfruns_rs.views import save_run_view

    with suppress(MissingExtraError):  # the run itself is fine without a report
        display(FileLink(str(save_run_view(run_dir)), result_html_prefix="Run report: "))
