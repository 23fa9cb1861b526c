"""Bounding boxes: read, written, halved, named and refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.contract.bbox import BBox

longitudes, latitudes = st.floats(-180, 180), st.floats(-90, 90)
boxes = st.builds(
    lambda west, east, ys: BBox.parse([west, min(ys), east, max(ys)]),
    longitudes,
    longitudes,
    st.tuples(latitudes, latitudes),
)


def contains(box: BBox, x: float, y: float) -> bool:
    return box.west <= x <= box.east and box.south <= y <= box.north


@given(boxes)
def test_text_round_trips(box: BBox) -> None:
    """Text, a list of numbers and a list of texts read as the same box, to the last bit."""
    assert BBox.parse(str(box)) == box
    assert BBox.parse(list(box)) == box
    assert BBox.parse([repr(degrees) for degrees in box]) == box
    assert BBox.parse(str(box)).short_hash == box.short_hash


@given(boxes, longitudes, latitudes)
def test_halves_are_the_box(box: BBox, x: float, y: float) -> None:
    """No half crosses the antimeridian, and a point is in the box if and only if it is in one of them."""
    halves = box.halves()
    assert not any(half.crosses_antimeridian for half in halves)
    assert len(halves) == (2 if box.crosses_antimeridian else 1)
    assert all(BBox.parse(half) == half for half in halves)
    in_longitude = x >= box.west or x <= box.east if box.crosses_antimeridian else box.west <= x <= box.east
    assert any(contains(half, x, y) for half in halves) == (in_longitude and box.south <= y <= box.north)


def test_the_hash_never_changes() -> None:
    """It stands in the names of datasets that exist; how the numbers are written does not matter."""
    box = BBox.parse("-124.7,32.5,-114.1,42.0")
    assert str(box) == "-124.7,32.5,-114.1,42"
    assert box.short_hash == "5cbbdf76"
    assert BBox.parse([-124.70, 32.5, -114.1, 42]).short_hash == "5cbbdf76"
    assert BBox.parse(" -124.7, 32.50, -114.1, 42").short_hash == "5cbbdf76"
    assert BBox.parse([-0.0, -0.0, 0, 0]).short_hash == BBox.parse("0,0,0,0").short_hash


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, 2, 3], r"a bounding box is four numbers \(west, south, east, north\), not 3"),
        ("1,2,3", "not 3"),
        ([1, 2, 3, 4, 5, 6], "not 6"),
        ([], "not 0"),
        ([0, 10, 5, -10], r"south \(10\) is above north \(-10\): the order is west, south, east, north"),
        ([-181, 0, 0, 1], "west is -181, but must be from -180 to 180 degrees"),
        ([0, -90.5, 0, 1], "south is -90.5, but must be from -90 to 90 degrees"),
        ([0, 0, 180.001, 1], "east is 180.001, but must be from -180 to 180"),
        ([0, 0, 1, 91], "north is 91, but must be from -90 to 90"),
        ([float("nan"), 0, 1, 1], "nan is not a finite number"),
        ("nan,0,1,1", "'nan' is not a finite number"),
        ([0, 0, float("inf"), 1], "inf is not a finite number"),
        ([0, 0, 10**400, 1], "a number of the bounding box is too large"),
        ("west,south,east,north", "'west' is not a number: a bounding box is west,south,east,north in degrees"),
        ("1,2,,4", "'' is not a number"),
        ([0, 0, None, 1], "None is not a number"),
        ([0, 0, True, 1], "not true or false"),
        ("California", "a bounding box is four numbers .*, not 1"),
        ({"west": 1}, "a bounding box is four numbers: west, south, east, north"),
        (5, "a bounding box is four numbers: west, south, east, north"),
    ],
)
def test_bad_boxes(value: Any, message: str) -> None:
    """The message says which number is wrong and how the box is written."""
    with pytest.raises(ValueError, match=message):
        BBox.parse(value)


@pytest.mark.parametrize("box", [(-180, -90, 180, 90), (10, 5, 10, 5), (180, 0, -180, 1), (179.5, -17, -179.5, -16)])
def test_the_edges_of_the_world_are_inside(box: tuple[float, float, float, float]) -> None:
    """The whole world, a point, and boxes that meet or cross the antimeridian."""
    assert BBox.parse(box) == box
