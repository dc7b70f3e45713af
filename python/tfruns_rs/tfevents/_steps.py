"""The managed step: a counter for each logdir, for those who don't want to count."""

from tfruns_rs.tfevents._logdir import get_default_logdir
from tfruns_rs.tfevents._writer import writer_of


def get_global_step(increment: bool = True) -> int:  # noqa: FBT001, FBT002 - R's argument, by position there too
    """The managed step of the default logdir.

    The first step of an empty logdir is 0; one that holds events is continued after their largest step. A
    `log_event` without `step` takes the next one.

    Args:
        increment: Whether to go on to the next step and return that; otherwise the last one that was used is
            returned, -1 before any.

    Examples:
        >>> import tfruns_rs as tfr
        >>> with tfr.with_logdir(tmp_path):
        ...     first = tfr.set_global_step(10)
        ...     [tfr.get_global_step(), tfr.get_global_step(increment=False)]
        [11, 11]
    """
    step = writer_of(get_default_logdir()).next_step(increment=increment)
    return step if increment else step - 1


def set_global_step(step: int) -> int:
    """Set the managed step of the default logdir: the next one used is `step + 1`.

    Returns:
        The last step that was used before, -1 for none.
    """
    return writer_of(get_default_logdir()).set_next_step(step + 1) - 1
