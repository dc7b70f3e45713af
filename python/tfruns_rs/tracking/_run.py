"""`Run`: one training as an object.

A run lives in its run directory, which `ls_runs()` lists like any other. Its metrics are the events in
`logs/`, one directory a type, so TensorBoard shows them; there is no second store. A `Run` made by its
constructor has no directory and keeps everything in memory.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from tfruns_rs.errors import RunClosedError
from tfruns_rs.tfruns import _record
from tfruns_rs.tracking import _associations
from tfruns_rs.tracking._annotate import mirror
from tfruns_rs.tracking._environment import git_of, platform_of
from tfruns_rs.tracking._hparams import HParams
from tfruns_rs.tracking._metadata import (
    COMPLETE,
    ERROR,
    KEYS,
    RUNNING,
    SHARED,
    STATUS_OF,
    parse_metadata,
    texts,
)
from tfruns_rs.tracking._metrics import (
    check_metric,
    frame_of,
    metrics_of,
    number,
    public_frame,
    read_metrics,
    whole,
)
from tfruns_rs.tracking._names import check_type, timestamp
from tfruns_rs.tracking._session import Session, error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    import polars as pl

    from tfruns_rs.tracking._metrics import Metrics
    from tfruns_rs.tracking._sync import Sync, SyncStatus
    from tfruns_rs.tracking._url import Url
    from tfruns_rs.tracking.tables import MetricsTable, MetricTableInfo


class Run:
    """A run of a training: what it is, what it was given, what it produced, and where it came from.

    `create_run()` starts one and `load_run()` opens one; the constructor makes one in memory.

    Args:
        metadata: `name, labels, description, startTimestamp, endTimestamp, status, alternativeName,
            associations, remote`, as `to_dict()` returns them. More keys are kept in `extra`.
        hparams: Hyperparameters; anything but a mapping is ignored.
        metrics: Metrics by type: `{"value": {name: number}, "sequence": {"epoch", "step", "timestamp"}}`
            each.
        platform: What is known of the machine.
        git: What is known of the sources.

    Raises:
        RunMetadataError: Keys are missing; the message names them. It is a `KeyError`.
        ValueError: The status is none of "Running", "Complete", "Error".

    Attributes:
        extra: Metadata that `to_dict()` does not know.

    Examples:
        >>> run = tfr.create_run(name="mnist", hparams={"lr": 0.01}, runs_dir=tmp_path)
        >>> run.log("train", {"loss": 0.25}, step=100, epoch=1)
        >>> run.finish()
        >>> run.status, run.metrics["train"][0]["value"]
        ('Complete', {'loss': 0.25})
    """

    extra: dict[str, Any]

    def __init__(
        self,
        metadata: Mapping[str, Any],
        hparams: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | None = None,
        platform: Mapping[str, Any] | None = None,
        git: Mapping[str, Any] | None = None,
    ) -> None:
        self._dir: str | None = None
        self._session: Session | None = None
        self._types: set[str] = set()
        self._sync: Sync | None = None
        self._values: dict[str, Any] = {}
        self.parse_from_dict(metadata)
        given = hparams if isinstance(hparams, Mapping) else None  # pyright: ignore[reportUnnecessaryIsInstance]
        self._hparams = HParams(given, self._hparams_changed)
        self._metrics = cast("Metrics", copy.deepcopy(dict(metrics or {})))
        self._platform, self._git = dict(platform or {}), dict(git or {})

    # What it is

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._values["name"]

    @property
    def alternative_name(self) -> str:
        """`<name>_<yymmdd>_<HHMMSS>_<6 characters>`: what identifies the run wherever it is uploaded to."""
        return self._values["alternative_name"]

    @property
    def labels(self) -> list[str]:
        """Labels; set a new list to change them."""
        return list(self._values["labels"])

    @labels.setter
    def labels(self, labels: Iterable[str]) -> None:
        self._change(labels=texts("labels", labels))

    @property
    def description(self) -> str:
        """A description; may be set."""
        return self._values["description"]

    @description.setter
    def description(self, description: str) -> None:
        self._change(description=str(description))

    @property
    def start_timestamp(self) -> str:
        """When it started: ISO 8601 with the local offset."""
        return self._values["start_timestamp"]

    @property
    def end_timestamp(self) -> str | None:
        """When it ended; None while it runs."""
        return self._values["end_timestamp"]

    @property
    def status(self) -> str:
        """One of "Running", "Complete" or "Error"; a run whose process is proven dead is "Error"."""
        if self._session is not None or self._dir is None:
            return self._values["status"]
        return STATUS_OF.get(self.effective_status, RUNNING)

    @property
    def effective_status(self) -> str:
        """The status in the words of `ls_runs()`, judged now: "killed" and "stale" beside "running"."""
        if self._dir is None:
            return {RUNNING: "running", COMPLETE: "completed", ERROR: "failed"}[self._values["status"]]
        import polars as pl

        from tfruns_rs import _core

        stream = _core.read_run(self._dir)
        return "invalid" if stream is None else pl.DataFrame(stream)["status"][0]

    @property
    def local(self) -> str | None:
        """The run's directory, absolute; None for a run in memory."""
        return self._dir

    @property
    def url(self) -> Url:
        """The run's directory as a `Url`.

        Raises:
            RunClosedError: The run has no directory.
        """
        from tfruns_rs.tracking._url import Url

        return Url(self._directory())

    @property
    def associations(self) -> dict[str, list[dict[str, str]]]:
        """What was marked as input and output."""
        return copy.deepcopy(self._values["associations"])

    asso = associations

    @property
    def remote(self) -> list[dict[str, str]]:
        """Uploads and downloads, oldest first: action, timestamp, host, path, id."""
        return copy.deepcopy(self._values["remote"])

    # What it was given and what it produced

    @property
    def hparams(self) -> HParams:
        """Hyperparameters: a mapping whose changes are written at once. May be set as a whole."""
        return self._hparams

    @hparams.setter
    def hparams(self, values: Mapping[str, Any]) -> None:
        fresh = HParams(values, self._hparams_changed)
        self._hparams_changed(fresh)
        self._hparams = fresh

    @property
    def metrics(self) -> Metrics:
        """Metrics by type, one entry a call of `log`, in the order of the calls."""
        if self._dir is None:
            return self._metrics
        self._flush()
        return metrics_of(read_metrics(self._dir))

    def metrics_frame(self) -> pl.DataFrame:
        """Metrics as a frame, one row a value.

        Returns:
            `type, name` (String), `step, epoch` (Int64), `timestamp` (Datetime in UTC), `value` (Float64),
            `canonical_type` (String: "train" for "training", "val" for "validation", …).
        """
        if self._dir is None:
            return public_frame(frame_of(self._metrics))
        self._flush()
        return public_frame(read_metrics(self._dir))

    @property
    def platform(self) -> dict[str, Any]:
        """The machine it ran on, as it was when the run started."""
        return self._platform if self._dir is None else platform_of(self.environment)

    @property
    def git(self) -> dict[str, Any]:
        """The sources it was made of, as they were when the run started."""
        return self._git if self._dir is None else git_of(self.environment)

    @property
    def environment(self) -> dict[str, Any]:
        """What is known of the machine, the sources and the command line, as `environment.json` has it."""
        return (
            {} if self._dir is None else _record.read_json(f"{self._dir}/{_record.META_DIR}/environment.json")
        )

    def log(self, type: str, metrics: Mapping[str, Any], step: int, epoch: int | None = None) -> None:  # noqa: A002 - the original's name
        """Logs a set of metrics.

        Args:
            type: "train" (or "training"), "val" (or "validate", "validation"), "test" (or "testing", "eval",
                "evaluate", "evaluation"), or any other; it names a directory of event files.
            metrics: Numbers by name: Python's, or scalars and one-element arrays of any library. NaN and the
                infinities are kept.
            step: The step they belong to. A whole float (3.0) is accepted.
            epoch: The epoch they belong to.

        Raises:
            TypeError: A metric that is no number; nothing is logged then.
            ValueError: No metrics, or a type that can't be a directory.
            RunClosedError: The run was opened for reading.
        """
        kind = type if type in self._types else check_type(type)
        values = {check_metric(name): number(name, value) for name, value in metrics.items()}
        if not values:
            raise ValueError("there are no metrics to log")
        step = whole("step", step)
        epoch = None if epoch is None else whole("epoch", epoch)
        self._types.add(kind)
        now = time.time()
        if self._session is not None:
            if not self._session.is_open:
                import warnings

                warnings.warn(
                    f"run {self.name!r} has ended; its metrics are logged all the same", stacklevel=2
                )
            self._session.log(kind, values, step, epoch, now)
        elif self._dir is None:
            sequence = {"epoch": epoch, "step": step, "timestamp": timestamp(now)}
            self._metrics.setdefault(kind, []).append({"value": values, "sequence": sequence})
        else:
            raise self._read_only("log")

    # What it read and made

    def mark_input(self, resource: Any) -> None:
        """Marks what the run reads: an artifact, a table, another run, a `Url` or path, a model or dataset.

        Marking it again changes nothing.

        Raises:
            TypeError: It is no such thing.
        """
        self._mark("input", resource)

    def mark_output(self, resource: Any) -> None:
        """Marks what the run made; see `mark_input`. An artifact is frozen by it.

        Raises:
            TypeError: It is no such thing.
        """
        entry = _associations.entry_of(resource)
        if entry["kind"] == "Artifact" and hasattr(resource, "freeze"):
            resource.freeze()
        self._mark("output", resource)

    def _mark(self, role: str, resource: Any) -> None:
        entry = _associations.entry_of(resource)

        def mark(record: dict[str, Any]) -> None:
            associations = record.setdefault("associations", {"input": [], "output": []})
            _associations.add(associations.setdefault(role, []), entry)

        self._update(mark)

    def upstream(self) -> list[dict[str, str]]:
        """What the run reads: its inputs."""
        return self.associations["input"]

    def downstream(self) -> list[dict[str, str]]:
        """What the run made: its outputs."""
        return self.associations["output"]

    # Its metrics tables

    @property
    def metric_infos(self) -> list[MetricTableInfo]:
        """The registered metrics tables: url (relative to the run), file_size, stream_name, row_count."""
        from tfruns_rs.tracking.tables import metric_infos

        return metric_infos(self._directory())

    @property
    def metrics_tables(self) -> list[MetricsTable]:
        """The registered metrics tables, opened.

        Raises:
            FileNotFoundError: One is gone.
        """
        from tfruns_rs.tracking.tables import metrics_tables

        return metrics_tables(self._directory())

    def update_metrics(
        self, infos: Iterable[Mapping[str, Any]] | None = None, *, validate: bool = True
    ) -> None:
        """Registers metrics tables; those that are registered already stay as they are.

        Args:
            infos: As `MetricsTableWriter.get_written_metrics_infos()` returns them; by default all tables
                that lie in the run's directory.
            validate: Whether to look if the tables are there.

        Raises:
            FileNotFoundError: There is no such table.
        """
        from tfruns_rs.tracking.tables import update_metrics

        update_metrics(self._directory(), infos, validate=validate)

    def joined(
        self,
        stream: str | None = None,
        foreign: str | os.PathLike[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.LazyFrame:
        """The rows of the run's metrics tables, each with what it speaks about, lazily.

        Args:
            stream: The series of tables to take; None for all.
            foreign: The foreign table, by URL or display name; None if all speak about the same one.
            columns: The columns of the foreign table to add; None for all.

        Raises:
            MetricsTableError: The tables speak about several foreign tables, or there is none to take.
        """
        from tfruns_rs.tracking.tables import joined

        return joined(self._directory(), stream, foreign, columns)

    def export_em(self, parent: str | os.PathLike[str]) -> str:
        """Writes the run as a directory of t9k's `em`, below `parent`, under its alternative name.

        Returns:
            The directory.

        Raises:
            FileExistsError: There is one already.
        """
        from tfruns_rs.tracking._em import write_em_run

        return write_em_run(self, os.fspath(parent))

    # Its end

    def finish(self, *_args: Any, **_kwargs: Any) -> None:
        """Ends the run: its status is "Complete".

        Raises:
            RunClosedError: It has ended before.
        """
        self._end(COMPLETE, None)

    def fail(self, error: BaseException | str) -> None:
        """Ends the run: its status is "Error".

        Raises:
            RunClosedError: It has ended before.
        """
        if isinstance(error, BaseException):
            self._end(ERROR, error_of(error, error.__traceback__))
        else:
            self._end(ERROR, {"message": error, "traceback": []})

    def _end(self, status: str, error: dict[str, Any] | None) -> None:
        if self._dir is not None and self._session is None:
            raise self._read_only("finish")
        if self._values["status"] != RUNNING:
            raise RunClosedError(f"run {self.name!r} has ended before, with status {self._values['status']}")
        now = time.time() if self._session is None else self._session.end(status, error)
        self._values.update(status=status, end_timestamp=timestamp(now))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._values["status"] == RUNNING and (self._session is not None or self._dir is None):
            if error is None:
                self.finish()
            else:
                self.fail(error)

    # Its uploads

    def upload(
        self,
        folder: str = "default",
        make_folder: bool = False,  # noqa: FBT001, FBT002 - the original's signature
        conflict_strategy: str = "new",
        *,
        progress: Callable[[int, int], object] | None = None,
    ) -> None:
        """Uploads the run to the destination of `login()`, with its artifacts and the edges to them.

        The name leads to the run only when all of it is there. Uploading it again sends what has changed; one
        that was interrupted goes on.

        Args:
            folder: The folder; `a/b` is `/<user>/a/b`.
            make_folder: Whether to make the folder if it is missing. The user's own `default` is made anyway.
            conflict_strategy: What to do if another run has the name: "skip" uploads nothing, "error" raises,
                "new" uploads under the alternative name, "replace" takes over the name.
            progress: Called with the bytes sent so far and those to send.

        Raises:
            ValueError: An unknown strategy, or a folder that is none.
            NotLoggedInError: There is no destination.
            FolderNotFoundError: There is no such folder.
            ConflictError: The name is taken, and the strategy is "error".
            UploadError: It did not get through.
        """
        from tfruns_rs.tracking._upload import request_of, upload_run

        upload_run(self, request_of(folder, make_folder, conflict_strategy, progress))

    @property
    def sync_status(self) -> SyncStatus | None:
        """How `auto_upload` is doing (state, uploads, bytes_sent, last_success, last_error), if it is on."""
        return None if self._sync is None else self._sync.status

    # As a document

    def to_dict(self) -> dict[str, Any]:
        """The metadata as a document: `kind` and the nine keys that the constructor takes."""
        values = {**self._values, "status": self.status}
        return {"kind": "Run", **{key: copy.deepcopy(values[field]) for key, field in KEYS.items()}}

    def parse_from_dict(self, data: Mapping[str, Any]) -> None:
        """Takes over the metadata of a document that `to_dict()` made.

        Raises:
            RunMetadataError: Keys are missing.
            ValueError: The status is unknown.
        """
        self._values, self.extra = parse_metadata(data)
        if self._dir is not None:
            self._change(**self._values)

    def __repr__(self) -> str:
        where = f", local={self._dir!r}" if self._dir else ""
        return f"Run(name={self.name!r}, status={self._values['status']!r}{where})"

    def _repr_html_(self) -> str:
        from tfruns_rs.views._notebook import tables_html

        about = {"start": self.start_timestamp, "end": self.end_timestamp, "directory": self._dir}
        groups = {
            "Run": {name: value for name, value in about.items() if value is not None},
            "Hyperparameters": self.hparams.as_dict(),
        }
        return tables_html(self.name, str(self._values["status"]), groups)

    # Inside

    def _bind(self, directory: str, session: Session | None) -> Self:
        """Ties the object to a run directory; with a session it takes metrics."""
        self._dir, self._session = directory, session
        return self

    def _directory(self) -> str:
        if self._dir is None:
            raise RunClosedError(f"run {self.name!r} has no directory: create_run() makes one with it")
        return self._dir

    def _flush(self) -> None:
        if self._session is not None:
            self._session.flush()

    def _read_only(self, what: str) -> RunClosedError:
        return RunClosedError(
            f"can't {what}: run {self.name!r} was opened for reading;"
            " load_run(path, resume=True) goes on with it"
        )

    def _change(self, **values: Any) -> None:
        def change(record: dict[str, Any]) -> None:
            record.update(values)

        self._update(change)
        self._values.update(copy.deepcopy(values))
        if self._dir is not None:
            mirror(self._dir, values)

    def _update(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Changes the metadata, and their file where there is one."""
        if self._dir is None:
            change(self._values)
            return
        given = {field: self._values[field] for field in KEYS.values()}

        def merged(record: dict[str, Any]) -> None:
            for field, value in given.items():
                record.setdefault(field, value)
            change(record)

        record = _record.update(self._dir, merged)
        self._values.update({field: copy.deepcopy(record[field]) for field in SHARED})

    def _hparams_changed(self, hparams: HParams) -> None:
        if self._dir is None:
            return
        if self._session is None:
            raise self._read_only("change hyperparameters")
        from tfruns_rs.tracking._hparams_file import write_hparams

        write_hparams(self._dir, hparams.as_dict())
