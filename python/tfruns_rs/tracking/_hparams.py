"""Hyperparameters: a nested mapping that is written with every change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable


class HParams(MutableMapping[str, Any]):
    """Hyperparameters, by item or attribute.

    Values are what JSON holds: numbers (also NumPy's and other libraries' scalars), text, booleans, None,
    lists and mappings of these. A change is checked whole before any of it is made, and is on the disk when
    the call returns.

    Examples:
        >>> hparams = HParams({"optimizer": {"name": "adam", "lr": 1e-3}})
        >>> hparams.optimizer.lr = 3e-4
        >>> hparams.update({"epochs": 10, "optimizer": None}, override=False)
        >>> hparams.as_dict()
        {'optimizer': {'name': 'adam', 'lr': 0.0003}, 'epochs': 10}
    """

    __slots__ = ("_changed", "_values")
    _changed: Callable[[HParams], None] | None
    _values: dict[str, Any]

    def __init__(
        self, values: Mapping[str, Any] | None = None, changed: Callable[[HParams], None] | None = None
    ) -> None:
        object.__setattr__(self, "_values", plain(values or {}, ()))
        object.__setattr__(self, "_changed", changed)

    def __getitem__(self, name: str) -> Any:
        value = self._values[name]
        return _view(cast("dict[str, Any]", value), self._touch) if isinstance(value, dict) else value

    def __setitem__(self, name: str, value: Any) -> None:
        self._apply({name: value})

    def __delitem__(self, name: str) -> None:
        if name not in self._values:
            raise KeyError(name)
        self._replace({key: value for key, value in self._values.items() if key != name})

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no hyperparameter {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        del self[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._values]

    def __eq__(self, other: object) -> bool:
        return bool(self._values == (other.as_dict() if isinstance(other, HParams) else other))

    __hash__ = None  # pyright: ignore[reportAssignmentType] # it changes

    def __repr__(self) -> str:
        return f"HParams({self._values!r})"

    def update(self, new: Mapping[str, Any] | None = None, override: bool = True, **more: Any) -> None:  # type: ignore[override]  # noqa: FBT001, FBT002 # pyright: ignore[reportIncompatibleMethodOverride]
        """Sets several at once.

        Args:
            new: The hyperparameters.
            override: Whether they replace those that exist already.
            more: Hyperparameters by name.

        Raises:
            TypeError: A value that JSON can't hold. Nothing is changed then.
        """
        given = {**(new or {}), **more}
        self._apply(given if override else {name: given[name] for name in given if name not in self._values})

    def as_dict(self) -> dict[str, Any]:
        """A copy as plain dictionaries and lists."""
        return cast("dict[str, Any]", _copy(self._values))

    def _apply(self, new: Mapping[str, Any]) -> None:
        self._replace({**self._values, **plain(new, ())})

    def _replace(self, values: dict[str, Any]) -> None:
        before = dict(self._values)
        self._values.clear()
        self._values.update(values)
        try:
            self._touch()
        except BaseException:
            self._values.clear()
            self._values.update(before)
            raise

    def _touch(self, _view: HParams | None = None) -> None:
        if self._changed is not None:
            self._changed(self)


def _view(values: dict[str, Any], changed: Callable[[HParams], None]) -> HParams:
    """The mapping inside, not a copy: what is set on it is set in the whole."""
    view = HParams.__new__(HParams)
    object.__setattr__(view, "_values", values)
    object.__setattr__(view, "_changed", changed)
    return view


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_copy(item) for item in cast("list[Any]", value)]
    return value


def plain(value: Any, path: tuple[str, ...]) -> Any:
    """The value as JSON holds it.

    Raises:
        TypeError: It can't; the message says which one.
    """
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float, str):  # a NumPy float64 is a float, but no plain one
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, Mapping):
        result: dict[str, Any] = {}
        for key, item in cast("Mapping[Any, Any]", value).items():
            if not isinstance(key, str) or not key:
                raise TypeError(f"{_where(path)}a hyperparameter's name is a str, not {key!r}")
            result[key] = plain(item, (*path, key))
        return result
    if isinstance(value, (list, tuple)):
        items = cast("list[Any]", value)
        return [plain(item, (*path, str(index))) for index, item in enumerate(items)]
    if getattr(value, "shape", None) and hasattr(value, "tolist"):
        return plain(value.tolist(), path)
    if hasattr(value, "item"):
        return plain(value.item(), path)
    raise TypeError(f"{_where(path)}JSON can't hold a {type(value).__name__}")


def _where(path: tuple[str, ...]) -> str:
    return f"hyperparameter {'.'.join(path)!r}: " if path else ""


def leaves(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The scalar leaves under dotted names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found.update(leaves(cast("Mapping[str, Any]", value), f"{prefix}{name}."))
        elif value is not None and not isinstance(value, list):
            found[prefix + name] = value
    return found
