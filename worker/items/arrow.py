"""Types rendered to Arrow, values encoded for them, and arrays carried over to a wider type."""

from typing import Any

import orjson
import pyarrow as pa

from worker.contract.columns import DOUBLE, TEXT, TIMESTAMP, WKB, ListOf, Struct, Type
from worker.items.types import BOOL, INT, JSON, MOULD, NULL, json_paths

_JSON_COLUMNS = b"hls:json_columns"

_SCALARS: dict[Type, pa.DataType] = {
    TEXT: pa.string(),
    DOUBLE: pa.float64(),
    TIMESTAMP: pa.timestamp("us", "UTC"),
    WKB: pa.binary(),
    BOOL: pa.bool_(),
    INT: pa.int64(),
    JSON: pa.string(),
    NULL: pa.null(),
    MOULD: pa.int32(),
}
_KINDS: dict[pa.DataType, Type] = {arrow: kind for kind, arrow in _SCALARS.items() if kind != JSON}


def to_arrow(kind: Type) -> pa.DataType:
    if isinstance(kind, ListOf):
        return pa.list_(to_arrow(kind.element))
    if isinstance(kind, Struct):
        return pa.struct([pa.field(name, to_arrow(member)) for name, member in kind.fields])
    return _SCALARS[kind]


def from_arrow(arrow: pa.DataType, json_columns: frozenset[str], above: tuple[str, ...] = ()) -> Type:
    """The inverse of `to_arrow`, where the paths of the columns that hold JSON text are known."""
    if pa.types.is_list(arrow):
        return ListOf(from_arrow(arrow.value_type, json_columns, above))
    if pa.types.is_struct(arrow):
        return Struct(tuple((f.name, from_arrow(f.type, json_columns, (*above, f.name))) for f in arrow))
    return JSON if ".".join(above) in json_columns else _KINDS[arrow]


def schema_of(kind: Struct) -> pa.Schema:
    """Columns of this type; the metadata say which of them hold JSON text, which Arrow does not tell from other text."""
    return pa.schema(list(to_arrow(kind)), {_JSON_COLUMNS: "\n".join(json_paths(kind))})


def kind_of(schema: pa.Schema) -> Struct:
    """The inverse of `schema_of`."""
    marked = frozenset(schema.metadata[_JSON_COLUMNS].decode().split("\n"))
    return Struct(tuple((column.name, from_arrow(column.type, marked, (column.name,))) for column in schema))


def encode(value: Any, kind: Type) -> Any:
    """A Python value as `pa.array` takes it for `to_arrow(kind)`."""
    if value is None:
        return None
    if kind == JSON:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    if isinstance(kind, Struct):
        return {name: encode(value.get(name), member) for name, member in kind.fields}
    if isinstance(kind, ListOf):
        return [encode(element, kind.element) for element in value]
    return float(value) if kind == DOUBLE else value


def widen(array: pa.Array, kind: Type, wider: Type) -> pa.Array:
    """The same values in a type that `kind` was merged into: fields added, integers as floats, the rest as JSON."""
    if kind == wider:
        return array
    if kind == NULL:
        return pa.nulls(len(array), to_arrow(wider))
    if isinstance(kind, Struct) and isinstance(wider, Struct):
        present = dict(kind.fields)
        parts = [
            widen(array.field(name), present[name], member)
            if name in present
            else pa.nulls(len(array), to_arrow(member))
            for name, member in wider.fields
        ]
        fields = [pa.field(name, part.type) for (name, _), part in zip(wider.fields, parts, strict=True)]
        return pa.StructArray.from_arrays(parts, fields=fields, mask=array.is_null() if array.null_count else None)
    if isinstance(kind, ListOf) and isinstance(wider, ListOf):
        # Not `flatten`: the offsets of a slice count from the start of the values that it shares.
        elements = widen(array.values, kind.element, wider.element)
        return pa.ListArray.from_arrays(array.offsets, elements, mask=array.is_null() if array.null_count else None)
    if wider == DOUBLE:
        return array.cast(pa.float64())
    return pa.array([encode(_without_nulls(value), wider) for value in array.to_pylist()], to_arrow(wider))


def _without_nulls(value: Any) -> Any:
    """A field that a struct has only because its neighbours have it says nothing."""
    if isinstance(value, dict):
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    return [_without_nulls(element) for element in value] if isinstance(value, list) else value
