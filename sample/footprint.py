"""Footprints: the part of a tile that a swath covers, in degrees, split at the antimeridian."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sample.item import Ring
from sample.orbits import Sightings, visible_part
from sample.tiles import Floats, Tiles, to_degrees


@dataclass(frozen=True)
class Columns:
    """Granules as columns: tile, where it was seen from, start, end and start of the data take in seconds of the day,
    the last in whole ones."""

    tiles: Tiles
    seen: Sightings
    start: Floats
    end: Floats
    take_start: Floats

    def take(self, rows: NDArray[np.int64]) -> "Columns":
        return Columns(
            self.tiles.take(rows), self.seen.take(rows), self.start[rows], self.end[rows], self.take_start[rows]
        )


def footprints(columns: Columns, half_swath: float) -> list[list[Ring]]:
    """Closed rings of each granule, counter-clockwise, with seven decimals."""
    seen, tiles = columns.seen, columns.tiles
    parts = [
        visible_part(offset, east, north, half_swath)
        for offset, east, north in zip(seen.offset.tolist(), seen.east.tolist(), seen.north.tolist(), strict=True)
    ]
    lengths = [len(part) for part in parts]
    corners = np.array([corner for part in parts for corner in part]).reshape(-1, 2)
    of = np.repeat(np.arange(len(parts)), lengths)
    longitude, latitude = to_degrees(
        tiles.zone[of],
        tiles.false_northing[of],
        tiles.easting[of] + corners[:, 0],
        tiles.northing[of] + corners[:, 1],
    )
    points = list(zip(longitude.tolist(), latitude.tolist(), strict=True))
    ends = np.cumsum(lengths).tolist()
    return [_rings(points[end - length : end]) for end, length in zip(ends, lengths, strict=True)]


def _rings(points: Ring) -> list[Ring]:
    """One ring, or those on either side of the antimeridian; longitudes may go past 180 in `points`."""
    west, east = min(x for x, _ in points), max(x for x, _ in points)
    if max(-west, east) <= 180:
        return [_closed(points, 0)]
    border = 180.0 if east > 180 else -180.0
    parts = [
        (_cut(points, border, keep_east=False), 360 if border < 0 else 0),
        (_cut(points, border, keep_east=True), 0 if border < 0 else -360),
    ]
    return [_closed(part, shift) for part, shift in parts if len(part) > 2]


def _cut(points: Ring, border: float, *, keep_east: bool) -> Ring:
    kept: Ring = []
    for (x0, y0), (x1, y1) in zip([points[-1], *points[:-1]], points, strict=True):
        if (x0 > border) != (x1 > border):
            kept.append((border, y0 + (border - x0) / (x1 - x0) * (y1 - y0)))
        if (x1 > border) == keep_east:
            kept.append((x1, y1))
    return kept


def _closed(points: Ring, shift: float) -> Ring:
    ring = [(round(x + shift, 7), round(y, 7)) for x, y in points]
    return [*ring, ring[0]]
