"""Midnight, the end of a month and the antimeridian: each item in one partition, once, and found where it lies."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from harvesting import Archive, digests

from sample.catalog import Catalog
from sample.item import bounds
from sample.server import running
from worker.contract.bbox import BBox
from worker.contract.collections import S30
from worker.contract.documents import Progress
from worker.contract.layout import progress_key

Item = dict[str, Any]

TIMES = ("datetime", "start_datetime", "end_datetime")

MOMENTS = {
    "last-of-november": ("2023-11-30T23:59:59.999Z", "2023-11-30T23:59:59.999Z"),
    "spans-the-months-end": ("2023-11-30T23:59:55.000Z", "2023-12-01T00:00:05.000Z"),
    "first-of-december": ("2023-12-01T00:00:00Z", "2023-12-01T00:00:00Z"),
    "last-of-a-day": ("2023-12-05T23:59:59.999Z", "2023-12-05T23:59:59.999Z"),
    "spans-midnight": ("2023-12-05T23:59:50.123Z", "2023-12-06T00:00:10.456Z"),
    "first-of-a-day": ("2023-12-06T00:00:00.000Z", "2023-12-06T00:00:00.000Z"),
    "spans-the-years-end": ("2023-12-31T23:59:59.999Z", "2024-01-01T00:00:20Z"),
    "first-of-january": ("2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00.000Z"),
}
"""Id to start and end; the start is the `datetime`."""


@dataclass(frozen=True)
class Crossing:
    """A source with items near and on the antimeridian."""

    url: str
    items: dict[str, Item]
    collections: tuple[str, ...]


@pytest.fixture(scope="module")
def template() -> Item:
    """An item as the sample catalogue serves it."""
    return next(iter(Catalog.generated(items_per_month=31, seed=1).items(date(2024, 1, 1), date(2024, 1, 3))))


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def lying(template: Item, name: str, *rings: list[tuple[float, float]]) -> Item:
    """The item with other footprints, its box as CMR-STAC has it: west > east where it crosses the antimeridian."""
    closed = [[*ring, ring[0]] for ring in rings]
    parts = [[[list(point) for point in ring]] for ring in closed]
    shape = {"type": "Polygon", "coordinates": parts[0]}
    if len(parts) > 1:
        shape = {"type": "MultiPolygon", "coordinates": parts}
    return template | {"id": name, "geometry": shape, "bbox": list(bounds(closed))}


def square(west: float, east: float) -> list[tuple[float, float]]:
    return [(west, 0.0), (east, 0.0), (east, 1.0), (west, 1.0)]


@pytest.fixture
def crossing(template: Item) -> Iterator[Crossing]:
    items = [
        lying(template, "west-of-it", square(178.0, 179.0)),
        lying(template, "east-of-it", square(-179.0, -178.0)),
        lying(template, "far-away", square(10.0, 11.0)),
        lying(template, "across", square(179.5, 180.0), square(-180.0, -179.5)),
        lying(template, "across-too", square(179.2, 180.0), square(-180.0, -179.9)),
    ]
    with running(Catalog.from_items(items)) as source:
        yield Crossing(source.url, {item["id"]: item for item in items}, (template["collection"],))


def found_at(path: Path, longitude: float) -> list[str]:
    """Ids of the rows whose box holds the longitude, by a plain range filter."""
    condition = (pc.field("bbox", "xmin") <= longitude) & (pc.field("bbox", "xmax") >= longitude)
    return sorted(ds.dataset(path).to_table(columns=["id"], filter=condition).column("id").to_pylist())


def test_each_item_lies_in_the_partition_of_its_datetime(template: Item, archive: Archive) -> None:
    """The source gives what spans midnight for both days, and what begins at midnight for the day before as well."""
    items = [
        template
        | {"id": name, "properties": template["properties"] | dict(zip(TIMES, (start, start, end), strict=True))}
        for name, (start, end) in MOMENTS.items()
    ]
    with running(Catalog.from_items(items)) as source:
        results = {month: archive.harvest(source.url, month) for month in ("202311", "202312", "202401")}
    for month, result in results.items():
        mine = [item for item in items if item["properties"]["datetime"].startswith(f"{month[:4]}-{month[4:]}")]
        assert archive.digests(month) == digests(mine)
        assert (result.items, result.matched, result.complete) == (len(mine), len(mine), True)
        days = {day.day.isoformat(): sum(day.items.values()) for day in result.days if day.items}
        assert days == {
            day: sum(item["properties"]["datetime"].startswith(day) for item in mine)
            for day in {item["properties"]["datetime"][:10] for item in mine}
        }
    assert sum(result.items for result in results.values()) == len(MOMENTS)
    told = [archive.folder / progress_key(f"job-{number}") for number in range(len(results))]
    assert [Progress.from_json(path.read_bytes()).items for path in told] == [each.items for each in results.values()]


def test_generated_months_beside_each_other(archive: Archive) -> None:
    """What the generated catalogue has on both sides of a month's end comes once, and together it is all of it."""
    catalog = Catalog.generated(items_per_month=1200, seed=5)
    last, first = date(2024, 2, 29), date(2024, 3, 1)
    near = list(catalog.items(last, date(2024, 3, 2)))
    spanning = [item for item in near if item["properties"]["end_datetime"][:10] > item["properties"]["datetime"][:10]]
    assert spanning, "the catalogue has something that spans midnight"
    with running(Catalog.from_items(near)) as source:
        for month in ("202402", "202403"):
            archive.harvest(source.url, month)
    assert archive.digests("202402") == digests(catalog.items(last, first))
    assert archive.digests("202403") == digests(catalog.items(first, date(2024, 3, 2)))


def test_crossing_footprints_are_found_on_both_sides(crossing: Crossing, archive: Archive) -> None:
    """A plain range filter finds them east and west of 180, beside what lies on that side alone, and each once."""
    archive.harvest(crossing.url, "202401", collections=crossing.collections)
    path = archive.path("202401")
    assert found_at(path, 178.5) == ["across", "across-too", "west-of-it"]
    assert found_at(path, -178.5) == ["across", "across-too", "east-of-it"]
    assert sorted(archive.ids("202401")) == sorted(crossing.items)


def test_crossing_rows_have_row_groups_of_their_own(crossing: Crossing, archive: Archive) -> None:
    """Their box from -180 to 180 would otherwise keep readers from passing over their neighbours."""
    archive.harvest(crossing.url, "202401", collections=crossing.collections)
    with pq.ParquetFile(archive.path("202401")) as file:
        groups = [
            set(file.read_row_group(number, columns=["id"]).column("id").to_pylist())
            for number in range(file.num_row_groups)
        ]
    assert groups == [{"west-of-it", "east-of-it", "far-away"}, {"across", "across-too"}]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ("177,-10,-177,10", {"west-of-it", "east-of-it", "across", "across-too"}),
        ("179.1,-10,-179.95,10", {"across", "across-too"}),
        ("179.1,-10,180,10", {"across", "across-too"}),
        ("-180,-10,-179.95,10", {"across", "across-too"}),
        ("-179.8,-10,-179.6,10", {"across"}),
        ("9,-10,12,10", {"far-away"}),
        ("177,-10,179.1,10", {"west-of-it"}),
    ],
)
def test_a_box_beside_or_across_the_antimeridian(
    box: str, expected: set[str], crossing: Crossing, archive: Archive
) -> None:
    """A box with west > east is searched in two halves; what both give comes once, and the counts agree."""
    result = archive.harvest(crossing.url, "202401", collections=crossing.collections, bbox=box, prefix="box")
    assert sorted(archive.ids("202401", "box")) == sorted(expected)
    assert (result.matched, result.complete) == (len(expected), True)
    assert archive.digests("202401", "box") == digests(crossing.items[name] for name in expected)


def test_generated_items_in_a_crossing_box(archive: Archive) -> None:
    """The same for generated granules: the union of both halves, without doubles, is what each of them gives."""
    catalog = Catalog.generated(items_per_month=6000, seed=7, until=date(2024, 1, 2), area=BBox(170, -90, -170, 90))
    with running(catalog) as source:
        result = archive.harvest(source.url, "202401", bbox="175,-60,-175,70", prefix="box", collections=[S30])
        halves: set[str] = set()
        for number, box in enumerate(("175,-60,180,70", "-180,-60,-175,70")):
            archive.harvest(source.url, "202401", bbox=box, prefix=f"half-{number}", collections=[S30])
            part = archive.digests("202401", f"half-{number}")
            both = halves & part.keys()
            halves |= part.keys()
    assert both, "the catalogue has something that crosses the antimeridian"
    assert archive.digests("202401", "box").keys() == halves
    assert result.complete


def test_the_real_granule_that_crosses(shared_data: Path, archive: Archive) -> None:
    """Found by its bbox on both sides of 180 and by a job whose box crosses; not by one that lies beside it."""
    item = json.loads((shared_data / "derived-current-flavour/antimeridian_S30_T01LAH.json").read_text())
    month = item["properties"]["datetime"][:7].replace("-", "")
    south, north = item["bbox"][1], item["bbox"][3]
    with running(Catalog.from_items([item])) as source:
        wishes = {"collections": (item["collection"],)}
        world = archive.harvest(source.url, month, **wishes)
        crossing = archive.harvest(source.url, month, **wishes, bbox=[179, south, -179, north], prefix="crossing")
        beside = archive.harvest(source.url, month, **wishes, bbox=[170, south, 171, north], prefix="beside")
    assert (world.items, crossing.items, beside.items) == (1, 1, 0)
    for longitude in (179.999, -179.999):
        assert found_at(archive.path(month), longitude) == [item["id"]]
    assert archive.digests(month) == archive.digests(month, "crossing") == digests([item])
