"""Types of what items hold: read off values, merged, and laid over the canonical columns.

Extends the contract's canonical types by what unknown fields may need: `bool`, `int`, `json` and `null`, and by
`mould`, the number of a text (see `worker.items.moulds`). Merging is commutative, associative and idempotent, so that
a month has one schema whatever the order of its pages.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from worker.contract.columns import DOUBLE, TEXT, TIMESTAMP, WKB, ListOf, Scalar, Struct, Type

BOOL, INT, JSON, NULL = Scalar("bool"), Scalar("int"), Scalar("json"), Scalar("null")
MOULD = Scalar("mould")

_EXACT_INT = 2**53  # an integer above this would not survive beside a float


def merge(a: Type, b: Type) -> Type:
    """The smallest type that holds the values of both; JSON text where there is no other."""
    if a == b or b == NULL:
        return a
    if a == NULL:
        return b
    if isinstance(a, Struct) and isinstance(b, Struct):
        return _merged_structs(a, b)
    if isinstance(a, ListOf) and isinstance(b, ListOf):
        return ListOf(merge(a.element, b.element))
    if {a, b} == {INT, DOUBLE}:
        return DOUBLE
    return JSON


def merge_all(types: Iterable[Type]) -> Type:
    merged: Type = NULL
    for kind in types:
        merged = merge(merged, kind)
    return merged


def infer(value: Any) -> Type:
    """The type of one JSON value, or of one that was made canonical: a time or a geometry."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, str):
        return TEXT
    if isinstance(value, float):
        return DOUBLE
    if isinstance(value, datetime):
        return TIMESTAMP
    if isinstance(value, bytes):
        return WKB
    if isinstance(value, int):
        return INT if -_EXACT_INT <= value <= _EXACT_INT else JSON
    if isinstance(value, list):
        return ListOf(merge_all(infer(element) for element in value))
    return Struct(tuple(sorted((name, infer(member)) for name, member in value.items())))


def arrange(kind: Type, canonical: Type) -> Type:
    """The same type with the canonical fields first and in their order, then the others by name."""
    if isinstance(kind, ListOf):
        return ListOf(arrange(kind.element, canonical.element if isinstance(canonical, ListOf) else NULL))
    if isinstance(kind, Struct):
        wanted = dict(canonical.fields) if isinstance(canonical, Struct) else {}
        found = dict(kind.fields)
        names = [*(name for name in wanted if name in found), *sorted(found.keys() - wanted.keys())]
        return Struct(tuple((name, arrange(found[name], wanted.get(name, NULL))) for name in names))
    return kind


def resolve(kind: Type) -> Type:
    """The type to write: without fields that never held a value, and with JSON text for what Parquet cannot hold."""
    if isinstance(kind, ListOf):
        element = resolve(kind.element)
        return ListOf(TEXT if element == NULL else element)
    if isinstance(kind, Struct):
        members = ((name, resolve(member)) for name, member in kind.fields)
        return Struct(fields) if (fields := tuple(member for member in members if member[1] != NULL)) else JSON
    return kind


def json_paths(kind: Type, above: tuple[str, ...] = ()) -> list[str]:
    """Dotted paths of the fields that hold JSON text; the elements of a list share the list's path."""
    if isinstance(kind, ListOf):
        return json_paths(kind.element, above)
    if isinstance(kind, Struct):
        return [path for name, member in kind.fields for path in json_paths(member, (*above, name))]
    return [".".join(above)] if kind == JSON else []


def _merged_structs(a: Struct, b: Struct) -> Struct:
    ours, theirs = dict(a.fields), dict(b.fields)
    names = sorted(ours.keys() | theirs.keys())
    return Struct(tuple((name, merge(ours.get(name, NULL), theirs.get(name, NULL))) for name in names))
