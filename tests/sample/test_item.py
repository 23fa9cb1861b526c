"""The items have the shape of the real ones."""

from datetime import date, datetime
from typing import Any

import orjson
import pyarrow as pa
import pytest

from sample.catalog import Catalog
from sample.generate import day_granules
from sample.item import Granule, render
from sample.tiles import land_tiles
from worker.contract.collections import BANDS, COLLECTIONS


def granule_of(item: dict[str, Any]) -> Granule:
    """The facts of a real item."""
    properties = item["properties"]
    start, end = (
        round(datetime.fromisoformat(properties[name]).timestamp() * 1000)
        for name in ("start_datetime", "end_datetime")
    )
    return Granule(
        id=item["id"],
        collection=item["collection"],
        start=start,
        end=end,
        rings=[[(x, y) for x, y in ring] for ring in item["geometry"]["coordinates"]],
        cloud_cover=properties.get("eo:cloud_cover"),
        concept=int(item["links"][-1]["href"].split("/G")[1].split("-")[0]),
    )


def test_render_writes_the_real_items_from_their_facts(current_items: list[dict[str, Any]]) -> None:
    """Given the facts and the order of the bands of a real item, the same item comes out, to the last member."""
    for item in current_items:
        bands = tuple(name for name in item["assets"] if name in BANDS[item["collection"]])
        written = orjson.loads(render(granule_of(item), bands))
        assert written == item
        assert list(written["assets"]) == list(item["assets"])


def members(value: Any, path: str = "") -> set[str]:
    """Paths of all the members of a JSON value, lists taken as one."""
    if isinstance(value, dict):
        return {f"{path}.{name}" for name in value} | set().union(
            *(members(v, f"{path}.{n}") for n, v in value.items())
        )
    if isinstance(value, list):
        return set().union(*(members(element, f"{path}[]") for element in value))
    return set()


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_generated_items_have_the_members_of_real_ones(
    current_items: list[dict[str, Any]], catalog: Catalog, collection: str
) -> None:
    """No member more and none less, at any depth, than the real items of the collection have."""
    real = [item for item in current_items if item["collection"] == collection]
    generated = [
        item
        for item in catalog.items(date(2024, 1, 3), date(2024, 1, 8))
        if item["collection"] == collection and "eo:cloud_cover" in item["properties"]
    ]
    expected = members(real[0])
    assert {frozenset(members(item)) for item in real + generated} == {frozenset(expected)}
    assert len({tuple(item["assets"]) for item in generated}) > len(generated) / 2, "the order of assets varies"


def test_generated_items_compress_like_real_ones(current_items: list[dict[str, Any]]) -> None:
    """zstd leaves as many bytes of 34 generated items, of the same tiles and number of days, within 15 %."""
    names = sorted({item["id"].split(".")[2][1:] for item in current_items})
    tiles = land_tiles()
    tiles = tiles.take([name in names for name in tiles.name])  # type: ignore[arg-type]  # a list of flags is an index
    generated: list[bytes] = []
    for collection, wanted in zip(COLLECTIONS, (12, 22), strict=True):
        days = (
            granule.body()
            for day in range(1, 29)
            for granule in day_granules(seed=3, collection=collection, day=date(2025, 10, day), count=100, tiles=tiles)
        )
        generated += [body for body, _ in zip(days, range(wanted), strict=False)]
    real = [orjson.dumps(item) for item in current_items]
    assert len(generated) == len(real) == 34
    for level in (3, 9):
        zstd = pa.Codec("zstd", compression_level=level)
        ours, theirs = (len(zstd.compress(b"\n".join(lines))) for lines in (generated, real))
        assert ours == pytest.approx(theirs, rel=0.15)
