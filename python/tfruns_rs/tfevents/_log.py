"""`log_event`: one call, one step, any number of values."""

import time
from collections.abc import Mapping
from typing import Any

from tfruns_rs._core import EventWriter
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._logdir import get_default_logdir
from tfruns_rs.tfevents._summary import Summary
from tfruns_rs.tfevents._writer import writer_of


def log_event(
    data: Mapping[str, Any] | Summary | None = None,
    /,
    *more: Mapping[str, Any] | Summary,
    step: int | None = None,
    wall_time: float | None = None,
    **values: Any,
) -> None:
    """Log values to the default logdir.

    A number becomes a scalar, a string a text, a summary (`summary_image`, …) itself, and a mapping names a
    run: its values go to a directory of that name. All values of a call share one step and one time. Nothing
    is written unless all of them can be.

    The values are in their files within a second, at `flush()`, and when the interpreter ends.

    Args:
        data: A mapping of names to values, or a summary that has a tag; for names that can't be keywords.
        more: More of these.
        step: The step; the next managed one by default.
        wall_time: The time in seconds since the epoch; now by default.
        values: Values by name.

    Raises:
        InvalidEventError: A value, name, step or time that can't be logged; also a mapping without values.
        OSError: The values of an earlier call could not be written. They are kept and tried again.

    Examples:
        >>> import tfruns_rs as tfr
        >>> with tfr.with_logdir(tmp_path):
        ...     tfr.log_event(loss=0.25, note="first")
        ...     tfr.log_event(train={"loss": 0.2}, valid={"loss": 0.3}, step=1)
    """
    writer = writer_of(get_default_logdir())
    if data is None and not more:
        if values and writer._log_plain((values,), step, wall_time):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            return
        parts: tuple[Any, ...] = (values,)
    else:
        parts = (data, *more, values) if values else (data, *more)
    _log_parts(writer, parts, step, wall_time)


def _log_parts(
    writer: EventWriter, parts: tuple[Any, ...], step: int | None, wall_time: float | None
) -> None:
    """The general way: everything becomes events first."""
    from tfruns_rs.tfevents._events import as_event

    names: set[str] = set()
    events: list[Any] = []
    now = time.time() if wall_time is None else wall_time
    for part in parts:
        for name in _names(part):
            if name in names:
                raise InvalidEventError(f"{name!r} is given twice; names must be unique")
            names.add(name)
        if part is None:
            raise InvalidEventError("None can't be logged; give a mapping, a summary or values by name")
        if part or not isinstance(part, Mapping):
            events += as_event(part, 0 if step is None else step, now)
    writer.add_values([(e.run, e.summary.tag, e.summary.fields) for e in events], step, wall_time)


def _names(part: Any) -> list[str]:
    """The names that a mapping or a summary brings into a call."""
    if isinstance(part, Summary):
        return [part.tag] if part.tag else []
    return list(part) if isinstance(part, Mapping) else []  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
