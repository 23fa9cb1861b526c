"""One slice, searched until its items are all there, or cut into parts, or given up."""

from pystac_client import ItemSearch

from worker.errors import Incomplete, RunError
from worker.items.pool import ConverterPool
from worker.source.found import Counting, Doubts, Found, Inconsistent
from worker.source.http import PatientSession
from worker.source.limiter import Stopped
from worker.source.page import Page
from worker.source.retry import Refusal
from worker.source.slices import Slice
from worker.source.stac_io import Doubtful, PatientIO
from worker.source.watch import Watch

PAGE_LIMIT = 250
"""Items asked for in a page. CMR-STAC serves 100 whatever is asked; others serve what they are asked for."""

SEARCHES = 5
"""Times that a slice is searched before the run fails."""


class _Divide(Exception):
    """The slice holds too many items for one search."""

    def __init__(self, matched: int) -> None:
        super().__init__(matched)
        self.matched = matched


class Searcher:
    """Searches slices; safe to use from several threads."""

    def __init__(
        self, *, url: str, method: str, session: PatientSession, watch: Watch, converter: ConverterPool
    ) -> None:
        self._url, self._method = url, method
        self._session, self._watch, self._converter = session, watch, converter
        self._counting = Counting()

    @property
    def fault(self) -> BaseException | None:
        """Why the run gave up, where a search was the reason."""
        return self._session.fault

    def give_up(self, fault: BaseException) -> None:
        """End every search because of this."""
        self._session.give_up(fault)

    def close(self) -> None:
        """End what converted the pages: no other will come."""
        self._converter.close()

    def search(self, part: Slice) -> Found | list[Slice]:
        """All items of the slice, or the parts to search instead. A search that fails ends all others.

        Raises:
            Incomplete: the source contradicts itself however often it is asked.
            SourceUnavailable: it did not answer for too long.
            Stopped: the run is over.
        """
        try:
            return self._search(part)
        except Stopped:
            raise
        except RunError as error:
            named = type(error)(f"{part}: {error}")
            self.give_up(named)
            raise named from error
        except BaseException as error:
            self.give_up(error)
            raise

    def _search(self, part: Slice) -> Found | list[Slice]:
        doubts = Doubts()
        for search in range(1, SEARCHES + 1):
            found = Found(part, self._counting, doubts, self._converter, self._watch)
            try:
                self._fill(found)
            except _Divide as divide:
                return part.divided(divide.matched)
            except (Doubtful, Inconsistent, Refusal) as fault:
                self._watch.discarded(len(found.ids))
                if search == SEARCHES:
                    raise Incomplete(f"{fault}; searched {SEARCHES} times") from fault
                self._session.pause(search)
            else:
                return found
        raise AssertionError("the last search returns or raises")

    def _fill(self, found: Found) -> None:
        part = found.part

        def accept(page: Page) -> None:
            matched = found.count(page)
            if not found.pages and matched is not None and part.holds_too_much(matched):
                raise _Divide(matched)
            found.take(page)

        search = ItemSearch(
            url=self._url,
            method=self._method,
            stac_io=PatientIO(self._session, accept, part.turns),
            limit=PAGE_LIMIT,
            collections=[part.collection],
            datetime=part.interval,
            bbox=list(part.box) if part.box else None,
        )
        for _ in search.pages_as_dicts():  # each page was taken when it was accepted
            if found.whole:  # CMR-STAC has a `next` on every page with items; it would lead to an empty one
                break
