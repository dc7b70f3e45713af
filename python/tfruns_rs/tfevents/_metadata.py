"""What a summary says about itself: the plugin that shows it, its name there and a description."""

from tfruns_rs import _core
from tfruns_rs.errors import InvalidEventError
from tfruns_rs.tfevents._frozen import Frozen


class SummaryMetadata(Frozen):
    """The metadata of a summary.

    Attributes:
        plugin_name: The TensorBoard plugin that shows it: scalars, images, audio, text, histograms,
            hparams, or any.
        display_name: The title in TensorBoard instead of the tag; None for the tag.
        description: Markdown shown beside it; None for none.
        plugin_content: Bytes for the plugin; None for what the plugin expects by default.
    """

    __slots__ = ("plugin_name", "display_name", "description", "plugin_content")  # noqa: RUF023 - the order of arguments
    plugin_name: str
    display_name: str | None
    description: str | None
    plugin_content: bytes | None

    def __init__(
        self,
        plugin_name: str,
        display_name: str | None = None,
        description: str | None = None,
        plugin_content: bytes | None = None,
    ) -> None:
        if not isinstance(plugin_name, str) or not plugin_name:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidEventError(f"`plugin_name` must be a non-empty string, not {plugin_name!r}.")
        for name, value in (("display_name", display_name), ("description", description)):
            if not isinstance(value, str | None):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InvalidEventError(f"`{name}` must be a string or None, not {type(value).__name__}.")
        if isinstance(plugin_content, bytearray | memoryview):  # pyright: ignore[reportUnnecessaryIsInstance]
            plugin_content = bytes(plugin_content)
        if not isinstance(plugin_content, bytes | None):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidEventError(
                f"`plugin_content` must be bytes or None, not {type(plugin_content).__name__}."
            )
        self._set(plugin_name, display_name, description, plugin_content)

    def encode(self) -> bytes:
        """The metadata as it stands in an event: the whole field `metadata` of `Summary.Value`."""
        return _core.encode_metadata(
            self.plugin_name, self.plugin_content or b"", self.display_name or "", self.description or ""
        )


def summary_metadata(
    plugin_name: str,
    display_name: str | None = None,
    *,
    description: str | None = None,
    plugin_content: bytes | None = None,
) -> SummaryMetadata:
    """Describe a summary: how TensorBoard titles and explains it, and by which plugin it is shown.

    Args:
        plugin_name: The plugin. Each `summary_*` function accepts its own plugin's name only, except
            `summary_tensor`, which takes any: names that TensorBoard does not know are marked so that it
            serves their data all the same.
        display_name: The title instead of the tag.
        description: Markdown shown beside it.
        plugin_content: Bytes for the plugin.

    Raises:
        InvalidEventError: An argument of another type, or an empty `plugin_name`.

    Examples:
        >>> import tfruns_rs as tfr
        >>> loss = tfr.summary_scalar(0.5, metadata=tfr.summary_metadata("scalars", "Training loss"))
    """
    return SummaryMetadata(plugin_name, display_name, description, plugin_content)


def metadata_field(metadata: SummaryMetadata | None, plugin_name: str, plugin_content: bytes = b"") -> bytes:
    """The metadata field for `plugin_name`, with its default content unless the user gave some."""
    if metadata is None:
        return _core.encode_metadata(plugin_name, plugin_content, "", "")
    if not isinstance(metadata, SummaryMetadata):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidEventError(
            f"`metadata` must come from summary_metadata(), not be a {type(metadata).__name__}."
        )
    if metadata.plugin_name != plugin_name:
        raise InvalidEventError(f"Plugin name should be '{plugin_name}', not '{metadata.plugin_name}'.")
    if metadata.plugin_content is None and plugin_content:
        metadata = SummaryMetadata(plugin_name, metadata.display_name, metadata.description, plugin_content)
    return metadata.encode()
