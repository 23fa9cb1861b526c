"""The month: the unit that is asked for, harvested, stored and listed."""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

_PATTERN = re.compile(r"([0-9]{4})-?([0-9]{2})")


@dataclass(frozen=True, order=True)
class Month:
    """One calendar month in UTC, the half-open interval [start, end)."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> "Month":
        """Read `YYYYMM` or `YYYY-MM`; whether the archive can hold the month is not asked here.

        Raises:
            ValueError: not written as a month, or no such month of the year.
        """
        match = _PATTERN.fullmatch(text)
        if not match:
            raise ValueError(f"{text!r} is not a month: write it as YYYYMM, for example 202401")
        year, month = int(match[1]), int(match[2])
        if not (1 <= month <= 12 and year >= 1):
            raise ValueError(f"{text!r} is not a month: months go from 01 to 12")
        return cls(year, month)

    @classmethod
    def of(cls, moment: date) -> "Month":
        return cls(moment.year, moment.month)

    def __str__(self) -> str:
        return f"{self.year:04d}{self.month:02d}"

    @property
    def start(self) -> datetime:
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        return self.next().start

    def next(self) -> "Month":
        return Month(self.year + 1, 1) if self.month == 12 else Month(self.year, self.month + 1)

    def days(self) -> list[date]:
        return [date(self.year, self.month, day + 1) for day in range(calendar.monthrange(self.year, self.month)[1])]

    @staticmethod
    def span(first: "Month", last: "Month") -> Iterator["Month"]:
        """Every month from first to last, both included."""
        while first <= last:
            yield first
            first = first.next()


FIRST_MONTH = Month(2013, 4)
"""The first month with HLS granules (Landsat 8; `HLSL30.v2.0` in CMR)."""


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """The half-open interval [00:00, 24:00) UTC of a day."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return start, start + timedelta(days=1)


def harvestable(text: object) -> str:
    """Normalise a month to `YYYYMM` and refuse one that the archive cannot hold.

    Raises:
        ValueError: not a month, before the archive's first month, or in the future.
    """
    if not isinstance(text, str):
        raise ValueError("a month is text, written as YYYYMM, for example 202401")  # noqa: TRY004  pydantic wants ValueError
    month = Month.parse(text)
    if month < FIRST_MONTH:
        raise ValueError(f"{month} is before the archive's first month, {FIRST_MONTH}")
    this_month = Month.of(datetime.now(UTC))
    if month > this_month:
        raise ValueError(f"{month} is in the future: the newest month that can be harvested is {this_month}")
    return str(month)


YearMonth = Annotated[
    str,
    Field(description="Month as YYYYMM; YYYY-MM is accepted too", examples=["202401"], pattern=r"^\d{4}-?\d{2}$"),
    BeforeValidator(harvestable),  # behind the field, whose pattern is left out of the JSON schema otherwise
]
"""A month as text, normalised to `YYYYMM` and known to be harvestable."""
