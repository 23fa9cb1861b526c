"""Months: read, written, counted and refused."""

import calendar
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.contract.month import FIRST_MONTH, Month, day_bounds, harvestable

months = st.builds(Month, st.integers(1, 9998), st.integers(1, 12))


@given(months)
def test_text_round_trips_and_sorts(month: Month) -> None:
    """Both notations read as the month; the text of later months sorts behind."""
    assert Month.parse(str(month)) == month
    assert Month.parse(f"{month.year:04d}-{month.month:02d}") == month
    assert str(month) < str(month.next())
    assert month < month.next()


@given(months)
def test_a_month_is_its_days_end_to_end(month: Month) -> None:
    """The days cover [start, end) without a gap, each belongs to the month, and the next month begins at the end."""
    days = month.days()
    assert len(days) == calendar.monthrange(month.year, month.month)[1]
    assert {Month.of(day) for day in days} == {month}
    bounds = [day_bounds(day) for day in days]
    assert bounds[0][0] == month.start
    assert bounds[-1][1] == month.end == month.next().start
    assert all(end == start for (_, end), (start, _) in pairwise(bounds))
    assert {end - start for start, end in bounds} == {timedelta(days=1)}


@given(months, st.integers(0, 30))
def test_span_counts_both_ends(first: Month, steps: int) -> None:
    """From a month to the one so many steps later are one more than that, each the next of the one before."""
    last = first
    for _ in range(steps):
        last = last.next()
    span = list(Month.span(first, last))
    assert (span[0], span[-1], len(span)) == (first, last, steps + 1)
    assert all(later == earlier.next() for earlier, later in pairwise(span))
    assert list(Month.span(last.next(), first)) == []


@given(st.text(max_size=10))
def test_what_is_not_a_month_is_refused_with_a_value_error(text: str) -> None:
    """No text raises anything else, and what is accepted is written as six digits."""
    try:
        month = Month.parse(text)
    except ValueError as error:
        assert "is not a month" in str(error)  # noqa: PT017  either end is fine
    else:
        assert str(month) == text.replace("-", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("202413", "'202413' is not a month: months go from 01 to 12"),
        ("202400", "'202400' is not a month: months go from 01 to 12"),
        ("2024", "'2024' is not a month: write it as YYYYMM, for example 202401"),
        ("2024-01-15", "'2024-01-15' is not a month: write it as YYYYMM"),
        ("2024-1", "'2024-1' is not a month"),
        ("٢٠٢٤٠١", "is not a month"),
        ("202401\n", "is not a month"),
        ("", "'' is not a month"),
        ("201212", "201212 is before the archive's first month, 201304"),
        ("201303", "201303 is before the archive's first month, 201304"),
        (202401, "a month is text, written as YYYYMM"),
        (None, "a month is text"),
    ],
)
def test_bad_months(text: object, message: str) -> None:
    """The message repeats what was given and says what to write."""
    with pytest.raises(ValueError, match=message):
        harvestable(text)


def test_the_first_and_the_newest_month_are_harvestable() -> None:
    """From April 2013 to the month that is now, in UTC; the next one is in the future."""
    now = Month.of(datetime.now(UTC))
    assert harvestable("2013-04") == str(FIRST_MONTH) == "201304"
    assert harvestable(str(now)) == str(now)
    with pytest.raises(ValueError, match=f"{now.next()} is in the future: the newest .* is 20"):
        harvestable(str(now.next()))


def test_leap_days() -> None:
    """February has 29 days when the calendar says so."""
    assert Month(2024, 2).days()[-1] == date(2024, 2, 29)
    assert Month(2023, 2).days()[-1] == date(2023, 2, 28)
