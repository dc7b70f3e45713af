"""MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfruns_rs.tracking._login import Login
    from tfruns_rs.tracking._run import Run
    from tfruns_rs.tracking._upload import Report, Request


def check_mlflow(login: Login, api_key: str | None, timeout: float | None) -> None:
    raise NotImplementedError


def upload_to_mlflow(run: Run, request: Request) -> Report:
    raise NotImplementedError
