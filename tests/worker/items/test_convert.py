"""From a page's bytes to rows and back: nothing is lost on either way, and the fast way is taken where it can be."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worker.contract.columns import PROPERTIES
from worker.items.convert import CANONICAL, Converter
from worker.items.types import arrange, json_paths, resolve

Item = dict[str, Any]


def page(items: list[Item]) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": items, "links": [], "context": {}}).encode()


def unflattened(row: Item, marked: list[str]) -> Item:
    """The item that a row was made of."""
    members = ("id", "type", "collection", "stac_version", "stac_extensions", "links", "assets", "geometry", "bbox")
    item = {name: row[name] for name in members}
    item["properties"] = {name: value for name, value in row.items() if name not in members}
    for path in marked:
        _parse(item["properties"] if path.split(".")[0] not in members else item, path.split("."))
    return item


def _parse(node: Any, path: list[str]) -> None:
    for part in node if isinstance(node, list) else [node]:
        if not isinstance(part, dict) or part.get(path[0]) is None:
            continue
        if len(path) > 1:
            _parse(part[path[0]], path[1:])
        else:
            part[path[0]] = _loaded(part[path[0]])


def _loaded(value: Any) -> Any:
    if isinstance(value, list):
        return [_loaded(element) for element in value]
    return None if value is None else json.loads(value)


def normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: normal(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [normal(element) for element in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@pytest.fixture
def real_item(shared_data: Path) -> Item:
    items: list[Item] = json.loads((shared_data / "derived-current-flavour/items_34_derived.json").read_text())[
        "features"
    ]
    return items[0]


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
)
odd = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "ü", "b:c"]), inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    st.lists(st.dictionaries(st.sampled_from(["x", "naïve:key", "created"]), odd, max_size=3), min_size=1, max_size=5)
)
def test_unknown_properties_survive(real_item: Item, extras: list[Item]) -> None:
    """Any JSON value under any unknown property comes back, also beside other types under the same key."""
    items = [
        real_item | {"id": f"item-{number}", "properties": real_item["properties"] | extra}
        for number, extra in enumerate(extras)
    ]
    converted = Converter().convert(page(items))
    marked = [path for path in json_paths(arrange(converted.kind, CANONICAL)) if path]
    for item, row in zip(items, converted.items.to_pylist(), strict=True):
        back = unflattened(row, marked)
        kept = {name: back["properties"].get(name) for name in ("x", "naïve:key", "created")}
        sent = {name: item["properties"].get(name) for name in ("x", "naïve:key", "created")}
        assert normal(kept) == normal(sent)
        assert normal(back["assets"]) == normal(item["assets"])


def test_a_learned_shape_takes_the_fast_way(real_item: Item) -> None:
    """A page with an unknown field teaches its shape: the next page like it is converted without Python objects."""
    body = page([real_item | {"properties": real_item["properties"] | {"created": "2025-01-01T00:00:00Z"}}])
    converter = Converter()
    assert converter._shape.convert(body) is None
    slow = converter.convert(body)
    fast = converter._shape.convert(body)
    assert fast is not None
    assert (
        fast.items.field("created").to_pylist() == slow.items.field("created").to_pylist() == ["2025-01-01T00:00:00Z"]
    )


def test_both_ways_agree(shared_data: Path) -> None:
    """The fast way gives to the last bit what the lossless way gives, on every real item."""
    from worker.items.lossless import rows_of, table_of

    for name in ("derived-current-flavour/items_34_derived.json", "cmr-stac/items_2021-05_64_L30+S30.json"):
        items = json.loads((shared_data / name).read_text())["features"]
        fast = Converter()._shape.convert(page(items))
        assert fast is not None
        slow, kind = table_of(rows_of(items), CANONICAL)
        assert resolve(arrange(fast.kind, CANONICAL)) == resolve(kind)
        assert [{**row} for row in slow.to_pylist()] == [
            {name: row[name] for name, _ in kind.fields} for row in fast.items.to_pylist()
        ]


def test_a_crossing_item_gets_the_whole_range(shared_data: Path) -> None:
    """The real granule across the antimeridian has west > east; its row spans -180 to 180 and keeps its footprint."""
    item = json.loads((shared_data / "derived-current-flavour/antimeridian_S30_T01LAH.json").read_text())
    assert item["bbox"][0] > item["bbox"][2]
    row = Converter().convert(page([item])).items[0].as_py()
    assert (row["bbox"]["xmin"], row["bbox"]["xmax"]) == (-180.0, 180.0)
    assert (row["bbox"]["ymin"], row["bbox"]["ymax"]) == (item["bbox"][1], item["bbox"][3])


@pytest.mark.parametrize(
    ("geometry", "dimensions"),
    [
        ({"type": "Point", "coordinates": [1.0, 2.0]}, 2),
        ({"type": "Polygon", "coordinates": [[[0, 0, 1], [1, 0, 2], [1, 1, 3], [0, 0, 1]]]}, 3),
        ({"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 0]], [[1, 1], [2, 1], [2, 2], [1, 1]]]}, 2),
        ({"type": "MultiPolygon", "coordinates": [[[[0, 0], [1, 0], [1, 1], [0, 0]]]]}, 2),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1e-9, 0], [1e-9, 1e-9], [0, 0]]]}, 2),
    ],
)
def test_every_kind_of_geometry_survives(real_item: Item, geometry: Item, dimensions: int) -> None:
    """Holes, three dimensions, several parts, huge and tiny ones: the WKB holds the same coordinates."""
    import shapely

    wkb = Converter().convert(page([real_item | {"geometry": geometry}])).items[0].as_py()["geometry"]
    read = shapely.from_wkb(wkb)
    assert shapely.get_coordinate_dimension(read) == dimensions
    assert json.loads(shapely.to_geojson(read)) == normal(geometry)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"features": 1}',
        b'{"features": [1]}',
        b'{"features": [{"properties": 3}]}',
        b'{"features": [{"properties": {"datetime": "today"}}]}',
        b'{"features": [{"id": 5}]}',
        b'{"features": [{"bbox": ["a", "b", "c", "d"]}]}',
        b'{"features": [{"bbox": [1, 2, 3, null]}]}',
        b'{"features": [{"geometry": 7}]}',
        b'{"features": [{"geometry": {"type": "Blob"}}]}',
        b'{"features": [{"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1]], [[0, 0]]]}}]}',
    ],
)
def test_what_is_no_page_is_refused(body: bytes) -> None:
    """Something else than a feature collection of items raises `ValueError`, so that the page is read again, and is
    neither taken for an empty page nor for a fault of our own."""
    with pytest.raises((ValueError, pa.ArrowException)):
        Converter().convert(body)


def with_properties(item: Item, number: int, **properties: Any) -> Item:
    return item | {"id": f"item-{number}", "properties": item["properties"] | properties}


@pytest.mark.parametrize(
    "first",
    [[{"x": 1}, {"x": "a"}], [{"x": "a"}, {"x": {"y": 1}}], [{"x": [1]}, {"x": ["a"]}]],
)
def test_text_among_other_types_stays_text(first: list[Item], real_item: Item) -> None:
    """Where a page has taught that a property needs JSON text, a later page with texts alone is not taken for JSON."""
    converter = Converter()
    converter.convert(page([with_properties(real_item, n, **extra) for n, extra in enumerate(first)]))
    later = converter.convert(page([with_properties(real_item, 7, x="5")]))
    converter.convert(page([with_properties(real_item, 8, x=5)]))
    again = converter.convert(page([with_properties(real_item, 9, x="5")]))
    for converted in (later, again):
        back = unflattened(converted.items[0].as_py(), [path for path in json_paths(converted.kind) if path])
        assert back["properties"]["x"] == "5"


def test_threads_learn_together(real_item: Item) -> None:
    """Pages of many shapes, converted by several threads at once, come back whole; what one thread learns, no other
    makes forgotten."""
    bodies = [page([with_properties(real_item, n, **{f"extra{n}": n})]) for n in range(24)]
    converter = Converter()
    with ThreadPoolExecutor(8) as pool:
        converted = list(pool.map(converter.convert, bodies))
    assert [one.items[0].as_py()[f"extra{n}"] for n, one in enumerate(converted)] == list(range(24))
    assert all(converter._shape.convert(body) is not None for body in bodies)


def test_shapes_that_never_end_are_not_learnt_for_ever(real_item: Item, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each page has another property, what is learnt stops growing, and nothing is lost."""
    monkeypatch.setattr("worker.items.convert._LESSONS", lessons := 20)
    converter = Converter()
    for number in range(2 * lessons):
        converted = converter.convert(page([with_properties(real_item, number, **{f"only{number}": 1})]))
        assert converted.items[0].as_py()[f"only{number}"] == 1
    assert len(converter._shape._properties) <= lessons + len(PROPERTIES)
