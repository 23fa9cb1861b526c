"""Cuts a page as it came into moulds and what little is left of each item.

It works on the bytes, by what compact GeoJSON looks like, and believes nothing of it: a mould is known only once it was
parsed, what is left is parsed by `worker.items.convert`, which compares, and a page that is not plainly so is not cut.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

import orjson
import pyarrow as pa
from shapely.errors import ShapelyError

from worker.items.geometry import to_wkb
from worker.items.moulds import CONCEPT, ID, Moulds

MOULDS = 8000
"""Moulds at most: where each item has its own, keeping them costs more than it saves."""

_HEAD, _BETWEEN = b'"features":[{"type":"Feature",', b'},{"type":"Feature",'
_AFTER_ASSETS = b'}},"links":['
_ID_MARK, _CONCEPT_MARK = ID.encode(), CONCEPT.encode()
_ID, _ASSETS, _LINKS, _GEOMETRY = b'"id":"', b'"assets":{"', b'"links":[', b'"geometry":{'
_POLYGON = b'{"type":"Polygon","'
_CONCEPT = re.compile(rb"/concepts/([A-Za-z0-9_-]+)[./\"]")


@dataclass(frozen=True)
class Cut:
    """What a page was cut into; in `rest`, 0 stands for assets and links, and null for a geometry of its own."""

    rest: bytes
    ids: pa.Array
    concepts: pa.Array
    numbers: pa.ListArray
    geometries: dict[int, bytes]
    """WKB of the geometries that are no polygons, by row."""


class _Part(NamedTuple):
    rest: bytes
    id: bytes
    concept: bytes | None
    numbers: list[int]
    geometry: bytes | None


def cut(body: bytes, moulds: Moulds) -> Cut | None:
    """The page in parts; None where it is not plainly made of features that can be cut."""
    begin = body.find(_HEAD)
    # A backslash may stand before what looks like a name; an escaped marker would be taken for one.
    if begin < 0 or b"\\" in body or ID.encode() in body or CONCEPT.encode() in body:
        return None
    features = body[begin + len(_HEAD) :].split(_BETWEEN)
    try:
        features[-1] = _ended(features[-1])
        parts = [_part(feature, moulds) for feature in features]
    except (ValueError, ShapelyError):  # also of `index`: a piece is not where it should be
        return None
    return Cut(
        rest=b'{"features":[{"type":"Feature",' + _BETWEEN.join(part.rest for part in parts) + b"}]}",
        ids=pa.array([part.id for part in parts], pa.binary()),
        concepts=pa.array([part.concept for part in parts], pa.binary()),
        numbers=pa.array([part.numbers for part in parts], pa.list_(pa.int32())),
        geometries={row: part.geometry for row, part in enumerate(parts) if part.geometry is not None},
    )


def _ended(feature: bytes) -> bytes:
    """The last feature without what follows it in the page, which may have links of its own."""
    last = feature.index(b"]", feature.index(_LINKS))
    return feature[: feature.index(b"}]", max(last, feature.index(b"}}", feature.index(_ASSETS))) + 1)]


def _assets(feature: bytes) -> tuple[int, int]:
    start = feature.index(_ASSETS) + len(_ASSETS) - 2
    before_links = feature.rfind(_AFTER_ASSETS)  # near the end; to look for the end from the start is slower
    return start, (feature.index(b"}}", start) if before_links < start else before_links) + 2


def _links(feature: bytes) -> tuple[int, int]:
    start = feature.rindex(_LINKS) + len(_LINKS) - 1
    return start, feature.index(b"]", start) + 1


def _geometry(feature: bytes) -> tuple[int, int] | None:
    """Where the geometry is, unless it is a polygon: those are parsed with the rest, all of a page at once."""
    start = feature.find(_GEOMETRY) + len(_GEOMETRY) - 1
    if start < len(_GEOMETRY) or feature.startswith(_POLYGON, start):
        return None
    return start, feature.index(b"}", start) + 1


def _part(feature: bytes, moulds: Moulds) -> _Part:
    start = feature.index(_ID) + len(_ID)
    name = feature[start : feature.index(b'"', start)]
    if not name:
        raise ValueError("an item without an id")
    assets, links, geometry = _assets(feature), _links(feature), _geometry(feature)
    asset_text = feature[assets[0] + 2 : assets[1] - 2].replace(name, _ID_MARK)
    link_text = feature[slice(*links)].replace(name, _ID_MARK)
    concept = None
    if found := _CONCEPT.search(link_text):
        concept = found[1]
        asset_text, link_text = (text.replace(concept, _CONCEPT_MARK) for text in (asset_text, link_text))
    spans = [(*assets, b"0"), (*links, b"0"), *([(*geometry, b"null")] if geometry else [])]
    return _Part(
        rest=_without(feature, spans),
        id=name,
        concept=concept,
        numbers=_numbers([*asset_text.split(b'},"'), link_text], moulds),
        geometry=to_wkb(orjson.loads(feature[slice(*geometry)])) if geometry else None,
    )


def _numbers(texts: list[bytes], moulds: Moulds) -> list[int]:
    known = moulds.numbers
    try:
        return [known[text] for text in texts]
    except KeyError:
        if len(moulds) >= MOULDS:
            raise ValueError("too many moulds") from None
        return [moulds.number(text) for text in texts]


def _without(feature: bytes, spans: list[tuple[int, int, bytes]]) -> bytes:
    """The feature with the spans replaced. Raises `ValueError` where they are not apart."""
    parts, last = [], 0
    for start, end, instead in sorted(spans):
        if start < last:
            raise ValueError("one part lies within another")
        parts += [feature[last:start], instead]
        last = end
    return b"".join([*parts, feature[last:]])
