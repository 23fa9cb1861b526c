"""One slice, searched until its items are all there, or cut into parts, or given up."""

from dataclasses import dataclass, field

import pyarrow as pa
from pystac_client import ItemSearch

from worker.errors import Incomplete, RunError
from worker.items.checks import lacking, lacking_bands
from worker.items.convert import Converted, Converter
from worker.source.http import PatientSession
from worker.source.page import Page
from worker.source.retry import Refusal
from worker.source.slices import SPLIT_ABOVE, Slice
from worker.source.stac_io import Doubtful, PatientIO
from worker.source.watch import Watch

PAGE_LIMIT = 250
"""Items asked for in a page. CMR-STAC serves 100 whatever is asked; others serve what they are asked for."""

SEARCHES = 4
"""Times that a slice is searched before the run fails."""

BAND_TRIES = 3
"""Times that a page is read before an item in it that lacks bands is taken for real."""


@dataclass
class Found:
    """A searched slice: its pages, the ids in them, and the source's count (None if it states none)."""

    part: Slice
    pages: list[Converted] = field(default_factory=list)
    matched: int | None = None
    ids: set[str] = field(default_factory=set)


class _Inconsistent(Exception):
    """The pages of one search contradict each other: the search has to begin anew."""


class _Divide(Exception):
    """The slice holds too many items for one search."""

    def __init__(self, matched: int) -> None:
        super().__init__(matched)
        self.matched = matched


class Searcher:
    """Searches slices; safe to use from several threads."""

    def __init__(self, *, url: str, method: str, session: PatientSession, watch: Watch, converter: Converter) -> None:
        self._url, self._method = url, method
        self._session, self._watch, self._converter = session, watch, converter

    def search(self, part: Slice) -> Found | list[Slice]:
        """All items of the slice, or the parts to search instead.

        Raises:
            Incomplete: the source contradicts itself however often it is asked.
            SourceUnavailable: it did not answer for too long.
            Stopped: the run is over.
        """
        for search in range(1, SEARCHES + 1):
            try:
                return self._search_once(part)
            except _Divide as divide:
                return part.divided(divide.matched)
            except (Doubtful, _Inconsistent, Refusal) as fault:
                if search == SEARCHES:
                    raise Incomplete(f"{part}: {fault}; searched {SEARCHES} times") from fault
                self._session.pause(search)
            except RunError as error:
                raise type(error)(f"{part}: {error}") from error
        raise AssertionError("the last search returns or raises")

    def _search_once(self, part: Slice) -> Found:
        found = Found(part)
        try:
            self._fill(found)
        except (Doubtful, _Inconsistent, Refusal):
            self._watch.discarded(len(found.ids))
            raise
        return found

    def _fill(self, found: Found) -> None:
        part, first = found.part, True

        def accept(page: Page, tries: int) -> Page:
            nonlocal first
            if first:
                found.matched, first = page.matched, False
                if page.matched is not None and page.matched > SPLIT_ABOVE and part.divisible:
                    raise _Divide(page.matched)
            elif page.matched != found.matched:
                raise _Inconsistent(f"the source's count changed from {found.matched} to {page.matched}")
            self._take(page, found, tries)
            return page

        search = ItemSearch(
            url=self._url,
            method=self._method,
            stac_io=PatientIO(self._session, accept),
            limit=PAGE_LIMIT,
            collections=[part.collection],
            datetime=part.interval,
            bbox=list(part.box) if part.box else None,
        )
        for _ in search.pages_as_dicts():
            pass  # each page was taken when it was accepted

    def _take(self, page: Page, found: Found, tries: int) -> None:
        """Add a page's items to what was found. Raises `Doubtful` for one that cannot be right, `_Inconsistent`."""
        missing = None if found.matched is None else found.matched - len(found.ids)
        if not page.returned:
            if missing:
                raise Doubtful(f"an empty page, but {missing} of {found.matched} items are still to come")
            return
        converted = self._convert(page)
        if (lack := lacking(converted.items)) is not None:
            raise Doubtful(lack)
        anomalies = lacking_bands(converted.items)
        if anomalies and tries < BAND_TRIES:
            raise Doubtful(f"items lack bands: {', '.join(anomalies)}")
        new = set(converted.items.field("id").to_pylist()) - found.ids
        if not new:
            raise Doubtful("a page came again")
        if missing is not None and len(new) > missing:
            raise _Inconsistent(f"more items than the {found.matched} that the source counts")
        if missing is not None and len(new) < missing and page.next_link is None:
            raise Doubtful(f"the last page, but {missing - len(new)} of {found.matched} items have not come")
        found.ids |= new
        found.pages.append(converted)
        self._watch.received(len(new))

    def _convert(self, page: Page) -> Converted:
        try:
            return self._converter.convert(page.body)
        except (ValueError, pa.ArrowException) as error:
            raise Doubtful(f"items that cannot be read: {error}") from error
