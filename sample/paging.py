"""One page of a search, in CMR-STAC's own paging.

The cursor names the last item of the page before, so that a page begins behind it whatever came or went meanwhile.
Every page with items has a `next`; the page after the last item is empty and has none.
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

import orjson

from sample.query import SearchRequest
from sample.source import Entry


@dataclass
class Page:
    """A page to be served; faults change it before it is written.

    `before` and `after` count the matching items on earlier and on later pages.
    """

    request: SearchRequest
    features: list[bytes]
    ids: list[str]
    next: tuple[int, str] | None
    matched: int | None
    before: int
    after: int

    @property
    def number(self) -> int:
        """From 1."""
        return self.before // max(self.request.page_size, 1) + 1

    def body(self, base: str) -> bytes:
        """The FeatureCollection; `base` is the address of the catalogue without a slash at its end."""
        url = f"{base}/search"
        geojson, json = "application/geo+json", "application/json"
        own = self.request.link(url, self.request.cursor) if self.request.cursor else url
        links: list[dict[str, Any]] = [
            {"rel": "self", "href": own, "type": geojson, "title": "This search"},
            {"rel": "root", "href": base, "type": json, "title": "Root Catalog"},
            {"rel": "parent", "href": base, "type": json, "title": "Provider Catalog"},
            {"rel": "first", "href": self.request.link(url, None), "type": geojson, "title": "First page of results"},
        ]
        if self.next:
            href = self.request.link(url, self.next)
            links.append({"rel": "next", "href": href, "type": geojson, "title": "Next page of results"})
        tail: dict[str, Any] = {"links": links}
        if self.matched is not None:
            returned = len(self.features)
            tail["context"] = {"returned": returned, "limit": self.request.limit, "matched": self.matched}
        features = b",".join(self.features)
        return b"".join((b'{"type":"FeatureCollection","features":[', features, b"],", orjson.dumps(tail)[1:]))


def page_of(found: list[Entry], request: SearchRequest) -> Page:
    """The page that the request's cursor asks for, of everything that was found."""
    begin = bisect_right(found, request.cursor, key=position) if request.cursor else 0
    return slice_of(found, request, begin)


def slice_of(found: list[Entry], request: SearchRequest, begin: int) -> Page:
    entries = found[begin : begin + request.page_size]
    return Page(
        request=request,
        features=[entry.body() for entry in entries],
        ids=[entry.id for entry in entries],
        next=position(entries[-1]) if entries else None,
        matched=len(found),
        before=begin,
        after=len(found) - begin - len(entries),
    )


def position(entry: Entry) -> tuple[int, str]:
    return entry.start, entry.id
