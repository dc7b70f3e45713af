"""The border: the compiled part of tfruns_rs, typed. `stubtest` checks this file against the binary."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, SupportsFloat, SupportsIndex, TypedDict, final, type_check_only

from typing_extensions import Buffer, CapsuleType

__all__ = [
    "ArrowStream",
    "BatchLog",
    "EventFiles",
    "EventListing",
    "EventWriter",
    "Heartbeat",
    "ReadReport",
    "Snapshot",
    "__version__",
    "after_fork_in_child",
    "after_fork_in_parent",
    "batch_log_end",
    "before_fork",
    "close_parquet",
    "copy_files",
    "copy_tree",
    "decode_histo",
    "decode_hparams",
    "decode_non_finite",
    "decode_png",
    "decode_wav",
    "encode_audio",
    "encode_gif",
    "encode_histo",
    "encode_histogram",
    "encode_hparams_end",
    "encode_hparams_experiment",
    "encode_hparams_session",
    "encode_hparams_start",
    "encode_image",
    "encode_images",
    "encode_layout",
    "encode_mesh_content",
    "encode_metadata",
    "encode_png",
    "encode_pr_curve_content",
    "encode_scalar",
    "encode_strings",
    "encode_tensor",
    "encode_wav",
    "exit_writers",
    "flush_writers",
    "forget_runs",
    "judge_beat",
    "list_event_files",
    "move_tree",
    "pack_source",
    "read_events",
    "read_run",
    "read_run_metrics",
    "run_files_opened",
    "scan_runs",
    "summary_cell",
    "unique_run_dir",
    "write_atomic",
    "write_rows",
]

__version__: str

@final
class ArrowStream:
    def __arrow_c_stream__(self, requested_schema: object = None) -> CapsuleType: ...

@final
class BatchLog:
    def __new__(
        cls,
        path: str | os.PathLike[str],
        number: int,
        like: object,
        spare: str | os.PathLike[str] | None = None,
        after: BatchLog | None = None,
    ) -> Self: ...
    @property
    def size(self) -> int: ...
    def append(self, frame: object) -> None: ...
    def append_columns(
        self, columns: dict[str, Any], key: str | None = None, limit: int | None = None
    ) -> int | None: ...
    def close(self) -> ArrowStream: ...

@final
class EventFiles:
    def __len__(self) -> int: ...
    @property
    def runs(self) -> list[str]: ...
    @property
    def paths(self) -> list[str]: ...
    @property
    def sizes(self) -> list[int]: ...
    @property
    def ids(self) -> list[tuple[int, int]]: ...
    def resume(self, starts: Sequence[tuple[int, int]]) -> EventFiles: ...
    def part(self, number: int, start: int, end: int) -> EventFiles: ...
    def copy_whole(
        self, number: int, target: str | os.PathLike[str], lost: Sequence[tuple[int, int]], end: int
    ) -> None: ...
    def select(self, numbers: Sequence[int]) -> EventFiles: ...

@final
class EventListing:
    def __new__(cls, logdirs: Sequence[str | os.PathLike[str]], fold: bool) -> Self: ...
    def refresh(self) -> EventFiles: ...

@final
class ReadReport:
    @property
    def losses(self) -> list[tuple[str, int, int, str, int, int | None]]: ...
    @property
    def attempts(self) -> list[list[tuple[str, float, float]]]: ...
    @property
    def files_opened(self) -> int: ...
    @property
    def records(self) -> int: ...
    @property
    def skipped(self) -> int: ...
    @property
    def ends(self) -> list[int | None]: ...

def batch_log_end(data: bytes, number: int) -> int: ...
def close_parquet(
    path: str | os.PathLike[str], ends: Sequence[int], entries: Sequence[tuple[str, str]]
) -> int: ...
def decode_histo(
    histo: bytes,
) -> tuple[list[tuple[float, float, float]], tuple[float, float, float, float, float]] | None: ...
def decode_hparams(content: bytes) -> tuple[Any, ...] | None: ...
def decode_non_finite(content: bytes) -> tuple[int, int, int]: ...
def decode_png(png: bytes) -> tuple[int, int, int, int, bytes]: ...
def decode_wav(wav: bytes) -> tuple[int, int, int, bool, bytes]: ...
def encode_audio(wav: bytes, sample_rate: float, channels: int, frames: int) -> bytes: ...
def encode_gif(data: Buffer, dtype: str, shape: tuple[int, int, int], delay: int) -> tuple[bytes, bool]: ...
def encode_histo(
    moments: tuple[float, float, float, float, float], bucket_limit: Sequence[float], bucket: Sequence[float]
) -> bytes: ...
def encode_histogram(data: Buffer, dtype: str, buckets: int) -> tuple[bytes, bytes, tuple[int, int, int]]: ...
def encode_hparams_end(status: int, end_time_secs: float) -> bytes: ...
def encode_hparams_experiment(
    hparams: Sequence[tuple[str, Sequence[bool | float | str] | None, tuple[float, float] | None, str, str]],
    metrics: Sequence[tuple[str, str, str, str, int]],
    time_created_secs: float,
) -> bytes: ...
def encode_hparams_session(
    hparams: Sequence[tuple[str, bool | float | str | None, Sequence[bool | float | str] | None]],
    metrics: Sequence[str],
) -> tuple[bytes, bytes, bytes]: ...
def encode_hparams_start(
    hparams: Sequence[tuple[str, bool | float | str]], trial: str, start_time_secs: float
) -> bytes: ...
def encode_image(image: bytes, width: int, height: int, colorspace: int, metadata: bytes) -> bytes: ...
def encode_images(
    data: Buffer, dtype: str, shape: tuple[int, int, int, int], metadata: bytes
) -> tuple[bytes, bool]: ...
def encode_layout(
    categories: Sequence[
        tuple[str, bool, Sequence[tuple[str, Sequence[str] | Sequence[tuple[str, str, str]]]]]
    ],
) -> bytes: ...
def encode_mesh_content(name: str, kind: int, kinds: list[int], shape: list[int], config: str) -> bytes: ...
def encode_metadata(plugin_name: str, content: bytes, display_name: str, description: str) -> bytes: ...
def encode_png(data: Buffer, width: int, height: int, channels: int) -> bytes: ...
def encode_pr_curve_content(num_thresholds: int) -> bytes: ...
def encode_scalar(value: float, exact: bool, metadata: bytes) -> bytes: ...
def encode_strings(
    elements: list[bytes], shape: list[int], dim_names: list[str] | None, metadata: bytes
) -> bytes: ...
def encode_tensor(
    data: Buffer, dtype: str, shape: list[int], dim_names: list[str] | None, metadata: bytes
) -> bytes: ...
def summary_cell(
    fields: bytes,
) -> tuple[str, str | None, list[int] | None, bytes | None, bytes]: ...
def encode_wav(data: Buffer, dtype: str, channels: int, sample_rate: int) -> bytes: ...

@type_check_only
class _WriterStats(TypedDict):
    events: int
    bytes: int
    batches: int
    buffered_bytes: int
    waits: int
    dropped: int
    errors: int
    last_error: str | None
    sharing: str
    completed: int

@final
class EventWriter:
    """Writes the events of one logdir. Threads may share it; forked and spawned children may use it.

    A call copies the record into a buffer and returns; a thread in the background writes the buffers of all
    writers. A context manager: its end closes the writer.

    Args:
        logdir: The directory; made with the first record. A relative one is resolved now.
        flush_secs: How long a record may wait, in seconds. 0 writes it before the call returns.
        max_buffer_bytes: How much may wait, in bytes.
        filename_suffix: The end of the event files' names.
        exact: Keep a float64 that is no float32 beside the float32 that other readers take.
        metadata: Write a scalar's metadata `"always"`, or only with the `"first"` value of each tag, which
            saves 13 bytes a record; R finds no scalar without.
        on_full: What a full buffer means for the caller: `"block"` until there is room, or `"raise"`
            `BufferFullError`.
        on_error: What a failed write means for the caller: `"raise"` at the next call, or `"warn"` once and
            count.
        shared: Append to one file together with other processes of this host that say so.
        lock_timeout_secs: How long to wait for the others, in seconds; then a file of its own is written.

    Raises:
        ValueError: An argument makes no sense.

    Examples:
        >>> import tfruns_rs as tfr
        >>> with tfr.EventWriter(tmp_path / "logs") as writer:
        ...     for step in range(3):
        ...         writer.add_scalar("loss", 1 / (step + 1), step)
        >>> tfr.collect_events(tmp_path / "logs", type="scalar")["step"].to_list()
        [0, 1, 2]
    """

    def __new__(
        cls,
        logdir: str | os.PathLike[str],
        *,
        flush_secs: float = 1.0,
        max_buffer_bytes: int = 67108864,
        filename_suffix: str = ".v2",
        exact: bool = True,
        metadata: Literal["always", "first"] = "always",
        on_full: Literal["block", "raise"] = "block",
        on_error: Literal["raise", "warn"] = "raise",
        shared: bool = False,
        lock_timeout_secs: float = 5.0,
    ) -> Self: ...
    def add_scalar(
        self,
        tag: str,
        value: SupportsFloat,
        step: SupportsIndex | None = None,
        *,
        wall_time: float | None = None,
        run: str | None = None,
    ) -> None:
        """Logs a number.

        Args:
            tag: Its name.
            value: An int, float or bool, a numpy scalar, or an array or tensor of one element.
            step: Its step; the next managed one if left out.
            wall_time: Its time in seconds since the epoch; now if left out.
            run: A directory below the logdir; the logdir itself if left out.

        Raises:
            InvalidEventError: A tag, value, step or time that can't be logged.
            BufferFullError: The buffer is full and `on_full="raise"`. The record was not taken.
            WriterClosedError: The writer is closed.
            OSError: Earlier records could not be written. They are kept and tried again.
        """

    def add_scalars(
        self,
        values: Mapping[str, SupportsFloat],
        step: SupportsIndex | None = None,
        *,
        wall_time: float | None = None,
        run: str | None = None,
    ) -> None:
        """Logs numbers by their tags, all under one step and time: all of them or, after an error, none.

        Its errors are those of `add_scalar`.
        """

    def add_text(
        self,
        tag: str,
        text: str,
        step: SupportsIndex | None = None,
        *,
        wall_time: float | None = None,
        run: str | None = None,
    ) -> None:
        """Logs a text, which TensorBoard shows as Markdown.

        Its errors are those of `add_scalar`.
        """

    def add_scalar_series(
        self,
        tag: str,
        steps: Any,
        values: Any,
        wall_times: Any = None,
        *,
        run: str | None = None,
    ) -> None:
        """Logs a whole series of numbers.

        Args:
            tag: Their name.
            steps: Their steps: an array, series or sequence of integers, shape (n,).
            values: The numbers: an array, series or sequence of floats or integers, shape (n,).
            wall_times: Their times in seconds since the epoch, shape (n,); now if left out.
            run: A directory below the logdir; the logdir itself if left out.

        Raises:
            InvalidEventError: The shapes differ, or something is no number.
            OSError: Records could not be written. They are kept and tried again.

        Examples:
            >>> import numpy as np, tfruns_rs as tfr
            >>> with tfr.EventWriter(tmp_path / "series") as writer:
            ...     writer.add_scalar_series("loss", np.arange(4), np.array([1.0, 0.5, 0.25, 0.125]))
            >>> tfr.collect_events(tmp_path / "series", type="scalar")["value"].to_list()
            [1.0, 0.5, 0.25, 0.125]
        """

    def add_values(
        self,
        values: list[tuple[str, str, bytes]],
        step: SupportsIndex | None = None,
        wall_time: float | None = None,
    ) -> None: ...
    def _log_plain(
        self, mappings: tuple[dict[str, Any], ...], step: SupportsIndex | None, wall_time: float | None
    ) -> bool: ...
    def _log_message(
        self,
        field: int,
        message: bytes,
        step: int,
        wall_time: float | None = None,
        *,
        run: str | None = None,
    ) -> None: ...
    def _log_metrics(
        self,
        run: str,
        values: dict[str, float],
        step: int,
        wall_time: float,
        epoch: int | None,
        call: int,
    ) -> None: ...
    def flush(self) -> None:
        """Returns when all that this process logged before is in its files: a barrier.

        Raises:
            OSError: It could not be written. It is kept and tried again.
        """

    def sync(self) -> None:
        """Flushes, and waits until the files are on the disk.

        Raises:
            OSError: What was not written yet could not be.
        """

    def close(self) -> None:
        """Flushes and ends the writer. A second call does nothing.

        Raises:
            OSError: What was not written yet could not be.
        """

    def next_step(self, *, increment: bool = True) -> int:
        """The next managed step, which it uses up unless told otherwise."""

    def set_next_step(self, step: SupportsIndex, /) -> int:
        """Makes a step the next managed one; returns what would have been."""

    def stats(self) -> _WriterStats:
        """The counters: events, bytes, batches, waits, errors, and what sharing came to.

        Examples:
            >>> import tfruns_rs as tfr
            >>> with tfr.EventWriter(tmp_path / "counted") as writer:
            ...     writer.add_scalar("loss", 0.5, 0)
            ...     writer.flush()
            ...     writer.stats()["events"]
            1
        """

    @property
    def logdir(self) -> str:
        """Where the writer's runs are: an absolute path."""

    @property
    def files(self) -> list[str]:
        """The event files written now, one a run."""

    @property
    def closed(self) -> bool:
        """Whether the writer is closed."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...
    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]: ...

def flush_writers() -> None: ...
def exit_writers(deadline_secs: float) -> list[tuple[str, int]]: ...
def before_fork() -> None: ...
def after_fork_in_parent() -> None: ...
def after_fork_in_child() -> None: ...

@final
class Heartbeat:
    def __new__(cls, path: str | os.PathLike[str], pid: int, interval_secs: float = 10.0) -> Self: ...
    def stop(self) -> None: ...

def forget_runs() -> None: ...
def judge_beat(path: str | os.PathLike[str]) -> Literal["live", "overdue", "dead"] | None: ...
def run_files_opened() -> int: ...
def pack_source(
    archive: str | os.PathLike[str], files: list[tuple[str, str]], max_bytes: int
) -> list[tuple[str, str]]: ...
def read_run(run_dir: str | os.PathLike[str]) -> ArrowStream | None: ...
def read_run_metrics(
    run_dirs: Sequence[str | os.PathLike[str]], only: list[str] | None = None
) -> ArrowStream: ...
def scan_runs(
    runs_dir: str | os.PathLike[str],
    latest_n: int | None = None,
    columns: list[str] | None = None,
    best: list[tuple[str, bool]] | None = None,
    only: set[str] | None = None,
) -> ArrowStream: ...
def unique_run_dir(runs_dir: str | os.PathLike[str], seconds_scale: int = 0) -> str: ...
def write_atomic(path: str | os.PathLike[str], data: bytes, durable: bool = False) -> None: ...
def list_event_files(logdirs: Sequence[str | os.PathLike[str]], fold: bool) -> EventFiles: ...
def read_events(
    files: EventFiles,
    kind: str,
    columns: Sequence[str],
    *,
    without: Sequence[str] | None = None,
    tag_filter: Callable[[str], bool] | None = None,
    steps: Sequence[tuple[int, int]] | None = None,
    wall_time: tuple[float, float] | None = None,
    without_plugins: Sequence[str] | None = None,
    limit: int | None = None,
    lazy: bool = False,
    threads: int = 0,
) -> tuple[ArrowStream, ReadReport]: ...

@final
class Snapshot:
    def __new__(
        cls,
        root: str | os.PathLike[str],
        skipped: Sequence[str | os.PathLike[str]] = ...,
        runs_dir: str | os.PathLike[str] | None = None,
    ) -> Self: ...
    def __len__(self) -> int: ...
    def changed(self, later: Snapshot) -> list[tuple[Path, int]]: ...

def copy_files(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    files: Sequence[str | os.PathLike[str]],
) -> list[tuple[Path, str]]: ...
def copy_tree(
    source: str | os.PathLike[str], target: str | os.PathLike[str], without: list[str] = ...
) -> list[Path]: ...
def move_tree(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None: ...
def write_rows(
    stream: CapsuleType, logdir: str | os.PathLike[str], exact: bool, filename_suffix: str
) -> tuple[int, list[Path]]: ...
