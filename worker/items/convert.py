"""From a page's bytes to Arrow: fast ways for pages of a known shape, and a lossless one for every other.

The fastest cuts assets and links out of the bytes, as numbers of moulds, and gives `pyarrow.json` what is left; where a
page cannot be cut, `pyarrow.json` gets all of it. Both have an explicit schema and make no Python object of a value.
What they find beyond that schema is inferred, so a page of another shape shows by its type, is converted again the
lossless way, and teaches its shape to the fast ways for the pages that follow.
"""

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from worker.contract.columns import COLUMNS, DOUBLE, PROPERTIES, TEXT, ListOf, Struct, Type
from worker.items.arrow import to_arrow
from worker.items.cut import Cut, cut
from worker.items.geometry import boxes, polygons_to_wkb
from worker.items.lossless import members_of, rows_of, table_of
from worker.items.moulds import ASSETS, LINKS, NAME, NUMBERS, Moulds
from worker.items.types import INT, MOULD, json_paths, merge

CANONICAL = Struct(COLUMNS)
_POLYGON = pa.struct([("type", pa.string()), ("coordinates", pa.list_(pa.list_(pa.list_(pa.float64()))))])


@dataclass(frozen=True)
class Converted:
    """The items of a page: a struct array with one field a column, and its type, which Arrow alone does not tell."""

    items: pa.StructArray
    kind: Struct
    moulds: Moulds | None = None
    """Where assets and links are numbers of moulds, which these are."""


_LESSONS = 100
"""Shapes learnt at most: where each page has another, a schema of all that was seen costs more than it saves."""


class Converter:
    """Converts pages, learning shapes as it goes. Safe to use from several threads: what it learns only grows."""

    def __init__(self) -> None:
        self._shape = _Shape(members={}, properties={})
        self._moulds = Moulds()
        self._lessons = 0
        self._lock = threading.Lock()

    def convert(self, body: bytes) -> Converted:
        """The items of a search page, in the order of the page.

        Raises:
            ValueError: the page is no feature collection, or an item of it is none.
        """
        try:
            quick = self._cut(body) or self._shape.convert(body)
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

    def _cut(self, body: bytes) -> Converted | None:
        parts = cut(body, self._moulds)
        if parts is None:
            return None
        try:
            return self._shape.convert_cut(parts, self._moulds)
        except pa.ArrowInvalid:
            return None

    def _learn(self, kind: Struct, members: frozenset[str]) -> None:
        with self._lock:
            if self._lessons < _LESSONS and (grown := self._shape.grown(kind, members)) is not self._shape:
                self._shape = grown
                self._lessons += 1


class _Shape:
    """What the fast ways expect of an item, and how they lay that out in columns."""

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
        self._whole = _Layout(self._direct, self._nested)
        self._rest = _Layout(self._direct | {ASSETS: INT, LINKS: INT}, self._nested)

    def convert(self, body: bytes) -> Converted | None:
        """The page's items, or None where the page has another shape."""
        items = self._whole.read(body)
        if items is None or items.field("geometry").null_count:
            return None
        return self._whole.flat(items, {})

    def convert_cut(self, parts: Cut, moulds: Moulds) -> Converted | None:
        """The items of a page that was cut, or None where it has another shape or was cut in the wrong places."""
        if NUMBERS in self._nested or NAME in self._nested:
            return None
        items = self._rest.read(parts.rest)
        if items is None or not items.field("id").cast(pa.binary()).equals(parts.ids):
            return None
        zeros = (
            items.field(name).null_count == 0 and pc.max(items.field(name)).as_py() == 0 for name in (ASSETS, LINKS)
        )
        without = pc.indices_nonzero(pc.is_null(items.field("geometry"))).to_pylist()
        if not all(zeros) or without != list(parts.geometries):
            return None
        flat = self._rest.flat(items, parts.geometries)
        if flat is None:
            return None
        kept = {name: kind for name, kind in flat.kind.fields if name not in (ASSETS, LINKS)}
        columns = [*(flat.items.field(name) for name in kept), parts.concepts.cast(pa.string()), parts.numbers]
        kind = Struct((*kept.items(), (NAME, TEXT), (NUMBERS, ListOf(MOULD))))
        return Converted(pa.StructArray.from_arrays(columns, names=[*kept, NAME, NUMBERS]), kind, moulds)

    def grown(self, kind: Struct, members: frozenset[str]) -> "_Shape":
        """This shape and that of a page that was converted the lossless way.

        What needs JSON text is left out: the fast way would take a text that is met there for JSON.
        """
        found: dict[str, Any] = dict(kind.fields)
        others = found.keys() - members - self._direct.keys() - {"geometry", "bbox"}
        grown = _merged({name: found[name] for name in members if name in found}, self._direct)
        nested = _merged({name: found[name] for name in others}, self._nested)
        if self._direct | grown == self._direct and self._nested | nested == self._nested:
            return self
        return _Shape(self._members | grown, self._properties | nested)


class _Layout:
    """A schema for `pyarrow.json`, and the columns that are made of what it reads."""

    def __init__(self, direct: dict[str, Type], nested: dict[str, Type]) -> None:
        self._direct = list(direct)
        self._item = pa.struct(
            [
                *(pa.field(name, to_arrow(kind)) for name, kind in direct.items()),
                pa.field("geometry", _POLYGON),
                pa.field("bbox", to_arrow(ListOf(DOUBLE))),
                pa.field("properties", to_arrow(Struct(tuple(nested.items())))),
            ]
        )
        self._schema = pa.schema([pa.field("features", pa.list_(self._item))])
        canonical = dict(COLUMNS)
        shaped = ((name, canonical[name]) for name in ("geometry", "bbox"))
        self._kind = Struct((*direct.items(), *nested.items(), *shaped))

    def read(self, body: bytes) -> pa.StructArray | None:
        """The features as they stand, or None where they have another shape. Raises `pa.ArrowInvalid`, too."""
        page = pj.read_json(
            pa.BufferReader(body),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(body) + 1),
            parse_options=pj.ParseOptions(explicit_schema=self._schema, unexpected_field_behavior="infer"),
        )
        features = page.column("features")
        if features.type.value_type != self._item:
            return None
        items = features.chunk(0).flatten()  # one block is one chunk
        return None if items.null_count else items

    def flat(self, items: pa.StructArray, geometries: dict[int, bytes]) -> Converted | None:
        """The columns, with these geometries in their rows; None where something in them is out of the ordinary."""
        wkb, box = _wkb(items.field("geometry"), geometries), boxes(items.field("bbox"))
        properties = items.field("properties")
        if wkb is None or box is None or properties.null_count:
            return None
        columns = [*(items.field(name) for name in self._direct), *properties.flatten(), wkb, box]
        names = [name for name, _ in self._kind.fields]
        return Converted(pa.StructArray.from_arrays(columns, names=names), self._kind)


def _wkb(polygons: pa.StructArray, others: dict[int, bytes]) -> pa.Array | None:
    """WKB of polygons and, by row, of other geometries; None where one is neither."""
    if others:
        polygons = polygons.drop_null()
    if not pc.all(pc.equal(polygons.field("type"), "Polygon"), min_count=0).as_py():
        return None
    wkb = polygons_to_wkb(polygons.field("coordinates")) if len(polygons) else pa.array([], pa.binary())
    if wkb is None or not others:
        return wkb
    order = np.argsort(np.concatenate([_rows_without(others, len(wkb)), np.array(list(others), np.int64)]))
    return pa.concat_arrays([wkb, pa.array(others.values(), pa.binary())]).take(pa.array(order))


def _rows_without(others: dict[int, bytes], polygons: int) -> "np.ndarray[Any, np.dtype[np.int64]]":
    return np.setdiff1d(np.arange(polygons + len(others)), np.array(list(others), np.int64))


def _merged(found: dict[str, Type], known: dict[str, Type]) -> dict[str, Type]:
    merged = {name: merge(kind, known.get(name, kind)) for name, kind in found.items()}
    return {name: kind for name, kind in merged.items() if not json_paths(kind)}
