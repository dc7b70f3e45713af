"""Places of tables and runs: paths and object-store addresses that survive the move of a project."""

from __future__ import annotations

import os
import posixpath
import re
from typing import ClassVar
from urllib.parse import unquote

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")  # two letters at least: `C:` is a drive
_ALIAS = re.compile(r"<([A-Z][A-Z0-9_]*)>(?=/|$)")
_ALIAS_VARIABLE = "TFRUNS_ALIAS_"


class Url:
    """A path or an address, as text; making one touches no file.

    A text that begins with `<NAME>` stands for the directory registered under that alias
    (`Url.register_alias`, or the environment variable `TFRUNS_ALIAS_NAME`). It is replaced when the place is
    used, never when it is stored.

    Example:
        >>> from tfruns_rs import Url
        >>> Url("runs/a") / "metrics_tables"
        Url('runs/a/metrics_tables')
        >>> Url("/data/train.parquet").to_relative("/data/runs/a")
        Url('../../train.parquet')
    """

    __slots__ = ("_text",)
    _aliases: ClassVar[dict[str, str]] = {}

    def __init__(self, text: str | os.PathLike[str] = "") -> None:
        text = os.fspath(text) if not isinstance(text, Url) else str(text)
        if text.startswith("file://"):
            text = unquote(text.removeprefix("file://").removeprefix("localhost"))
        if os.sep == "\\" and not _SCHEME.match(text):  # pragma: no cover - Windows
            text = text.replace("\\", "/")
        self._text = text

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Url({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) if isinstance(other, (Url, str)) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __truediv__(self, other: str | os.PathLike[str]) -> Url:
        return Url(other).to_absolute(self, lexical=True) if self._text else Url(other)

    def __fspath__(self) -> str:
        expanded = self.expand()
        if expanded.scheme:
            raise ValueError(f"{self} is no place in the file system")
        return str(expanded)

    @property
    def scheme(self) -> str:
        """`s3`, `https`, …; empty for a path."""
        found = _SCHEME.match(self._text)
        return found[1].lower() if found else ""

    @property
    def is_absolute(self) -> bool:
        """Whether it means the same from everywhere."""
        return bool(self.scheme or _ALIAS.match(self._text)) or os.path.isabs(self._text)  # noqa: PTH117 - a text

    @property
    def parts(self) -> tuple[str, ...]:
        """What stands between the slashes."""
        root, path = _halves(self._text)
        return ((root,) if root else ()) + tuple(part for part in path.split("/") if part)

    @property
    def name(self) -> str:
        """The last component."""
        return self.parts[-1] if self.parts else ""

    @property
    def stem(self) -> str:
        """The last component without its suffix."""
        return posixpath.splitext(self.name)[0]

    @property
    def suffix(self) -> str:
        """The end of the last component from its last dot, in small letters."""
        return posixpath.splitext(self.name)[1].lower()

    @property
    def parent(self) -> Url:
        """All but the last component."""
        root, path = _halves(self._text)
        return Url(root + posixpath.dirname(path.rstrip("/")))

    def expand(self) -> Url:
        """The place with its alias, if it has one, replaced.

        Raises:
            ValueError: An alias that is not registered.
        """
        found = _ALIAS.match(self._text)
        if not found:
            return self
        path = self._aliases.get(found[1]) or os.environ.get(_ALIAS_VARIABLE + found[1])
        if not path:
            raise ValueError(f"{self}: the alias <{found[1]}> is unknown; see Url.register_alias")
        return Url(path.rstrip("/") + self._text[found.end() :])

    def to_absolute(self, owner: str | os.PathLike[str] | None = None, *, lexical: bool = False) -> Url:
        """The place as seen from everywhere.

        Args:
            owner: The directory that a relative place starts from; None for the working directory.
            lexical: Whether a relative owner stays relative.
        """
        if self.is_absolute:
            return self
        start = Url(owner) if owner is not None else Url(os.getcwd())  # noqa: PTH109 - a text
        if not (start.is_absolute or lexical):
            start = start.to_absolute()
        root, path = _halves(str(start))
        return Url(root + posixpath.normpath(posixpath.join(path, self._text)))

    def to_relative(self, owner: str | os.PathLike[str]) -> Url:
        """The way from a directory to this place; the place itself where no such way is."""
        if _ALIAS.match(self._text):
            return self
        here, start = self.to_absolute(), Url(owner).expand().to_absolute()
        (root, path), (start_root, start_path) = _halves(str(here)), _halves(str(start))
        if root != start_root:
            return here
        try:
            return Url(os.path.relpath(path, start_path))
        except ValueError:  # another drive
            return here

    @classmethod
    def register_alias(cls, name: str, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Lets `<name>` at the start of a place stand for a directory, in this process.

        Args:
            name: Capital letters, digits and underscores.
            path: The directory or address; a relative path starts from the working directory.
            force: Whether an alias that stands for another place is replaced.

        Raises:
            ValueError: The name is none, or is taken.
        """
        if not _ALIAS.fullmatch(f"<{name}>"):
            raise ValueError(f"an alias is written in capitals, digits and underscores, not {name!r}")
        place = str(Url(path).to_absolute())
        if not force and cls._aliases.get(name, place) != place:
            raise ValueError(
                f"the alias <{name}> stands for {cls._aliases[name]} already; force=True replaces it"
            )
        cls._aliases[name] = place


def _halves(text: str) -> tuple[str, str]:
    """The scheme with its bucket or host, and the path."""
    found = _SCHEME.match(text)
    if not found:
        return "", text
    host, slash, path = text[found.end() :].partition("/")
    return found[0] + host, slash + path
