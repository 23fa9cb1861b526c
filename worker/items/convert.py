"""From a page's bytes to Arrow: a fast way for pages of a known shape, and a lossless one for every other.

The fast way gives the bytes to `pyarrow.json` with an explicit schema and makes no Python object of them. What it
finds beyond that schema it infers, so a page of another shape shows by its type, is converted again the lossless way,
and teaches its shape to the fast way for the pages that follow.
"""

import threading
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from worker.contract.columns import COLUMNS, DOUBLE, PROPERTIES, ListOf, Struct, Type
from worker.items.arrow import to_arrow
from worker.items.geometry import boxes, polygons_to_wkb
from worker.items.lossless import members_of, rows_of, table_of
from worker.items.types import json_paths, merge

CANONICAL = Struct(COLUMNS)
_POLYGON = pa.struct([("type", pa.string()), ("coordinates", pa.list_(pa.list_(pa.list_(pa.float64()))))])


@dataclass(frozen=True)
class Converted:
    """The items of a page: a struct array with one field a column, and its type, which Arrow alone does not tell."""

    items: pa.StructArray
    kind: Struct


_LESSONS = 100
"""Shapes learnt at most: where each page has another, a schema of all that was seen costs more than it saves."""


class Converter:
    """Converts pages, learning shapes as it goes. Safe to use from several threads: what it learns only grows."""

    def __init__(self) -> None:
        self._shape = _Shape(members={}, properties={})
        self._lessons = 0
        self._lock = threading.Lock()

    def convert(self, body: bytes) -> Converted:
        """The items of a search page, in the order of the page.

        Raises:
            ValueError: the page is no feature collection, or an item of it is none.
        """
        try:
            quick = self._shape.convert(body)
        except pa.ArrowInvalid:  # a value of another type than the schema's, such as a MultiPolygon's coordinates
            quick = None
        if quick is not None:
            return quick
        document = orjson.loads(body)
        features = document.get("features") if isinstance(document, dict) else None
        if not isinstance(features, list):
            raise ValueError("the page is not a GeoJSON feature collection")  # noqa: TRY004  one error for what is no page
        items, kind = table_of(rows_of(features), CANONICAL)
        self._learn(kind, members_of(features))
        return Converted(items, kind)

    def _learn(self, kind: Struct, members: frozenset[str]) -> None:
        with self._lock:
            if self._lessons < _LESSONS and (grown := self._shape.grown(kind, members)) is not self._shape:
                self._shape = grown
                self._lessons += 1


class _Shape:
    """What the fast way expects of an item, and how it lays that out in columns."""

    def __init__(self, members: dict[str, Type], properties: dict[str, Type]) -> None:
        self._members, self._properties = members, properties
        canonical = dict(COLUMNS)
        names = [name for name, _ in PROPERTIES]
        direct = {name: kind for name, kind in COLUMNS if name not in names and name not in ("geometry", "bbox")}
        self._direct = {name: merge(kind, members.get(name, kind)) for name, kind in direct.items()} | {
            name: kind for name, kind in members.items() if name not in direct
        }
        self._nested = {name: merge(canonical[name], properties.get(name, canonical[name])) for name in names} | {
            name: kind for name, kind in properties.items() if name not in names
        }
        self._item = pa.struct(
            [
                *(pa.field(name, to_arrow(kind)) for name, kind in self._direct.items()),
                pa.field("geometry", _POLYGON),
                pa.field("bbox", to_arrow(ListOf(DOUBLE))),
                pa.field("properties", to_arrow(Struct(tuple(self._nested.items())))),
            ]
        )
        self._schema = pa.schema([pa.field("features", pa.list_(self._item))])
        self._kind = Struct(
            (
                *self._direct.items(),
                *self._nested.items(),
                ("geometry", canonical["geometry"]),
                ("bbox", canonical["bbox"]),
            )
        )

    def convert(self, body: bytes) -> Converted | None:
        """The page's items, or None where the page has another shape."""
        page = pj.read_json(
            pa.BufferReader(body),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(body) + 1),
            parse_options=pj.ParseOptions(explicit_schema=self._schema, unexpected_field_behavior="infer"),
        )
        features = page.column("features")
        if features.type.value_type != self._item:
            return None
        items = features.chunk(0).flatten()  # one block is one chunk
        if items.null_count:
            return None
        geometry = items.field("geometry")
        if geometry.null_count or not pc.all(pc.equal(geometry.field("type"), "Polygon")).as_py():
            return None
        wkb, box = polygons_to_wkb(geometry.field("coordinates")), boxes(items.field("bbox"))
        properties = items.field("properties")
        if wkb is None or box is None or properties.null_count:
            return None
        columns = [*(items.field(name) for name in self._direct), *properties.flatten(), wkb, box]
        names = [name for name, _ in self._kind.fields]
        return Converted(pa.StructArray.from_arrays(columns, names=names), self._kind)

    def grown(self, kind: Struct, members: frozenset[str]) -> "_Shape":
        """This shape and that of a page that was converted the lossless way.

        What needs JSON text is left out: the fast way would take a text that is met there for JSON.
        """
        found: dict[str, Any] = dict(kind.fields)
        others = found.keys() - members - {"geometry", "bbox"}
        grown = _merged({name: found[name] for name in members if name in found}, self._direct)
        nested = _merged({name: found[name] for name in others}, self._nested)
        if self._direct | grown == self._direct and self._nested | nested == self._nested:
            return self
        return _Shape(self._members | grown, self._properties | nested)


def _merged(found: dict[str, Type], known: dict[str, Type]) -> dict[str, Type]:
    merged = {name: merge(kind, known.get(name, kind)) for name, kind in found.items()}
    return {name: kind for name, kind in merged.items() if not json_paths(kind)}
