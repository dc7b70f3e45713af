"""What can go wrong, as classes.

Every error of this library is a `TfrunsError` and also the built-in a Python user would catch. Trouble with
files themselves stays a plain `OSError` (`FileNotFoundError`, `PermissionError`, …) with its errno and path.
"""


class TfrunsError(Exception):
    """The root of all errors that tfruns_rs raises itself."""


class InvalidEventError(TfrunsError, ValueError):
    """A value, tag, run name, step or time that can't be logged."""


class WriterClosedError(TfrunsError, ValueError):
    """A record was given to a writer after it was closed."""


class BufferFullError(TfrunsError, RuntimeError):
    """The writer's buffer is full and `on_full="raise"` was asked for. The record was not taken."""


class CorruptRecordError(TfrunsError, ValueError):
    """An event file holds damaged bytes and `on_corrupt="raise"` was asked for.

    Attributes:
        path: The event file.
        offset: Where in the file the damage begins, in bytes.
    """

    path: str | None = None
    offset: int | None = None


class CorruptRecordWarning(UserWarning):
    """An event file holds damaged bytes; what could be read was."""


class LogdirNotFoundError(TfrunsError, FileNotFoundError):
    """There is no such log directory."""


class FlagsError(TfrunsError, ValueError):
    """A flag that is undeclared, declared twice or can't be converted to its type."""


class RunNotFoundError(TfrunsError, FileNotFoundError):
    """There is no such run."""


class TrainingRunError(TfrunsError, RuntimeError):
    """The script of a training run failed. The run is recorded.

    Attributes:
        run_dir: The run's directory.
        returncode: The script's exit code; negative for a signal, None in process.
        traceback: The script's traceback, if it left one.
    """

    run_dir: str | None = None
    returncode: int | None = None
    traceback: str | None = None


class RunBusyError(TfrunsError, RuntimeError):
    """A run that is running was to be resumed."""


class MissingExtraError(TfrunsError, ImportError):
    """An optional part is not installed; the message says what to install."""


class RunMetadataError(TfrunsError, KeyError):
    """The metadata of a run or artifact lack a key."""

    def __str__(self) -> str:
        return Exception.__str__(self)


class RunClosedError(TfrunsError, RuntimeError):
    """A run that has ended, or was opened for reading, was asked to change."""


class ArtifactError(TfrunsError, RuntimeError):
    """An artifact that is frozen, damaged, or was given a file that is not there."""


class NotLoggedInError(TfrunsError, RuntimeError):
    """There is no destination: `login(url)` comes first."""


class FolderNotFoundError(TfrunsError, ValueError):
    """The destination has no such folder, and `make_folder` was not asked for."""


class ConflictError(TfrunsError, RuntimeError):
    """Another run or artifact has the name, or a download meets something else in its place."""


class UploadError(TfrunsError, RuntimeError):
    """An upload or download did not get through. Doing it again goes on where it stopped."""


class NoActiveRunError(TfrunsError, RuntimeError):
    """Something needs a run, none was named and none is active."""


class MetricsTableError(TfrunsError, ValueError):
    """A metrics table that can't be written or read."""


class BatchError(MetricsTableError):
    """A batch that does not fit its metrics table. The table is as it was before.

    Attributes:
        batch: The number of the batch, from 0.
        column: The column, if one is at fault.
    """

    batch: int | None = None
    column: str | None = None


class ForeignKeyError(MetricsTableError):
    """Example ids that the foreign table has no rows for.

    Attributes:
        count: How many rows of the metrics table.
        example_ids: The first of the ids.
    """

    count: int = 0
    example_ids: tuple[int, ...] = ()


class SweepNotFoundError(TfrunsError, FileNotFoundError):
    """There is no such sweep."""
