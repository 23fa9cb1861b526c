"""Which tiles the satellites see on a day, when, and how much of them.

Sun-synchronous orbits with the published periods, inclinations, swaths and local times; where on its orbit a satellite
is at the beginning of a day is drawn anew for each day, so that days do not depend on each other.
"""

from dataclasses import dataclass

import numpy as np

from sample.tiles import SIZE, Floats, Tiles

DAY = 86_400.0
_GROUND_SPEED = 6_800.0  # metres per second
_KM_PER_DEGREE = 111.32


@dataclass(frozen=True)
class Constellation:
    """Satellites of one kind. Period in seconds, inclination in degrees, half the swath in metres, local time in hours."""

    period: float
    inclination: float
    half_swath: float
    local_time: float

    def node_to(self, latitude: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """From the descending node to a latitude: seconds, degrees east, and the track's direction there (east, north)."""
        tilt = np.radians(self.inclination)
        angle = np.arcsin(np.clip(-np.sin(np.radians(latitude)) / np.sin(tilt), -1, 1))
        seconds = angle / (2 * np.pi) * self.period
        degrees = np.degrees(np.arctan2(np.cos(tilt) * np.sin(angle), np.cos(angle))) - seconds * 360 / DAY
        north = -np.sin(tilt) * np.cos(angle)
        east = np.cos(tilt) - np.cos(np.radians(latitude)) ** 2 * self.period / DAY
        length = np.hypot(east, north * np.cos(np.radians(latitude)))
        return seconds, degrees, east / length, north * np.cos(np.radians(latitude)) / length


LANDSAT = Constellation(16 * DAY / 233, 98.22, 92_500, 10.2)
SENTINEL2 = Constellation(10 * DAY / 143, 98.62, 145_000, 10.5)


@dataclass(frozen=True)
class Sightings:
    """Columns: row of the tile, seconds since the day's midnight at the tile's centre and at the orbit's node, and
    where the tile's centre lies: metres left of the track, whose direction is (east, north)."""

    tile: np.ndarray[tuple[int], np.dtype[np.int64]]
    time: Floats
    node_time: Floats
    offset: Floats
    east: Floats
    north: Floats

    @classmethod
    def joined(cls, parts: list["Sightings"]) -> "Sightings":
        return cls(*(np.concatenate(columns) for columns in zip(*(vars(p).values() for p in parts), strict=True)))

    def take(self, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> "Sightings":
        return Sightings(*(column[rows] for column in vars(self).values()))


def sightings(tiles: Tiles, constellation: Constellation, node: float) -> Sightings:
    """Every tile that one satellite sees in a day; `node` is one time at which it passes the equator southwards."""
    first = node - np.ceil(node / constellation.period + 1) * constellation.period
    nodes = first + constellation.period * np.arange(DAY / constellation.period + 3)
    seconds, degrees, east, north = constellation.node_to(tiles.latitude)
    track = 15 * (constellation.local_time - nodes[None, :] / 3600) + degrees[:, None]
    metres = _KM_PER_DEGREE * 1000 * np.cos(np.radians(tiles.latitude))
    eastward = ((tiles.longitude[:, None] - track + 180) % 360 - 180) * metres[:, None]
    offset = -eastward * north[:, None]
    time = nodes[None, :] + seconds[:, None] + eastward * east[:, None] / _GROUND_SPEED
    seen = (np.abs(offset) < constellation.half_swath + 0.45 * SIZE) & (time >= 0) & (time < DAY)
    row, orbit = np.nonzero(seen)
    return Sightings(row, time[seen], nodes[orbit], offset[seen], east[row], north[row])


def visible_part(sighting_offset: float, east: float, north: float, half_swath: float) -> list[tuple[float, float]]:
    """The part of a tile inside the swath: corners in metres from the tile's centre, counter-clockwise from south-west."""
    half = SIZE / 2
    corners = [(-half, -half), (half, -half), (half, half), (-half, half)]
    for side in (1.0, -1.0):
        # Distance inside this edge of the swath; a place's offset from the track grows with x by -north, with y by east.
        inside = [half_swath - side * (sighting_offset - x * north + y * east) for x, y in corners]
        if min(inside) < 0:
            corners = _cut(corners, inside)
    return corners


def _cut(corners: list[tuple[float, float]], inside: list[float]) -> list[tuple[float, float]]:
    kept: list[tuple[float, float]] = []
    for i, (x, y) in enumerate(corners):
        (before_x, before_y), before, here = corners[i - 1], inside[i - 1], inside[i]
        if (before < 0) != (here < 0):
            share = before / (before - here)
            kept.append((before_x + share * (x - before_x), before_y + share * (y - before_y)))
        if here >= 0:
            kept.append((x, y))
    return kept
