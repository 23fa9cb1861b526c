"""What a search finds in a prepared month, without a look at the items: runs of items that lie side by side."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from benchmarks.prepare import Part, Prepared, marked
from sample.catalog import Query

_LONGEST = 60_000
"""Milliseconds that an item lasts at most, with room to spare."""


@dataclass(frozen=True)
class Run:
    """The items [first, last) of a part, in one of the copies."""

    part: Part
    copy: int
    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first

    @property
    def begin(self) -> int:
        """Where the first item begins in the file."""
        return int(self.part.offsets[self.first])

    @property
    def size(self) -> int:
        """Bytes of the items with the commas between them."""
        return int(self.part.offsets[self.last]) - 1 - self.begin

    def read(self, file: BinaryIO) -> bytes:
        """The items, with commas between them, from the part's file."""
        file.seek(self.begin)
        data = file.read(self.size)
        if not self.copy:
            return data
        low, high = np.searchsorted(self.part.marks, (self.begin, self.begin + self.size))
        return marked(data, self.part.marks[low:high] - self.begin, self.copy)


def select(month: Prepared, query: Query) -> list[Run]:
    """What matches collections and time, by day, then collection, then start. A box is not looked at.

    Raises:
        ValueError: the search has a box.
    """
    if query.box is not None:
        raise ValueError("the replayed month has no search by box")
    return [
        Run(part, copy, first, last)
        for part in month.parts
        if (query.collections is None or part.collection in query.collections) and part.meets(*query.interval)
        for first, last in _runs(part, *query.interval)
        for copy in range(month.copies)
    ]


def cut(runs: list[Run], begin: int, count: int) -> Iterator[Run]:
    """The items [begin, begin + count) of all that was found."""
    for run in runs:
        if count <= 0:
            return
        if begin < len(run):
            first = run.first + begin
            last = min(run.last, first + count)
            yield Run(run.part, run.copy, first, last)
            count -= last - first
        begin = max(0, begin - len(run))


def _runs(part: Part, first: int | None, last: int | None) -> Iterator[tuple[int, int]]:
    """What has a moment in common with the closed interval: first what began before it, item by item."""
    high = len(part.starts) if last is None else int(np.searchsorted(part.starts, last, "right"))
    if first is None:
        low = 0
    else:
        low = int(np.searchsorted(part.starts, first, "left"))
        earliest = int(np.searchsorted(part.starts, first - _LONGEST, "left"))
        for number in np.flatnonzero(part.ends[earliest:low] >= first).tolist():
            yield earliest + number, earliest + number + 1
    if low < high:
        yield low, high
