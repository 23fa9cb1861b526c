"""The generated granules of a day, drawn from (seed, collection, day) alone, so that days do not depend on each other."""

from datetime import UTC, date, datetime, timedelta
from functools import cache

import numpy as np
from numpy.typing import NDArray

from sample.footprint import Columns, footprints
from sample.item import Granule
from sample.orbits import DAY, LANDSAT, SENTINEL2, Constellation, Sightings, sightings
from sample.tiles import Tiles, land_tiles
from worker.contract.collections import L30, S30

FIRST_S30 = date(2015, 11, 28)

_CONSTELLATIONS: dict[str, tuple[Constellation, int]] = {L30: (LANDSAT, 2), S30: (SENTINEL2, 3)}
_MOST_SATELLITES = 40  # more than fly, for when more granules are asked for than those can see
_SCENE = 23.886  # seconds; a Landsat granule starts with its first scene and ends with the start of its last
_HALF_TILE = 8.0  # seconds to pass over half a tile
_SENTINEL_GRANULE = 7.0  # seconds between the two granules that a few S30 are made of
_LOWEST_SUN = 72.0  # degrees between the sun and the zenith at noon
_EDGE = 30.0  # seconds beside midnight


def day_granules(*, seed: int, collection: str, day: date, count: int, tiles: Tiles | None = None) -> list[Granule]:
    """The granules of one day and collection in the order of (start, id): `count`, or all that can be seen of `tiles`.

    However few are asked for, most days have one that spans midnight or lies beside it, and one across the antimeridian.
    """
    if count <= 0 or (collection == S30 and day < FIRST_S30):
        return []
    constellation, usual = _CONSTELLATIONS[collection]
    rng = np.random.default_rng((seed, list(_CONSTELLATIONS).index(collection), day.toordinal()))
    near = _sunlit(_some(land_tiles(), count, rng) if tiles is None else tiles, day)
    parts: list[Sightings] = []
    for satellite in range(_MOST_SATELLITES):
        if satellite >= usual and (tiles is not None or sum(len(part.tile) for part in parts) > 1.2 * count):
            break
        parts.append(sightings(near, constellation, _node_time(satellite, constellation, day, rng)))
    columns = _timed(Sightings.joined(parts), near, collection, constellation, day, rng)
    columns = columns.take(_chosen(columns, count, rng))
    if collection == S30:
        _put_on_midnight(columns.start)
    return _granules(columns, collection, constellation, day, rng)


@cache
def _always_near() -> NDArray[np.bool_]:
    """Tiles to consider on each day: those across the antimeridian, and those that are seen about midnight UTC."""
    tiles = land_tiles()
    return tiles.crossing_antimeridian() | ((tiles.longitude > 140) & (tiles.longitude < 165) & (tiles.latitude < -15))


def _some(tiles: Tiles, count: int, rng: np.random.Generator) -> Tiles:
    """Enough tiles for a small day, because looking at every tile takes ten times as long."""
    wanted = 400 + 8 * count
    if wanted >= len(tiles):
        return tiles
    return tiles.take((rng.random(len(tiles)) < wanted / len(tiles)) | _always_near())


def _sunlit(tiles: Tiles, day: date) -> Tiles:
    declination = -23.44 * np.cos(2 * np.pi * (day.timetuple().tm_yday + 10) / 365.25)
    return tiles.take(np.abs(tiles.latitude - declination) < _LOWEST_SUN)


def _node_time(satellite: int, constellation: Constellation, day: date, rng: np.random.Generator) -> float:
    """A time at which the satellite passes the equator: the first is over land as the day ends, the second as it begins."""
    north = 4 <= day.month <= 8 and rng.random() < 0.4
    latitude = rng.uniform(62, 68) if north else rng.uniform(-34, -20)  # Chukotka, eastern Australia
    seconds = float(constellation.node_to(np.array([latitude]))[0][0])
    drawn = float(rng.uniform(0, constellation.period))
    into_scene = float(rng.uniform(0, _HALF_TILE / 2))  # a scene begins right after midnight, so that granules span it
    return {0: DAY + into_scene - round(seconds / _SCENE) * _SCENE, 1: -seconds}.get(satellite, drawn)


def _timed(
    seen: Sightings, tiles: Tiles, collection: str, constellation: Constellation, day: date, rng: np.random.Generator
) -> Columns:
    """When each granule starts and ends, and when its data take began; without doubles and what starts on another day."""
    if collection == L30:
        first, last = (
            seen.node_time + np.floor((seen.time - seen.node_time + margin) / _SCENE) * _SCENE
            for margin in (-_HALF_TILE, _HALF_TILE)
        )
        take = np.floor(np.round(first, 3))
    else:
        first = seen.time
        last = first + np.where(rng.random(len(first)) < 0.03, _SENTINEL_GRANULE + rng.random(len(first)), 0)
        # A data take begins in the far north or, after an ocean, near the tropics; each orbit a little elsewhere.
        north, tropics = (-share * constellation.period + seen.node_time * 7 % 97 for share in (0.235, 0.045))
        into_orbit = first - seen.node_time
        began = seen.node_time + np.where(into_orbit >= tropics, tropics, np.minimum(north, into_orbit))
        # An id names tile and second, and a take may have begun on the day before: odd days have the odd seconds.
        odd = day.toordinal() % 2
        take = 2 * np.floor((began - odd) / 2) + odd
    columns = Columns(tiles.take(seen.tile), seen, first, last, take)
    _, unique = np.unique(np.stack([seen.tile, take]), axis=1, return_index=True)
    today = (first[unique] >= 0) & (first[unique] < DAY - 0.001)
    return columns.take(unique[today])


def _chosen(columns: Columns, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of `count` granules, the rare kinds first: up to one in a hundred of each."""
    rows = rng.permutation(len(columns.start))
    if len(rows) <= count:
        return rows
    few = -(-count // 100)
    start, end = columns.start[rows], columns.end[rows]
    spans_midnight = (start < DAY) & (end >= DAY)
    rare = [spans_midnight, start > DAY - _EDGE, start < _EDGE, columns.tiles.crossing_antimeridian()[rows]]
    first = np.concatenate([rows[kind][:few] for kind in rare] + [rows])
    _, order = np.unique(first, return_index=True)
    return first[np.sort(order)][:count]


def _put_on_midnight(start: NDArray[np.float64]) -> None:
    """Move the granules nearest to both ends of the day onto its first and its last millisecond."""
    if len(start) > 1:
        earliest, latest = np.argmin(start), np.argmax(start)
        if start[earliest] < _EDGE:
            start[earliest] = 0
        if start[latest] > DAY - _EDGE:
            start[latest] = DAY - 0.001


def _granules(
    columns: Columns, collection: str, constellation: Constellation, day: date, rng: np.random.Generator
) -> list[Granule]:
    count = len(columns.start)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    epoch_ms = int(midnight.timestamp()) * 1000
    start = np.round(columns.start * 1000).astype(np.int64)
    end = np.maximum(start, np.round(columns.end * 1000).astype(np.int64))
    # Clear and overcast are commoner than half-cloudy; one in fifty has no cloud cover.
    cloud = np.round(100 * rng.beta(0.35, 0.4, count)).astype(int)
    unknown = rng.random(count) < 0.02
    concept = 1_900_000_000 + (day.toordinal() - 734_000) * 230_000 + rng.integers(0, 230_000, count)
    rings = footprints(columns, constellation.half_swath)
    granules = [
        Granule(
            id=f"HLS.{collection[3:6]}.T{name}.{midnight + timedelta(seconds=int(took)):%Y%jT%H%M%S}.v2.0",
            collection=collection,
            start=epoch_ms + int(began),
            end=epoch_ms + int(ended),
            rings=ring,
            cloud_cover=None if no_cloud else int(clouds),
            concept=int(number),
        )
        for name, took, began, ended, ring, no_cloud, clouds, number in zip(
            columns.tiles.name, columns.take_start, start, end, rings, unknown, cloud, concept, strict=True
        )
    ]
    return sorted(granules, key=lambda granule: (granule.start, granule.id))
