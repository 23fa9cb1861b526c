"""Slices of a day cover it without a gap, in whole seconds, on the terms of a closed STAC interval."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from worker.contract.bbox import BBox
from worker.source.slices import SLICE_ITEMS, Slice, slices_of

DAY = date(2024, 2, 29)


def test_a_day_is_searched_to_its_last_instant() -> None:
    """The interval ends at the next midnight, not at 23:59:59: what lies between must come too."""
    (part,) = slices_of(DAY, ("HLSL30_2.0",), None)
    assert part.interval == "2024-02-29T00:00:00Z/2024-03-01T00:00:00Z"
    assert str(part) == "HLSL30_2.0 of 2024-02-29, 00:00:00 to 24:00:00"


def test_a_crossing_box_is_searched_in_two_halves() -> None:
    """CMR-STAC refuses west > east, so each collection is searched on both sides of the antimeridian."""
    parts = slices_of(DAY, ("a", "b"), BBox(170, -20, -170, 20))
    assert [(part.collection, part.box) for part in parts] == [
        ("a", BBox(170, -20, 180, 20)),
        ("a", BBox(-180, -20, -170, 20)),
        ("b", BBox(170, -20, 180, 20)),
        ("b", BBox(-180, -20, -170, 20)),
    ]


def test_who_asks_first() -> None:
    """How much a day holds; then the earliest day, in it what is under way."""
    today, tomorrow = (slices_of(DAY + timedelta(days=later), ("a",), None)[0] for later in (0, 1))
    part, later = today.divided(2000)[1], tomorrow.divided(2000)[0]
    begin, go_on = 0, 1
    order = [tomorrow.turns[begin], part.turns[go_on], part.turns[begin], later.turns[go_on], later.turns[begin]]
    assert sorted(order) == order
    assert part.turns[go_on] == today.turns[go_on] < tomorrow.turns[go_on]


@given(st.integers(2, 1_000_000), st.integers(0, 86_000), st.integers(2, 86_400))
def test_parts_cover_the_slice(matched: int, start: int, seconds: int) -> None:
    """The parts of a slice follow on one another from its start to its end; none is empty."""
    midnight = datetime(2024, 2, 29, tzinfo=UTC)
    begin = midnight + timedelta(seconds=start)
    whole = Slice(DAY, "c", None, begin, begin + timedelta(seconds=seconds))
    parts = whole.divided(matched)
    assert parts[0].start == whole.start
    assert parts[-1].end == whole.end
    assert all(a.end == b.start for a, b in pairwise(parts))
    assert all(part.end - part.start >= timedelta(seconds=1) for part in parts)
    assert len(parts) <= max(matched // SLICE_ITEMS + 1, 4)
