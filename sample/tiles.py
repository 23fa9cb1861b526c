"""The MGRS tiles over land, on Sentinel-2's grid.

`land.txt` is a map of the world in cells of one degree, from 84 N to 56 S and from 180 W to 180 E; `#` is a cell of
which a quarter or more is land. Made from Natural Earth's 1:50m land (public domain).
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from mgrs import MGRS
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SIZE = 109_800.0
"""Side of a tile in metres: it overlaps its neighbours in the east and the south by 9.8 km."""

_NORTHERNMOST, _SOUTHERNMOST = 84, -56
_EQUATOR, _SCALE = 6_378_137.0, 0.9996
_N = 1 / (2 * 298.257223563 - 1)  # third flattening of WGS 84
_RADIUS = _EQUATOR / (1 + _N) * (1 + _N**2 / 4 + _N**4 / 64)
_BETA = (_N / 2 - 2 * _N**2 / 3 + 37 * _N**3 / 96, _N**2 / 48 + _N**3 / 15, 17 * _N**3 / 480)
_DELTA = (2 * _N - 2 * _N**2 / 3 - 2 * _N**3, 7 * _N**2 / 3 - 8 * _N**3 / 5, 56 * _N**3 / 15)


@dataclass(frozen=True)
class Tiles:
    """Columns of tiles: name, UTM zone, false northing, the centre in UTM metres and in degrees."""

    name: NDArray[np.str_]
    zone: NDArray[np.int64]
    false_northing: Floats
    easting: Floats
    northing: Floats
    longitude: Floats
    latitude: Floats

    def __len__(self) -> int:
        return len(self.name)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "Tiles":
        return Tiles(*(column[rows] for column in vars(self).values()))

    def crossing_antimeridian(self) -> NDArray[np.bool_]:
        """Which tiles lie on both sides of 180 degrees."""
        half_width = np.degrees(SIZE / 2 / _EQUATOR / np.cos(np.radians(self.latitude)))
        crossing: NDArray[np.bool_] = np.abs(self.longitude) + half_width > 180
        return crossing


def to_degrees(
    zone: NDArray[np.int64], false_northing: Floats, easting: Floats, northing: Floats
) -> tuple[Floats, Floats]:
    """Longitude and latitude of UTM coordinates in metres, to a millimetre (Krueger's series in n).

    Longitudes go past 180 where a place lies beyond the antimeridian, seen from its zone.
    """
    xi = (northing - false_northing) / (_SCALE * _RADIUS)
    eta = (easting - 500_000) / (_SCALE * _RADIUS)
    x, y = xi.copy(), eta.copy()
    for j, beta in enumerate(_BETA, start=1):
        x -= beta * np.sin(2 * j * xi) * np.cosh(2 * j * eta)
        y -= beta * np.cos(2 * j * xi) * np.sinh(2 * j * eta)
    conformal = np.arcsin(np.sin(x) / np.cosh(y))
    latitude = conformal.copy()
    for j, delta in enumerate(_DELTA, start=1):
        latitude += delta * np.sin(2 * j * conformal)
    longitude: Floats = np.degrees(np.arctan2(np.sinh(y), np.cos(x))) + zone * 6.0 - 183
    return longitude, np.degrees(latitude)


@cache
def land_map() -> NDArray[np.bool_]:
    """Rows from north to south, columns from west to east, one degree each."""
    rows = Path(__file__).with_name("land.txt").read_text(encoding="ascii").split()
    return np.array([[cell == "#" for cell in row] for row in rows])


def on_land(longitude: Floats, latitude: Floats) -> NDArray[np.bool_]:
    mapped = (latitude < _NORTHERNMOST) & (latitude > _SOUTHERNMOST) & (np.abs(longitude) < 180)
    rows = np.where(mapped, np.floor(_NORTHERNMOST - latitude), 0).astype(int)
    columns = np.where(mapped, np.floor(longitude + 180), 0).astype(int)
    land: NDArray[np.bool_] = land_map()[rows, columns] & mapped
    return land


@cache
def land_tiles() -> Tiles:
    """Every 100 km square of MGRS over land that reaches a tenth of a degree or more into its own zone, by name."""
    zone, south, column, row = (
        axis.ravel() for axis in np.meshgrid(np.arange(1, 61), [0, 1], np.arange(1, 9), np.arange(100), indexing="ij")
    )
    false_northing, centre_e, centre_n = south * 1e7, column * 1e5 + 5e4, row * 1e5 + 5e4
    # The point of the square that is nearest to the zone's meridian: it names squares that the zone's edge cuts.
    inner_e = np.where(column < 5, column * 1e5 + 99_999, column * 1e5 + 1)
    longitude, latitude = to_degrees(zone, false_northing, inner_e, centre_n)
    centre_longitude, centre_latitude = to_degrees(zone, false_northing, centre_e, centre_n)
    kept = (
        on_land(_wrapped(centre_longitude), centre_latitude)
        & ((latitude < 0) == (south == 1))
        & (np.abs(longitude - (zone * 6 - 183)) < 2.9)
    )
    to_mgrs = MGRS().toMGRS
    squares = [to_mgrs(*at, MGRSPrecision=0) for at in zip(latitude[kept], longitude[kept], strict=True)]
    tiles = Tiles(
        np.array([square.zfill(5) for square in squares]),
        zone[kept],
        false_northing[kept],
        # Sentinel-2's tile begins 20 m west of its square and 40 m north of it.
        centre_e[kept] - 5e4 - 20 + SIZE / 2,
        centre_n[kept] + 5e4 + 40 - SIZE / 2,
        _wrapped(centre_longitude[kept]),
        centre_latitude[kept],
    )
    own_zone = np.array([int(name[:2]) for name in tiles.name]) == tiles.zone  # south Norway and Svalbard differ
    return tiles.take(np.flatnonzero(own_zone)[np.argsort(tiles.name[own_zone])])


def _wrapped(longitude: Floats) -> Floats:
    return (longitude + 180) % 360 - 180
