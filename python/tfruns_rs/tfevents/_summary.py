"""A summary: one value, encoded, ready to be logged."""

from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._frozen import Frozen


class Summary(Frozen):
    """One value to log, as the `summary_*` functions make them.

    Encoding happens when the summary is made, so that a wrong argument is reported where it was written,
    and a summary can be logged by any thread or process.

    Attributes:
        tag: The name under which it is logged; None to take the name it is given in `log_event`.
        plugin: The plugin that shows it.
        fields: The value as it stands in an event: the bytes of a `Summary.Value` but for its tag.
    """

    __slots__ = ("tag", "plugin", "fields")  # noqa: RUF023 - the order of the arguments
    tag: str | None
    plugin: str
    fields: bytes

    def __init__(self, tag: str | None, plugin: str, fields: bytes) -> None:
        self._set(tag, plugin, fields)

    def __str__(self) -> str:
        return f"<{self.tag}>"


def check_tag(tag: str | None) -> str | None:
    """The tag, None where it is empty.

    Raises:
        InvalidEventError: The tag is no string.
    """
    if not isinstance(tag, str | None):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidEventError(f"`tag` must be a string or None, not {type(tag).__name__}.")
    return tag or None
