"""Slices of a month: what one search asks for, and how one that holds too much is cut."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from worker.contract.bbox import BBox
from worker.contract.month import day_bounds
from worker.source.limiter import Turn

SPLIT_ABOVE, SPLIT_DAY_ABOVE = 1000, 300
"""Items above which a part of a day, and a whole one, is cut into several searches: paging is serial, so speed comes
from more, narrower searches, but each cut costs the page that told the count."""

SLICE_ITEMS = 500
"""Items aimed at in each part: five pages of CMR-STAC."""

_FEW, _SMALL_SLICE_ITEMS = 4, 200
"""A search of less is cut into this many parts, or of that many items: a small day has as many requests in flight."""

_SHORTEST, _DAY = timedelta(seconds=1), timedelta(days=1)


@dataclass(frozen=True)
class Slice:
    """A half-open interval of one day's time, one collection, and one box or none."""

    day: date
    collection: str
    box: BBox | None
    start: datetime
    end: datetime

    @property
    def interval(self) -> str:
        """The closed `datetime` interval that is searched, RFC 3339; what lies at its end belongs to the next slice."""
        return f"{_rfc3339(self.start)}/{_rfc3339(self.end)}"

    @property
    def turns(self) -> tuple[Turn, Turn]:
        """When its first page is asked for, of all that wait, and when the pages after it.

        First what tells how much a day holds, so that there is always enough to ask for. Then what is of the earliest day,
        and in it what is under way: so days are whole one after another, which leaves the source something to do while
        one is put together, and few searches have their items in memory.
        """
        day = self.day.toordinal()
        return (() if self.end - self.start >= _DAY else (day, 1)), (day, 0)

    def holds_too_much(self, matched: int) -> bool:
        """Whether it is worth cutting, and can be."""
        length = self.end - self.start
        return length >= 2 * _SHORTEST and matched > (SPLIT_ABOVE if length < _DAY else SPLIT_DAY_ABOVE)

    def divided(self, matched: int) -> list["Slice"]:
        """Equal parts of whole seconds, of at most about `SLICE_ITEMS` each if the matched items are spread evenly."""
        seconds = int((self.end - self.start) / _SHORTEST)
        wanted = max(math.ceil(matched / SLICE_ITEMS), min(_FEW, math.ceil(matched / _SMALL_SLICE_ITEMS)))
        parts = min(wanted, seconds)
        cuts = [self.start + timedelta(seconds=seconds * part // parts) for part in range(parts)] + [self.end]
        return [replace(self, start=start, end=end) for start, end in pairwise(cuts)]

    def without(self, done: list[tuple[datetime, datetime]]) -> list["Slice"]:
        """What is left of the slice between intervals that are done."""
        gaps, start = [], self.start
        for begin, end in sorted(done):
            if start < begin:
                gaps.append(replace(self, start=start, end=begin))
            start = max(start, end)
        return [*gaps, replace(self, start=start)] if start < self.end else gaps

    @property
    def name(self) -> str:
        """One for each slice of a day; it may stand in a key."""
        return "-".join([self.collection, f"{self.start:%H%M%S}", *([self.box.short_hash] if self.box else [])])

    def __str__(self) -> str:
        box = f" in {self.box}" if self.box else ""
        return f"{self.collection} of {self.day}, {self.start:%H:%M:%S} to {_end_of_day(self)}{box}"


def slices_of(day: date, collections: tuple[str, ...], bbox: BBox | None) -> list[Slice]:
    """The searches that a day begins with: one for each collection and half of the box."""
    start, end = day_bounds(day)
    boxes = bbox.halves() if bbox else [None]
    return [Slice(day, collection, box, start, end) for collection in collections for box in boxes]


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _end_of_day(part: Slice) -> str:
    return "24:00:00" if part.end.date() > part.day else f"{part.end:%H:%M:%S}"
