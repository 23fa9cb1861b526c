"""What one search of a slice has found, and what must hold of each page before it is believed."""

from collections import Counter
from dataclasses import dataclass, field

import pyarrow as pa

from worker.items.checks import lacking, without_bands
from worker.items.convert import Converted
from worker.items.pool import ConverterPool
from worker.source.page import Page
from worker.source.slices import Slice
from worker.source.stac_io import Doubtful
from worker.source.watch import Watch

BAND_TRIES = 3
"""Times that an item without some of its bands is read before that is taken for real."""

UNCOUNTED_TRIES = 3
"""Times that a search answers without a count before the source is taken for one that states none."""


class Inconsistent(Exception):
    """The pages of one search contradict each other: the search has to begin anew."""


@dataclass
class Counting:
    """What the run has learnt of the source's pages."""

    stated: bool | None = None
    """Whether it states counts; None as long as nothing is known."""
    page_size: int = 0
    """Items of the largest page."""


@dataclass
class Doubts:
    """What was odd of a slice, over all its searches: what stays so is real in the end."""

    lacking_bands: Counter[str] = field(default_factory=Counter)
    uncounted: int = 0


class Found:
    """The items of one search: its pages, the ids in them, and the source's count (None if it states none)."""

    def __init__(self, part: Slice, counting: Counting, doubts: Doubts, converter: ConverterPool, watch: Watch) -> None:
        self.part = part
        self.pages: list[Converted] = []
        self.ids: set[str] = set()
        self.matched: int | None = None
        self.whole = False
        """Whether the items are as many as the source counts, and the last page was not full: no other will follow."""
        self._counted = False
        self._counting, self._doubts = counting, doubts
        self._converter, self._watch = converter, watch

    def count(self, page: Page) -> int | None:
        """The count of the search, which its first page states and no later one may contradict.

        Raises:
            Doubtful: a first page without a count, although the source states counts, or as far as is known may.
            Inconsistent: items came or went since the search began.
        """
        if page.matched is not None:
            self._counting.stated = True
        if not self._counted:
            if page.matched is None:
                self._doubt_count()
            self.matched, self._counted = page.matched, True
        elif page.matched is not None and page.matched != self.matched:
            raise Inconsistent(f"the source's count changed from {self.matched} to {page.matched}")
        self._watch.received(0)  # an answer, also where there is nothing or too much to take
        return self.matched

    def take(self, page: Page) -> None:
        """Add a page's items.

        Raises:
            Doubtful: the page cannot be right as it is.
            Inconsistent: together with the pages before it cannot be.
        """
        missing = None if self.matched is None else self.matched - len(self.ids)
        if page.empty:
            if missing:
                raise Doubtful(f"an empty page, but {missing} of {self.matched} items are still to come")
            return
        converted = self._convert(page)
        if (lack := lacking(converted.items)) is not None:
            raise Doubtful(lack)
        self._check_bands(converted)
        new = set(converted.items.field("id").to_pylist()) - self.ids
        if missing is not None and len(new) > missing:
            raise Inconsistent(f"more items than the {self.matched} that the source counts")
        if not new:
            raise Doubtful("a page came again")
        if missing is not None and len(new) < missing and page.next_link is None:
            raise Doubtful(f"the last page, but {missing - len(new)} of {self.matched} items have not come")
        self.ids |= new
        self.pages.append(converted)
        self.whole = len(self.ids) == self.matched and len(converted.items) < self._counting.page_size
        self._counting.page_size = max(self._counting.page_size, len(converted.items))
        self._watch.received(len(new))

    def _doubt_count(self) -> None:
        self._doubts.uncounted += 1
        if self._counting.stated:
            raise Doubtful("a search without a count, which the source stated before")
        if self._counting.stated is None and self._doubts.uncounted < UNCOUNTED_TRIES:
            raise Doubtful("a search without a count")
        self._counting.stated = False

    def _check_bands(self, converted: Converted) -> None:
        without = without_bands(converted.items, converted.moulds)
        self._doubts.lacking_bands.update(without.keys())
        if doubtful := [name for name in without if self._doubts.lacking_bands[name] < BAND_TRIES]:
            raise Doubtful(f"{len(doubtful)} items lack bands, such as {doubtful[0]}: {without[doubtful[0]]}")

    def _convert(self, page: Page) -> Converted:
        try:
            return self._converter.convert(page.body)
        except (ValueError, pa.ArrowException) as error:
            raise Doubtful(f"items that cannot be read: {error}") from error
