"""What a column of a metrics table means: its name for people, unit, role, range and labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeAlias, cast

import numpy as np
import polars as pl

Label: TypeAlias = "str | Mapping[str, Any]"


@dataclass(frozen=True, slots=True)
class ColumnSchema:
    """A column's meaning, stored with the data and given back.

    Attributes:
        display_name: Its name for people.
        description: What it says.
        role: What it is used as: `example_id`, `foreign_key`, `epoch`, `iteration`, `label`, `fraction`,
            `sample_weight`, `embedding`, or a word of your own.
        unit: The unit of its numbers.
        dtype: The type it is stored in: a Polars or NumPy type, a Python type or a name such as `"float32"`;
            None for the type of the data.
        shape: The shape of one value, for a fixed array of `dtype`.
        min: The smallest value to expect.
        max: The largest value to expect.
        enforce_min: Whether a smaller value is refused.
        enforce_max: Whether a larger value is refused.
        value_map: What its numbers stand for: a name, or a mapping with `name`, `display_name`, `color`,
            `url`, … each.
        writable: Whether people may edit it in a viewer.
        default_visible: Whether a viewer shows it without being asked.
        display_importance: Viewers show what is more important further left.
    """

    display_name: str = ""
    description: str = ""
    role: str = ""
    unit: str = ""
    dtype: Any = None
    shape: tuple[int, ...] = ()
    min: float | None = None
    max: float | None = None
    enforce_min: bool = False
    enforce_max: bool = False
    value_map: Mapping[int, Label] = field(default_factory=dict[int, Label])
    writable: bool = True
    default_visible: bool = True
    display_importance: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what means nothing; copies what others could change."""
        if self.dtype is not None:
            object.__setattr__(self, "dtype", _dtype(self.dtype, self.shape))
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"a column's range can't go from {self.min} to {self.max}")
        object.__setattr__(self, "shape", tuple(self.shape))
        object.__setattr__(self, "value_map", {int(key): label for key, label in self.value_map.items()})

    @classmethod
    def of(cls, value: ColumnSchema | Mapping[str, Any] | Any) -> ColumnSchema:
        """A schema from one, from a mapping of its fields, or from a dtype alone."""
        if isinstance(value, ColumnSchema):
            return value
        if isinstance(value, Mapping):
            return cls(**cast("Mapping[str, Any]", value))
        return cls(dtype=value)

    def over(self, base: ColumnSchema) -> ColumnSchema:
        """This schema, with what it leaves unsaid taken from `base`."""
        said = {
            one.name: value for one in fields(self) if (value := getattr(self, one.name)) != _plain(one.name)
        }
        return replace(base, **said)

    def to_dict(self) -> dict[str, Any]:
        """What the schema says, as JSON holds it; what it leaves unsaid is left out."""
        said = {name: value for name, value in asdict(self).items() if value != _plain(name)}
        if "dtype" in said:
            said["dtype"] = str(self.dtype)
        if "value_map" in said:
            said["value_map"] = {str(key): label for key, label in self.value_map.items()}
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any], dtype: pl.DataType | None = None) -> ColumnSchema:
        """The inverse of `to_dict`; unknown fields of later versions are left out.

        Args:
            said: The stored fields.
            dtype: The type of the stored data, which knows better than its name.
        """
        known = {one.name for one in fields(cls)} - {"dtype"}
        return cls(dtype=dtype, **{name: value for name, value in said.items() if name in known})


_PLAIN = ColumnSchema()


def _plain(name: str) -> Any:
    return getattr(_PLAIN, name)


_BY_NAME = {
    "example_id": ColumnSchema("Example id", "The row of the foreign table", "example_id", writable=False),
    "input_table_id": ColumnSchema(
        "Input table", "The table that example_id counts in", "foreign_key", writable=False
    ),
    "epoch": ColumnSchema("Epoch", role="epoch", writable=False),
    "iteration": ColumnSchema("Iteration", role="iteration", writable=False),
    "weight": ColumnSchema("Weight", role="sample_weight", min=0),
    "label": ColumnSchema("Label", role="label"),
    "confidence": ColumnSchema("Confidence", role="fraction", min=0, max=1),
    "iou": ColumnSchema("IoU", "Intersection over union", "fraction", min=0, max=1),
}


def known_schema(column: str) -> ColumnSchema:
    """What a column of this name means unless told otherwise."""
    return _BY_NAME.get(column, _PLAIN)


_PYTHON: dict[Any, pl.DataType] = {
    bool: pl.Boolean(),
    int: pl.Int64(),
    float: pl.Float64(),
    str: pl.String(),
    bytes: pl.Binary(),
}
_NAMED = {
    one.__name__.lower(): one()
    for one in (
        *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64),
        *(
            pl.Float32,
            pl.Float64,
            pl.Boolean,
            pl.String,
            pl.Binary,
            pl.Date,
            pl.Time,
            pl.Datetime,
            pl.Duration,
        ),
    )
} | {"bool": pl.Boolean(), "str": pl.String(), "int": pl.Int64(), "float": pl.Float64(), "bytes": pl.Binary()}


def _dtype(wanted: Any, shape: tuple[int, ...]) -> pl.DataType:
    """The Polars type behind any word for one."""
    if isinstance(wanted, pl.DataType):
        found = wanted
    elif isinstance(wanted, type) and issubclass(wanted, pl.DataType):
        found = wanted()
    elif isinstance(wanted, str) and wanted.lower() in _NAMED:
        found = _NAMED[wanted.lower()]
    elif wanted in _PYTHON:
        found = _PYTHON[wanted]
    else:
        try:
            found = pl.Series(np.empty(0, np.dtype(cast("Any", wanted)))).dtype
        except (TypeError, ValueError) as error:
            raise ValueError(f"{wanted!r} is no type of a column") from error
    return pl.Array(found, tuple(shape)) if shape and not isinstance(found, pl.Array) else found
