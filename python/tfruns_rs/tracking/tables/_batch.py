"""Batches on their way into a metrics table: any columns to one frame, held against the earlier ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl

from tfruns_rs.errors import BatchError

if TYPE_CHECKING:
    from tfruns_rs.tracking.tables._schema import ColumnSchema

EXAMPLE_ID = "example_id"
INPUT_TABLE_ID = "input_table_id"
_LONGEST_NAME = 256
_UNWRITABLE = (pl.Object, pl.Unknown, pl.Int128)


class Batches:
    """What all batches of a table have in common; learned from those that came, asked of those that come.

    Attributes:
        types: The columns in their order, with the types they are stored in; a column that held nothing but
            nulls so far has the type Null.
        count: How many batches were taken.
        largest_example_id: The largest so far; None if there was none.
        plain: Whether a batch needs no other check than for its types and example ids.
    """

    def __init__(
        self, schemas: Mapping[str, ColumnSchema], *, keyed: bool, foreign_rows: int | None, strict: bool
    ) -> None:
        self.types: dict[str, pl.DataType] = {}
        self.count = 0
        self.largest_example_id: int | None = None
        self._names: list[str] = []
        self._dtypes: list[pl.DataType] = []
        self._schemas = schemas
        self._keyed = keyed
        self._foreign_rows = foreign_rows
        self._strict = strict
        self.plain = not any(schema.enforce_min or schema.enforce_max for schema in schemas.values())

    def check(self, batch: Any) -> tuple[pl.DataFrame, dict[str, pl.DataType]]:
        """The batch as a frame with the table's columns, and the types of the columns from then on.

        Nothing is remembered; `take` does that once the frame is stored.

        Raises:
            BatchError: The batch can't be written, or is not consistent with the earlier ones.
        """
        try:
            frame = as_frame(batch)
            types = self.types
            if frame.columns != self._names or frame.dtypes != self._dtypes:
                types = self._agreed(frame)
                frame = frame.select(list(types))
                if frame.dtypes != list(types.values()):
                    frame = _cast(frame, types)
            self._check_values(frame)
        except BatchError as error:
            error.batch = self.count
            column = f", column {error.column!r}" if error.column is not None else ""
            error.args = (f"batch {self.count}{column}: {error}",)
            raise
        return frame, types

    def take(self, frame: pl.DataFrame, types: dict[str, pl.DataType]) -> None:
        """Remembers a frame that `check` gave and that is stored now."""
        if types is not self.types:
            self.types, self._names, self._dtypes = types, list(types), list(types.values())
        self.count_in(cast("int", frame[EXAMPLE_ID].max()) if self._keyed and frame.height else -1)

    def count_in(self, largest_example_id: int) -> None:
        """Remembers a batch whose columns are those of the earlier ones; -1 for one without example ids."""
        self.count += 1
        if largest_example_id >= 0:
            self.largest_example_id = max(largest_example_id, self.largest_example_id or 0)

    def _agreed(self, frame: pl.DataFrame) -> dict[str, pl.DataType]:
        found = frame.schema
        if not self.types:
            return {name: self._first_type(name, dtype) for name, dtype in found.items()}
        if missing := [name for name in self.types if name not in found]:
            raise error_in(missing[0], f"missing; the batch has {sorted(found)}")
        if extra := [name for name in found if name not in self.types]:
            raise error_in(extra[0], f"the earlier batches have no such column, but {sorted(self.types)}")
        return {name: self._next_type(name, agreed, found[name]) for name, agreed in self.types.items()}

    def _first_type(self, name: str, dtype: pl.DataType) -> pl.DataType:
        if not name or len(name) > _LONGEST_NAME or not name.isprintable():
            raise error_in(name, f"a column's name has 1 to {_LONGEST_NAME} printable characters")
        wanted = self._schemas[name].dtype if name in self._schemas else None
        if name == EXAMPLE_ID and (dtype.is_integer() or dtype == pl.Null):
            return pl.Int64()  # any width, in any batch
        return wanted or storable(name, dtype)

    def _next_type(self, name: str, agreed: pl.DataType, dtype: pl.DataType) -> pl.DataType:
        first = self._first_type(name, dtype)
        merged = merge(agreed, first, strict=self._strict)
        if merged is None:
            raise error_in(name, f"the earlier batches hold {agreed}, this one {first}")
        return merged

    def _check_values(self, frame: pl.DataFrame) -> None:
        if self._keyed:
            if EXAMPLE_ID not in frame.columns:
                raise error_in(EXAMPLE_ID, "missing; a table with a foreign table needs it in every batch")
            check_example_ids(frame[EXAMPLE_ID], self._foreign_rows)
        for name, schema in self._schemas.items():
            if name in frame.columns and (schema.enforce_min or schema.enforce_max):
                _check_range(frame[name], schema)


def _cast(frame: pl.DataFrame, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The frame with its columns as these types, which hold all their values.

    Raises:
        BatchError: They do not.
    """
    columns: list[pl.Series] = []
    for column in frame.iter_columns():
        dtype = types[column.name]
        try:
            cast_column = column.cast(dtype, strict=True)
        except pl.exceptions.PolarsError as error:
            raise error_in(column.name, f"{column.dtype} can't be stored as {dtype}: {error}") from error
        if (
            column.dtype.is_float()
            and dtype.is_integer()
            and not cast_column.cast(column.dtype).equals(column)
        ):
            raise error_in(column.name, f"fractions can't be stored as {dtype}")
        columns.append(cast_column)
    return pl.DataFrame(columns)


def as_frame(batch: Any) -> pl.DataFrame:
    """Any batch as a frame: a mapping of columns, or a whole frame that speaks Arrow.

    Raises:
        BatchError: It is none of these, or its columns differ in length.
    """
    if isinstance(batch, pl.DataFrame):
        return batch
    if hasattr(batch, "__arrow_c_stream__") or hasattr(batch, "__arrow_c_array__"):
        return pl.DataFrame(batch)
    if not isinstance(batch, Mapping):
        raise BatchError(f"a batch is a mapping of columns or a frame, not {type(batch).__name__}")
    columns = [_series(name, values) for name, values in cast("Mapping[Any, Any]", batch).items()]
    if not columns:
        raise BatchError("a batch needs at least one column")
    try:
        return columns[0].to_frame().hstack(columns[1:])  # a third of what pl.DataFrame(columns) takes
    except pl.exceptions.ShapeError:
        lengths = {column.name: len(column) for column in columns}
        raise BatchError(f"the columns differ in length: {lengths}") from None


def error_in(column: str, message: str) -> BatchError:
    """A `BatchError` about a column."""
    error = BatchError(message)
    error.column = column
    return error


def _series(name: Any, values: Any) -> pl.Series:
    """A column from any array, tensor or list."""
    if not isinstance(name, str) or not name:
        raise BatchError(f"a column's name is a text, not {name!r}")
    try:
        if isinstance(values, pl.Series):
            return values.alias(name)
        if hasattr(values, "__arrow_c_array__") or hasattr(values, "__arrow_c_stream__"):
            return pl.Series(name, values)
        values = _on_host(values)
        if isinstance(values, np.ndarray):
            return _from_numpy(name, cast("np.ndarray[Any, Any]", values))
        if isinstance(values, (set, frozenset)):
            raise error_in(name, "a set has no order that its rows could stand in")
        if isinstance(values, (str, bytes, Mapping, Iterator)) or not isinstance(values, Iterable):
            raise error_in(
                name, f"a column is a list or an array, not {type(cast('object', values)).__name__}"
            )
        return _from_items(name, list(cast("Iterable[Any]", values)))
    except BatchError:
        raise
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        raise error_in(name, f"can't be written: {error}") from error


def _on_host(values: Any) -> Any:
    """A tensor of any framework as a NumPy array; anything else as it is."""
    if hasattr(values, "detach") and hasattr(values, "cpu"):
        values = values.detach().cpu()
        if "bfloat16" in str(values.dtype):
            values = values.float()
        return values.numpy()
    if isinstance(values, np.ndarray):  # masks are kept
        return cast("np.ndarray[Any, Any]", values)
    return np.asarray(values) if hasattr(values, "__array__") else values


def _from_numpy(name: str, values: np.ndarray[Any, Any]) -> pl.Series:
    if values.ndim == 0:
        raise error_in(name, "a column is a list or an array, not a single value")
    if values.dtype.kind == "O":
        return _from_items(name, values.tolist())
    if isinstance(values, np.ma.MaskedArray):
        dtype = _from_numpy(name, cast("np.ndarray[Any, Any]", values.data[:0])).dtype
        return pl.Series(name, cast("np.ndarray[Any, Any]", values).tolist(), dtype)
    if values.dtype.kind == "c":
        raise error_in(name, "complex numbers can't be written; give their parts as two columns")
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    if values.dtype.kind in "mM" and np.datetime_data(values.dtype)[0] in {"s", "m", "h"}:
        values = values.astype(f"{values.dtype.kind}8[ms]")
    return pl.Series(name, np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False)))


def _from_items(name: str, items: list[Any]) -> pl.Series:
    if items and hasattr(items[0], "__array__"):  # tensors or arrays, one an example
        arrays = [np.asarray(_on_host(item)) for item in items]
        if len({(array.shape, array.dtype) for array in arrays}) == 1:
            return _from_numpy(name, np.stack(arrays))
        items = [array.tolist() for array in arrays]
    if _holds_mappings(items):
        # All are looked at, so that no key is lost that the first ones lack.
        return pl.from_dicts([{name: item} for item in items], infer_schema_length=None)[name]
    try:
        return pl.Series(name, items)
    except TypeError:
        if all(
            item is None or (isinstance(item, (int, float)) and not isinstance(item, bool)) for item in items
        ):
            return pl.Series(name, items, pl.Float64)
        raise


def _holds_mappings(items: Iterable[Any]) -> bool:
    """Whether the first item that is one is a mapping, or a list of mappings."""
    for item in items:
        if isinstance(item, (list, tuple)):
            if item:
                return _holds_mappings(cast("list[Any]", item))
        elif item is not None:
            return isinstance(item, Mapping)
    return False


def storable(name: str, dtype: pl.DataType) -> pl.DataType:
    """The type a column of this type is stored in.

    Raises:
        BatchError: There is none.
    """
    if isinstance(dtype, _UNWRITABLE):
        raise error_in(name, f"values of type {dtype} can't be written")
    if isinstance(dtype, (pl.Enum, pl.Categorical)):
        return pl.String()
    if isinstance(dtype, pl.List):
        return pl.List(storable(name, _inner(dtype)))
    if isinstance(dtype, pl.Array):
        if not dtype.size:
            raise error_in(name, "arrays without elements can't be written")
        return pl.Array(storable(name, _inner(dtype)), dtype.size)
    if isinstance(dtype, pl.Struct):
        return pl.Struct({one.name: storable(name, _instance(one.dtype)) for one in dtype.fields})
    return dtype


def _inner(dtype: pl.List | pl.Array) -> pl.DataType:
    return _instance(dtype.inner)


def _instance(dtype: Any) -> pl.DataType:
    return dtype() if isinstance(dtype, type) else dtype


def merge(one: pl.DataType, other: pl.DataType, *, strict: bool) -> pl.DataType | None:
    """The type that holds the values of both, None if there is none.

    Null gives way to any type. Unless `strict`, numbers widen where that loses nothing.
    """
    if other in (one, pl.Null):
        return one
    if one == pl.Null:
        return other
    if isinstance(one, pl.List) and isinstance(other, pl.List):
        inner = merge(_inner(one), _inner(other), strict=strict)
        return None if inner is None else pl.List(inner)
    if isinstance(one, pl.Array) and isinstance(other, pl.Array) and one.size == other.size:
        inner = merge(_inner(one), _inner(other), strict=strict)
        return None if inner is None else pl.Array(inner, one.size)
    if isinstance(one, pl.Struct) and isinstance(other, pl.Struct):
        return _merge_structs(one, other, strict=strict)
    return None if strict else _wider(one, other)


def _merge_structs(one: pl.Struct, other: pl.Struct, *, strict: bool) -> pl.DataType | None:
    theirs = {field.name: _instance(field.dtype) for field in other.fields}
    if [field.name for field in one.fields] != list(theirs):
        return None
    merged = {
        field.name: merge(_instance(field.dtype), theirs[field.name], strict=strict) for field in one.fields
    }
    if any(dtype is None for dtype in merged.values()):
        return None
    return pl.Struct(cast("dict[str, pl.DataType]", merged))


_EXACT_IN_FLOAT32 = (pl.Int8, pl.Int16, pl.UInt8, pl.UInt16, pl.Float32)
_EXACT_IN_FLOAT64 = (*_EXACT_IN_FLOAT32, pl.Int32, pl.UInt32, pl.Float64)


def _wider(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    """The narrowest number type that holds both exactly."""
    if not (one.is_numeric() and other.is_numeric()):
        return None
    if one.is_float() or other.is_float():
        for floats, exact in ((pl.Float32(), _EXACT_IN_FLOAT32), (pl.Float64(), _EXACT_IN_FLOAT64)):
            if isinstance(one, exact) and isinstance(other, exact):
                return floats
        return None
    for wider in (pl.Int16(), pl.Int32(), pl.Int64(), pl.UInt16(), pl.UInt32(), pl.UInt64()):
        if _holds(wider, one) and _holds(wider, other):
            return wider
    return None


def _holds(wider: pl.DataType, narrow: pl.DataType) -> bool:
    low, high = _bounds(wider)
    inner_low, inner_high = _bounds(narrow)
    return low <= inner_low and inner_high <= high


def _bounds(integer: pl.DataType) -> tuple[int, int]:
    bits = int(str(integer).lstrip("UInt"))
    return (0, 2**bits - 1) if integer.is_unsigned_integer() else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def check_example_ids(ids: pl.Series, rows: int | None) -> None:
    """Holds example ids against the rows of the foreign table.

    Raises:
        BatchError: Some are no row numbers of a table of so many rows; None for an unknown number.
    """
    if not ids.dtype.is_integer():
        raise error_in(EXAMPLE_ID, f"row numbers are integers, not {ids.dtype}")
    if ids.null_count():
        raise error_in(EXAMPLE_ID, f"{ids.null_count()} are null")
    if ids.is_empty():
        return
    if cast("int", ids.min()) < 0:
        raise error_in(EXAMPLE_ID, f"row numbers count from 0; {ids.min()} is negative")
    if rows is not None and cast("int", ids.max()) >= rows:
        raise error_in(EXAMPLE_ID, f"{ids.max()} is beyond the foreign table, which has {rows} rows")


def _check_range(column: pl.Series, schema: ColumnSchema) -> None:
    low, high = schema.min if schema.enforce_min else None, schema.max if schema.enforce_max else None
    outside = pl.Series([False]).new_from_index(0, len(column))
    if low is not None:
        outside |= (column < low).fill_null(value=False)
    if high is not None:
        outside |= (column > high).fill_null(value=False)
    if outside.any():
        row = cast("int", outside.arg_max())
        raise error_in(column.name, f"{column[row]} in row {row} is outside {low} to {high}")
