"""One request as the faults see it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sample.faults.rule import Fault
from sample.log import Record
from sample.paging import Page
from sample.source import DAY_MS, Entry, milliseconds


@dataclass
class Call:
    """A request with what is known of it. `found` are all the matches of a search, `page` is the one to be served;
    `wait` waits some seconds and says whether the client has left."""

    record: Record
    wait: Callable[[float], Awaitable[bool]]
    found: list[Entry]
    page: Page | None = None

    def meets(self, fault: Fault) -> bool:
        """Whether the fault's conditions on the request hold; those on its number are not looked at."""
        if self.page is None:
            landing = self.record.path == "/"
            return fault.on == "all" or (fault.on == "landing" and landing)
        if fault.on == "landing" or (fault.page is not None and fault.page != self.page.number):
            return False
        query = self.page.request.query
        if fault.collection is not None and fault.collection not in (query.collections or ()):
            return False
        if fault.day is None:
            return True
        (first, last), midnight = query.interval, milliseconds(fault.day)
        return (first is None or first < midnight + DAY_MS) and (last is None or last >= midnight)
