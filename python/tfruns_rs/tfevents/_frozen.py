"""Small frozen records. `dataclasses` would do, but costs a script that only logs half of its import time."""


class Frozen:
    """A record whose slots are its fields, in the order of the constructor's arguments."""

    __slots__ = ()

    def _set(self, *values: object) -> None:
        for name, value in zip(type(self).__slots__, values, strict=True):
            object.__setattr__(self, name, value)

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in type(self).__slots__)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name!r} can't be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name!r} can't be deleted")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), self._values()

    def __repr__(self) -> str:
        fields = (f"{name}={_short(getattr(self, name))}" for name in type(self).__slots__)
        return f"{type(self).__name__}({', '.join(fields)})"


def _short(value: object) -> str:
    if isinstance(value, bytes) and len(value) > 20:  # noqa: PLR2004 - what reads well
        return f"<{len(value)} bytes>"
    return repr(value)
