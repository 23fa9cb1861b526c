"""pystac-client's I/O, reading pages as bytes and asking again for a page that cannot be right."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urljoin

import orjson
from pystac.link import HREF, Link
from pystac_client.stac_api_io import StacApiIO
from requests import Request

from worker.source.http import PatientSession
from worker.source.limiter import Turn
from worker.source.page import Malformed, Page
from worker.source.retry import Refusal

PAGE_TRIES = 6
_EMPTY_PAGES = 2

Accept = Callable[[Page], Any]
"""Takes a page; gives what pages_as_dicts shall hand on, or raises `Doubtful`."""

Source = str | dict[str, Any]
"""Where a page comes from: the search itself, or the `next` link of the page before."""


class Doubtful(Exception):
    """A page that cannot be right: it may be better the next time."""


class PatientIO(StacApiIO):
    """Reads documents for pystac-client, which knows links, methods and parameters, through a `PatientSession`."""

    def __init__(
        self, session: PatientSession, accept: Accept | None = None, turns: tuple[Turn, Turn] = ((), ())
    ) -> None:
        """`turns` are those of a search's first page and of what follows."""
        super().__init__(max_retries=None)
        self._patient = session
        self._accept = accept
        self._turns = turns

    def read_json(self, source: HREF, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """A document other than a search page, such as the landing page. Raises `Refusal` where it is no JSON object."""

        def once() -> dict[str, Any]:
            body: Any = self.read_text(source, *args, **kwargs)
            if not body.lstrip()[:1] == b"{":
                raise Refusal("what it answers is not a JSON object")
            try:
                document: dict[str, Any] = orjson.loads(body)
            except orjson.JSONDecodeError as error:
                raise Malformed(f"broken JSON: {error}") from error
            return document

        try:
            return self._patient.patiently(once)
        finally:
            self._patient.desk.leave()

    def get_pages(
        self, url: str, method: str | None = None, parameters: dict[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """The pages of a search, as pystac-client expects them; the one feature of each is what `accept` made of it.

        An empty page is given too, because it states a count; two in a row are the end even if a `next` goes on.

        Raises:
            Doubtful: a page was not right however often it was asked for.
            Refusal: a `next` leads out of the web.
        """

        def read(source: Source) -> Page:
            def once() -> Page:
                body: Any = (
                    self.read_text(source, method=method, parameters=parameters)
                    if isinstance(source, str)
                    else self.read_text(Link.from_dict(source), parameters=parameters or {})
                )
                return Page.read(body)

            return self._patient.patiently(once, self._turns[before is not None])

        before: Source | None = None
        source: Source | None = url
        empty = 0
        while source is not None and empty < _EMPTY_PAGES:
            try:
                page, accepted, source = self._accepted(read, source, before)
            finally:
                self._patient.desk.leave()
            empty = empty + 1 if page.empty else 0
            before, source = source, _following(page, source)
            links = page.links
            del page  # it is large, and the answer to the next request may take long
            yield {"features": [accepted], "links": links}

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """One request, sent once. The body stays bytes, whatever the base class says: a page is never decoded."""
        content = {"json": parameters} if method == "POST" else {"params": parameters or None}
        body: Any = self._patient.send(Request(method=method or "GET", url=href, headers=headers, **content))
        return body  # type: ignore[no-any-return]  # see above

    def _accepted(
        self, read: Callable[[Source], Page], source: Source, before: Source | None
    ) -> tuple[Page, Any, Source]:
        """The page, what was made of it, and where it came from in the end."""
        for tries in range(1, PAGE_TRIES + 1):
            page = read(source)
            try:
                return page, self._made_of(page, source), source
            except Doubtful:
                if tries == PAGE_TRIES:
                    raise
                self._patient.pause(tries)
            if tries > 1 and before is not None:  # perhaps it is not the page, but the link that led to it
                source = _following(read(before), before) or source
                self._patient.desk.leave()  # who waits for the limiter with a place may be who the others wait for
        raise AssertionError("the last try returns or raises")

    def _made_of(self, page: Page, source: Source) -> Any:
        if _following(page, source) == source:
            raise Doubtful("a `next` that leads to the page that it stands on")
        return self._accept(page) if self._accept else page


def _following(page: Page, source: Source) -> Source | None:
    """The `next` link of a page that was read from `source`, with an absolute address."""
    if (link := page.next_link) is None:
        return None
    href = urljoin(source if isinstance(source, str) else source["href"], link["href"])
    if not href.startswith(("http://", "https://")):
        raise Refusal(f"a `next` that leads to {href}")
    return {**link, "href": href}
