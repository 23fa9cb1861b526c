"""Pages that are cut into moulds: the items that are cast again are those that were served, to the last letter."""

import json
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.contract.columns import PROPERTIES, TIMESTAMP, Struct
from worker.items.convert import CANONICAL, Converter
from worker.items.cut import cut
from worker.items.lossless import rows_of, table_of
from worker.items.moulds import Moulds
from worker.items.parts import Form
from worker.items.types import arrange, json_paths, merge_all, resolve

Item = dict[str, Any]


def page(items: list[Item]) -> bytes:
    """As CMR-STAC sends it: compact, links of its own behind the items."""
    links = [{"rel": "next", "href": "https://example.com/search?cursor=x", "type": "application/geo+json"}]
    context = {"returned": len(items), "matched": len(items)}
    return orjson.dumps({"type": "FeatureCollection", "features": items, "links": links, "context": context})


def rows(body: bytes, converter: Converter | None = None) -> tuple[list[Item], list[str], bool]:
    """The rows of a page in every column, the columns that hold JSON, and whether the page was cut."""
    converted = (converter or Converter()).convert(body)
    form = Form(converted.kind, converted.moulds)
    whole = resolve(arrange(merge_all([CANONICAL, form.whole()]), CANONICAL))
    assert isinstance(whole, Struct)
    table = form.cast(pa.Table.from_struct_array(converted.items), whole)
    return table.to_pylist(), json_paths(whole), converted.moulds is not None


def slow(items: list[Item]) -> list[Item]:
    """The rows by the lossless way, which makes a Python object of everything."""
    array, kind = table_of(rows_of(orjson.loads(orjson.dumps(items))), CANONICAL)
    whole = resolve(arrange(kind, CANONICAL))
    assert isinstance(whole, Struct)
    found: list[Item] = Form(kind).cast(pa.Table.from_struct_array(array), whole).to_pylist()
    return found


def without_nothing(value: Any) -> Any:
    """A column that only one way makes says nothing where it is null."""
    if isinstance(value, dict):
        return {name: without_nothing(member) for name, member in value.items() if member is not None}
    return [without_nothing(element) for element in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def real_items(shared_data: Path) -> list[Item]:
    items: list[Item] = json.loads((shared_data / "derived-current-flavour/items_34_derived.json").read_text())[
        "features"
    ]
    return items


def test_real_items_are_cut_and_cast(shared_data: Path, real_items: list[Item]) -> None:
    """Of both flavours; the lossless way gives the same rows."""
    old = json.loads((shared_data / "cmr-stac/items_2021-05_64_L30+S30.json").read_text())["features"]
    for items in (real_items, old):
        found, _, was_cut = rows(page(items))
        assert was_cut
        assert without_nothing(found) == without_nothing(slow(items))


def test_other_geometries_stay_on_the_fast_way(real_items: list[Item], shared_data: Path) -> None:
    """MultiPolygons, a polygon with its members in another order, points, among plain polygons, and pages of nothing
    else: all are cut, and each geometry stays with its item."""
    crossing = json.loads((shared_data / "derived-current-flavour/antimeridian_S30_T01LAH.json").read_text())
    square = [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]]
    odd = [
        real_items[1] | {"geometry": {"type": "MultiPolygon", "coordinates": [square, square]}},
        real_items[2] | {"geometry": {"coordinates": square, "type": "Polygon"}},
        real_items[3] | {"geometry": {"type": "Point", "coordinates": [1.5, 2.5]}},
    ]
    for items in ([crossing], odd, [real_items[0], *odd, crossing, *real_items[4:8]], [*odd[:1], *real_items[4:6]]):
        found, _, was_cut = rows(page(items))
        assert was_cut
        assert without_nothing(found) == without_nothing(slow(items))


def test_an_asset_without_a_name(real_items: list[Item]) -> None:
    """Its key is an empty text, which is a key like any other."""
    items = [real_items[0], real_items[1] | {"assets": real_items[1]["assets"] | {"": {"href": "https://example.com"}}}]
    found, _, was_cut = rows(page(items))
    assert was_cut
    assert found[1]["assets"][""]["href"] == "https://example.com"
    assert without_nothing(found) == without_nothing(slow(items))


texts = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
TIMES = {name for name, kind in PROPERTIES if kind == TIMESTAMP}
properties = texts.filter(lambda name: name not in TIMES)
"""Their values are drawn from everything, which a time may not be: such a page is refused."""
geometries = st.sampled_from(
    [
        {"type": "Polygon", "coordinates": [[[0, 0, 1], [1, 0, 2], [1, 1, 3], [0, 0, 1]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 0]], [[1, 1], [2, 1], [2, 2], [1, 1]]]},
        {"type": "Polygon", "coordinates": [[[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1e-9, 0], [1e-9, 1e-9], [0, 0]]]},
        {
            "type": "MultiPolygon",
            "coordinates": [[[[0, 0], [1, 0], [1, 1], [0, 0]]], [[[5, 5], [6, 5], [6, 6], [5, 5]]]],
        },
        {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1, 2]}]},
    ]
)
ids = st.one_of(texts.filter(bool), st.sampled_from(["a", "e", "},", "href", "0", "type", "HLS.L30.T1", "ä", "roles"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "ü", "assets"]), inner, max_size=2)
    ),
    max_leaves=4,
)
assets = st.dictionaries(
    st.sampled_from(["B04", "B8A", "extra", "links", "[", ""]),
    st.dictionaries(st.sampled_from(["href", "title", "roles", "size", "note"]), values, max_size=4),
    max_size=3,
)
links = st.lists(st.dictionaries(st.sampled_from(["href", "rel", "title", "method"]), values, max_size=3), max_size=2)


@st.composite
def pages(draw: st.DrawFn) -> list[Item]:
    """Items whose ids, assets, links, geometries and further members are drawn; ids stand in their texts."""
    found = []
    for number, name in enumerate(draw(st.lists(ids, min_size=1, max_size=4, unique=True))):
        href = {"href": f"https://example.com/{name}/{name}.tif", "title": f"the [{number}] {name}", "roles": ["data"]}
        via = {"rel": "via", "href": f"https://cmr.earthdata.nasa.gov/search/concepts/G{number}-X.json"}
        found.append(
            {
                "type": "Feature",
                "id": name,
                "stac_version": "1.1.0",
                "properties": {
                    "datetime": "2025-10-02T17:04:39.336Z",
                    **draw(st.dictionaries(properties, values, max_size=1)),
                },
                "geometry": draw(geometries),
                "bbox": [0, 0, 1, 1],
                "assets": {"B01": href, **draw(assets)},
                "links": [via, *draw(links)],
                "collection": "HLSL30_2.0",
                **draw(st.dictionaries(st.sampled_from(["foreign", "conformsTo"]), values, max_size=1)),
            }
        )
    return found


@pytest.mark.parametrize("examples", [20, pytest.param(3000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
def test_whatever_a_page_holds_comes_back(examples: int) -> None:
    """Odd and missing fields, nested extras, unicode, ids that are parts of other texts, geometries of every kind,
    values of several types: by whatever way a page goes, its rows are those of the lossless way. The second page meets
    what the first has taught."""

    @settings(max_examples=examples)
    @given(pages(), pages())
    def comes_back(first: list[Item], second: list[Item]) -> None:
        converter = Converter()
        for items in (first, second):
            found, _, _ = rows(page(items), converter)
            for ours, theirs in zip(found, slow(items), strict=True):
                assert _loaded(without_nothing(ours)) == _loaded(without_nothing(theirs))

    comes_back()


def _loaded(value: Any) -> Any:
    """JSON text as what it says, numbers as floats: which of a page's columns are JSON depends on what came before."""
    if isinstance(value, dict):
        return {name: _loaded(member) for name, member in value.items() if _loaded(member) not in (None, {}, [])}
    if isinstance(value, list):
        return [_loaded(element) for element in value]
    if isinstance(value, str):
        try:
            return _loaded(json.loads(value))
        except ValueError:
            return value
    return float(value) if isinstance(value, int) else value


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"assets":{', b'"assets": {'),
        (b'"title":"Thumbnail [0]"', b'"title":"Thumbnail \\"[0]"'),
        (b'"title":"Thumbnail [0]"', b'"title":"Thumbnail},"'),
        (b'"title":"Thumbnail [0]"', b'"title":{"en":{"a":1}}'),
        (b'"eo:cloud_cover"', b'"assets":{"a":{"href":"x"}},"eo:cloud_cover"'),
        (b'"eo:cloud_cover"', b'"links":[{"assets":{"a":{}}}],"eo:cloud_cover"'),
        (b'"rel":"root"', b'"assets":{"B01":{"href":"y"}},"rel":"root"'),
        (b'"collection":', b'"inner":{"type":"Feature","id":"z","assets":{"q":{"w":1}}},"collection":'),
    ],
)
def test_what_looks_like_something_else(real_items: list[Item], old: bytes, new: bytes) -> None:
    """Names and brackets where nobody expects them: such a page is read another way, and nothing is mixed up."""
    body = page(real_items[:2])
    assert old in body
    changed = body.replace(old, new)
    items = orjson.loads(changed)["features"]
    found, _, _ = rows(changed)
    assert without_nothing(found) == without_nothing(slow(items))


def test_moulds_do_not_grow_for_ever(real_items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each item has texts of its own, such as signed addresses, pages are read another way after a while."""
    monkeypatch.setattr("worker.items.cut.MOULDS", 50)
    converter = Converter()
    for number in range(40):
        item = orjson.loads(orjson.dumps(real_items[0]).replace(b".tif", f".tif?signature={number}".encode()))
        found, _, _ = rows(page([item]), converter)
        assert without_nothing(found) == without_nothing(slow([item]))
    assert len(converter._moulds) < 50 + 40


def test_a_page_of_something_else_is_not_cut() -> None:
    """No features, none at all, or no JSON."""
    for body in (
        b"",
        b"{}",
        b'{"features":[]}',
        b'{"features":[{"type":"Feature",',
        b'"features":[{"type":"Feature","id":"a"}]',
    ):
        assert cut(body, Moulds()) is None
