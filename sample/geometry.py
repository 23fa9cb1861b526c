"""Whether a footprint touches a box."""

from itertools import pairwise

from sample.item import Ring
from worker.contract.bbox import BBox


def touches(rings: list[Ring], box: BBox) -> bool:
    """Whether any ring and the box have a point in common. Rings are convex, or nearly: holes are not looked at."""
    return any(_ring_touches(ring, box) for ring in rings)


def _ring_touches(ring: Ring, box: BBox) -> bool:
    longitudes, latitudes = [point[0] for point in ring], [point[1] for point in ring]
    west, east, south, north = min(longitudes), max(longitudes), min(latitudes), max(latitudes)
    if west > box.east or east < box.west or south > box.north or north < box.south:
        return False
    if box.west <= west and east <= box.east and box.south <= south and north <= box.north:
        return True
    rest = ring
    for axis, sign, border in ((0, 1, box.west), (0, -1, box.east), (1, 1, box.south), (1, -1, box.north)):
        rest = _inside(rest, axis, sign, border)
    return bool(rest)


def _inside(ring: Ring, axis: int, sign: int, border: float) -> Ring:
    """The part of the ring on one side of a line of equal longitude (axis 0) or latitude (axis 1)."""
    kept: Ring = []
    for before, here in pairwise([*ring[-1:], *ring]):
        a, b = sign * (before[axis] - border), sign * (here[axis] - border)
        if (a < 0) != (b < 0):
            share = a / (a - b)
            kept.append((before[0] + share * (here[0] - before[0]), before[1] + share * (here[1] - before[1])))
        if b >= 0:
            kept.append((here[0], here[1]))
    return kept
