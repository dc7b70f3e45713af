"""Uploads in the background, which the training never waits for and never hears from.

One thread a run looks every few seconds at what there is and uploads it. What goes wrong is kept in
`run.sync_status` and tried again. `finish()` asks for a last upload and waits for it, for a limited time.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tfruns_rs.tracking._run import Run
    from tfruns_rs.tracking._upload import Request

INTERVAL_SECS = 15.0
LAST_SECS = 60.0


class SyncStatus(NamedTuple):
    """How the uploads of a run are doing.

    Attributes:
        state: "waiting", "uploading", or "stopped".
        uploads: How many got through.
        bytes_sent: What they sent.
        last_success: When the last one got through, in seconds since the epoch; None if none did.
        last_error: What went wrong since then; None if nothing did.
    """

    state: str = "waiting"
    uploads: int = 0
    bytes_sent: int = 0
    last_success: float | None = None
    last_error: str | None = None


class Sync:
    """The uploads of one run."""

    def __init__(self, run: Run, request: Request, interval_secs: float) -> None:
        self.status = SyncStatus()
        self._run = run
        self._request = request
        self._interval_secs = interval_secs
        self._pid = os.getpid()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="tfruns-sync", daemon=True)
        self._thread.start()
        if run._session is None:  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
            atexit.register(self.stop)
        else:  # the end of the run comes first
            run._session.followers.append(self)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    def stop(self, timeout_secs: float = LAST_SECS) -> None:
        """Uploads once more, and waits for it."""
        if os.getpid() != self._pid:
            return
        atexit.unregister(self.stop)
        self._stop.set()
        self._thread.join(timeout_secs)
        if self._thread.is_alive():
            problem = f"the last upload was not done after {timeout_secs:g} s"
            self.status = self.status._replace(state="stopped", last_error=problem)

    def _loop(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._stop.wait(self._interval_secs)
            self.status = self.status._replace(state="uploading")
            self._upload()
            self.status = self.status._replace(state="stopped" if is_last else "waiting")

    def _upload(self) -> None:
        from tfruns_rs.tracking._login import redacted
        from tfruns_rs.tracking._upload import upload_run

        try:
            report = upload_run(self._run, self._request)
        except Exception as error:  # noqa: BLE001 - the training goes on whatever happens here
            problem = redacted(f"{type(error).__name__}: {error}", self._request.login.secrets)
            self.status = self.status._replace(last_error=problem)
            return
        self.status = self.status._replace(
            uploads=self.status.uploads + 1,
            bytes_sent=self.status.bytes_sent + report.bytes_sent,
            last_success=time.time(),
            last_error=None,
        )


def start_sync(
    run: Run,
    folder: str,
    make_folder: bool,  # noqa: FBT001
    conflict_strategy: str,
    interval_secs: float | None = None,
) -> Sync:
    """Begins to upload a run in the background.

    Raises:
        NotLoggedInError: There is no destination.
    """
    from tfruns_rs.tracking._upload import request_of

    request = request_of(folder, make_folder, conflict_strategy)
    return Sync(run, request, INTERVAL_SECS if interval_secs is None else interval_secs)
