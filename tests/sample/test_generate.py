"""The generated days: deterministic, on real tiles, with the cases that are hard on a harvester."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import shapely
from mgrs import MGRS

from sample.catalog import Catalog, Query
from sample.tiles import SIZE, land_tiles, on_land, to_degrees
from worker.contract.bbox import BBox
from worker.contract.collections import L30, S30

MONTH = "202406"


@pytest.fixture(scope="module")
def items(catalog: Catalog) -> list[dict[str, Any]]:
    return catalog.month(MONTH)


def instant(item: dict[str, Any], name: str = "datetime") -> datetime:
    return datetime.fromisoformat(item["properties"][name])


def test_seed_and_day_alone_decide(catalog: Catalog, items: list[dict[str, Any]]) -> None:
    """The same seed gives the same items, also when only one day of them is made; another seed gives others."""
    again = Catalog.generated(items_per_month=700, seed=1)
    day = list(again.items(date(2024, 6, 17), date(2024, 6, 18)))
    assert day == [item for item in items if instant(item).day == 17]
    other = Catalog.generated(items_per_month=700, seed=2).month(MONTH)
    assert len({item["id"] for item in other} & {item["id"] for item in items}) < 20, "chance alone repeats an id"


def test_a_month_has_the_number_asked_for(items: list[dict[str, Any]]) -> None:
    """Exactly so many items, with distinct ids, all sensed in the month, of both collections."""
    assert len(items) == len({item["id"] for item in items}) == 700
    assert all((instant(item).year, instant(item).month) == (2024, 6) for item in items)
    assert {item["collection"] for item in items} == {L30, S30}


@pytest.mark.parametrize(
    "size", [pytest.param(15_000, id="small"), pytest.param(60_000, id="full", marks=pytest.mark.soak)]
)
def test_ids_are_distinct_over_the_days_of_a_big_month(size: int) -> None:
    """Two days may see a tile in one data take, about midnight; no id stands on both, so that the month is whole."""
    first, after = (round(datetime(2024, month, 1, tzinfo=UTC).timestamp()) * 1000 for month in (6, 7))
    entries = Catalog.generated(items_per_month=size).search(Query(interval=(first, after - 1)))
    ids = [entry.id for entry in entries if entry.start >= first]
    assert len(ids) == len(set(ids)) == size


def test_sizes_by_month() -> None:
    """A month that is not named has no items; before Sentinel-2 all are of Landsat; a day may have more than fly by."""
    catalog = Catalog.generated(items_per_month={"201304": 60, "202406": 30 * 25_000})
    assert [item["collection"] for item in catalog.month("201304")] == [L30] * 60
    assert catalog.month("201305") == []
    first, last = (round(datetime(2024, 6, 1, hour, tzinfo=UTC).timestamp()) * 1000 for hour in (1, 23))
    assert len(catalog.search(Query(interval=(first, last)))) > 20_000


def test_ids_carry_tile_and_start_of_the_data_take(items: list[dict[str, Any]]) -> None:
    """The id's time is Landsat's own start; Sentinel-2's lies up to half an hour before, so the day may be another."""
    other_day = 0
    for item in items:
        _, sensor, tile, moment, *_ = item["id"].split(".")
        taken = datetime.strptime(moment, "%Y%jT%H%M%S").replace(tzinfo=UTC)
        delay = instant(item) - taken
        assert item["collection"] == f"HLS{sensor}_2.0"
        assert tile[0] == "T"
        assert timedelta(0) <= delay < (timedelta(seconds=1) if sensor == "L30" else timedelta(minutes=40))
        other_day += taken.date() != instant(item).date()
    assert other_day > 0


def test_times_beside_midnight(items: list[dict[str, Any]]) -> None:
    """There are items on the first and on the last millisecond of a day, and some that span midnight."""
    clock = {item["properties"]["datetime"][11:] for item in items}
    assert {"00:00:00.000Z", "23:59:59.999Z"} <= clock
    spanning = [item for item in items if instant(item).date() != instant(item, "end_datetime").date()]
    assert spanning
    assert all(instant(item, "end_datetime") - instant(item) < timedelta(minutes=1) for item in spanning)
    assert all(instant(item) == instant(item, "start_datetime") for item in items)
    assert any(instant(item, "end_datetime") > instant(item) for item in items if item["collection"] == L30)


def test_some_have_no_cloud_cover_and_the_rest_spread(items: list[dict[str, Any]]) -> None:
    """About one in fifty lacks `eo:cloud_cover`; the others are whole numbers from 0 to 100, of all sizes."""
    clouds = [item["properties"].get("eo:cloud_cover") for item in items]
    assert 0 < clouds.count(None) < len(items) / 20
    given = [cloud for cloud in clouds if cloud is not None]
    assert min(given) >= 0
    assert max(given) <= 100
    assert len(set(given)) > 50


def test_footprints_are_parts_of_their_tiles(items: list[dict[str, Any]]) -> None:
    """Each footprint is valid, counter-clockwise, with at most seven decimals, and lies inside its MGRS tile."""
    tiles = land_tiles()
    row = {name: number for number, name in enumerate(tiles.name.tolist())}
    shares = []
    for item in items:
        footprint = shapely.geometry.shape(item["geometry"])
        assert footprint.is_valid
        numbers = shapely.get_coordinates(footprint)
        assert (numbers.round(7) == numbers).all()
        one = tiles.take(np.array([row[item["id"].split(".")[2][1:]]]))
        half = SIZE / 2
        corners = np.array([(-half, -half), (half, -half), (half, half), (-half, half)])
        x, y = to_degrees(one.zone, one.false_northing, one.easting + corners[:, 0], one.northing + corners[:, 1])
        if footprint.geom_type == "Polygon":
            assert shapely.is_ccw(footprint.exterior)
            assert 4 <= len(numbers) <= 9
            x = x - 360 * np.round((x.mean() - numbers[:, 0].mean()) / 360)
            tile = shapely.Polygon(np.stack([x, y], axis=1))
            assert tile.buffer(0.02).contains(footprint), "straight in UTM is a little curved in degrees"
            shares.append(footprint.area / tile.area)
    assert min(shares) > 0.005
    assert 0.2 < sum(share > 0.999 for share in shares) / len(shares) < 0.8
    assert len({round(share, 4) for share in shares if share < 0.999}) > 200


def test_antimeridian(items: list[dict[str, Any]]) -> None:
    """Some footprints are split at 180 degrees, east part first, and only those have a box with west > east."""
    crossing = [item for item in items if item["geometry"]["type"] == "MultiPolygon"]
    assert crossing
    for item in items:
        west, south, east, north = item["bbox"]
        assert (west > east) == (item in crossing)
        assert south < north
        bounds = shapely.geometry.shape(item["geometry"]).bounds
        if item in crossing:
            assert bounds[0] == -180
            assert bounds[2] == 180
            first, *_, last = item["geometry"]["coordinates"]
            assert first[0][0][0] > 0 > last[0][1][0]
        else:
            assert bounds == (west, south, east, north)


def test_tiles_are_real_and_over_land() -> None:
    """Every tile is a square of MGRS whose own zone it names; known tiles of land are there, and none at sea."""
    tiles = land_tiles()
    mgrs = MGRS()
    assert 15_000 < len(tiles) == len(set(tiles.name)) < 20_000
    for name, zone, easting, northing in list(zip(tiles.name, tiles.zone, tiles.easting, tiles.northing, strict=True))[
        ::37
    ]:
        at_zone, _, square_e, square_n = mgrs.MGRSToUTM(name)
        assert at_zone == zone
        assert (easting - SIZE / 2, northing + SIZE / 2) == (
            square_e // 1e5 * 1e5 - 20,
            square_n // 1e5 * 1e5 + 100_040,
        )
    known = {"15TWN", "13TGF", "14TKL", "56HLH", "31UDQ", "36NYF", "21LYH"}
    assert known <= set(tiles.name)


def test_tile_corners_are_those_of_real_footprints() -> None:
    """The south-west corner of T15TWN, as in a real item that it cuts: -93.0002624, 46.8656999."""
    tiles = land_tiles()
    tile = tiles.take(tiles.name == "15TWN")
    x, y = to_degrees(tile.zone, tile.false_northing, tile.easting - SIZE / 2, tile.northing - SIZE / 2)
    assert (x[0], y[0]) == pytest.approx((-93.0002624, 46.8656999), abs=2e-7)


@pytest.mark.parametrize(
    ("place", "longitude", "latitude", "land"),
    [
        ("Paris", 2.35, 48.85, True),
        ("Kansas", -98.5, 38.5, True),
        ("Alice Springs", 133.9, -23.7, True),
        ("Fiji", 178.0, -17.8, True),
        ("Chukotka", -179.5, 67.5, True),
        ("Caspian Sea", 51.0, 41.5, False),
        ("mid-Atlantic", -40.0, 30.0, False),
        ("south Pacific", -130.0, -30.0, False),
    ],
)
def test_land_map(place: str, longitude: float, latitude: float, land: bool) -> None:
    """Land is where it is on any map."""
    assert on_land(np.array([longitude]), np.array([latitude])).tolist() == [land], place


def test_area_keeps_to_a_box() -> None:
    """With an area every granule touches it, and each day has as many as satellites see, at most those asked for."""
    area = BBox(-124.7, 32.5, -114.1, 42.0)
    items = Catalog.generated(items_per_month=1500, area=area).month("202401")
    assert 1000 < len(items) <= 1500
    box = shapely.box(*area)
    assert all(shapely.geometry.shape(item["geometry"]).distance(box) < 1 for item in items)


def test_polar_night() -> None:
    """Where the sun does not rise there is nothing to see, and that is no error."""
    assert Catalog.generated(area=BBox(20, 66, 30, 72)).month("202401") == []
    assert Catalog.generated(area=BBox(-40, 20, -30, 40)).month("202401") == [], "the middle of the Atlantic"
