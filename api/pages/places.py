"""Where the items are: cells on a map of the world in plain degrees (equirectangular), x to the east, y to the south."""

import math
from dataclasses import dataclass

from api.catalog.statistics import Places

SHADES = 5
_MARGIN = 6
_LEAST_WIDTH = 24


@dataclass(frozen=True)
class Rect:
    """One cell in the map's units, degrees from 180 W and 90 N."""

    x: int
    y: int
    items: int
    shade: int
    label: str


@dataclass(frozen=True)
class Shade:
    """What a shade stands for: the least and the most items of a cell that has it."""

    number: int
    low: int
    high: int


@dataclass(frozen=True)
class WorldMap:
    """The part of the world that has items."""

    degrees: int
    rects: list[Rect]
    view_box: tuple[float, float, float, float]
    """Left, top, width and height."""
    number: int
    busiest: list[Rect]
    shades: list[Shade]


def map_of(places: Places) -> WorldMap:
    """Shades grow with the logarithm of the count, from 1 to 5."""
    most = max(cell.items for cell in places.cells)
    rects = [
        Rect(
            x=cell.west + 180,
            y=90 - cell.south - places.degrees,
            items=cell.items,
            shade=_shade(cell.items, most),
            label=f"{_latitude(cell.south)} {_longitude(cell.west)}",
        )
        for cell in places.cells
    ]
    return WorldMap(
        degrees=places.degrees,
        rects=rects,
        view_box=_view_box(rects, places.degrees),
        number=len(rects),
        busiest=sorted(rects, key=lambda rect: -rect.items)[:10],
        shades=_shades(rects),
    )


def _shades(rects: list[Rect]) -> list[Shade]:
    counts: dict[int, list[int]] = {}
    for rect in rects:
        counts.setdefault(rect.shade, []).append(rect.items)
    return [Shade(number, min(items), max(items)) for number, items in sorted(counts.items())]


def _shade(items: int, most: int) -> int:
    if most <= 1:
        return SHADES
    return 1 + min(int(SHADES * math.log(items) / math.log(most)), SHADES - 1)


def _view_box(rects: list[Rect], degrees: int) -> tuple[float, float, float, float]:
    """Around every cell, with some room, at least as wide as a large country and twice as wide as high."""
    left, right = min(rect.x for rect in rects) - _MARGIN, max(rect.x for rect in rects) + degrees + _MARGIN
    top, bottom = min(rect.y for rect in rects) - _MARGIN, max(rect.y for rect in rects) + degrees + _MARGIN
    width = min(max(right - left, 2 * (bottom - top), _LEAST_WIDTH), 360)
    height = min(max(bottom - top, width / 2), 180)
    return (
        _clamped((left + right - width) / 2, 360 - width),
        _clamped((top + bottom - height) / 2, 180 - height),
        width,
        height,
    )


def _clamped(value: float, most: float) -> float:
    return min(max(value, 0), most)


def _latitude(south: int) -> str:
    return f"{abs(south)}°{'S' if south < 0 else 'N'}"


def _longitude(west: int) -> str:
    return f"{abs(west)}°{'W' if west < 0 else 'E'}"
