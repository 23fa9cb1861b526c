"""pystac-client's I/O, reading pages as bytes and asking again for a page that cannot be right."""

from collections.abc import Callable, Iterator
from typing import Any

import orjson
from pystac.link import HREF, Link
from pystac_client.stac_api_io import StacApiIO
from requests import Request

from worker.source.http import PatientSession
from worker.source.page import Page
from worker.source.retry import Refusal

PAGE_TRIES = 5

Accept = Callable[[Page, int], Any]
"""Takes a page and the number of the try, from 1; gives what pages_as_dicts shall hand on, or raises `Doubtful`."""


class Doubtful(Exception):
    """A page that cannot be right: it may be better the next time."""


class PatientIO(StacApiIO):
    """Reads documents for pystac-client, which knows links, methods and parameters, through a `PatientSession`."""

    def __init__(self, session: PatientSession, accept: Accept | None = None) -> None:
        super().__init__(max_retries=None)
        self._patient = session
        self._accept = accept

    def read_json(self, source: HREF, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """A document other than a search page, such as the landing page. Raises `Refusal` where it is not JSON."""
        body: Any = self._patient.patiently(lambda: self.read_text(source, *args, **kwargs))
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Refusal(f"the answer is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise Refusal("the answer is not a JSON object")
        return document

    def get_pages(
        self, url: str, method: str | None = None, parameters: dict[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """The pages of a search, as pystac-client expects them; the one feature of each is what `accept` made of it.

        An empty page is given too, because it states a count.

        Raises:
            Doubtful: a page was not right however often it was asked for.
        """
        page, accepted = self._accepted(url, method=method, parameters=parameters)
        yield {"features": [accepted], "links": page.links}
        while page.returned and page.next_link:
            page, accepted = self._accepted(Link.from_dict(page.next_link), parameters=parameters)
            yield {"features": [accepted], "links": page.links}

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

    def _accepted(self, source: HREF, **kwargs: Any) -> tuple[Page, Any]:
        def once() -> Page:
            body: Any = self.read_text(source, **kwargs)
            return Page.read(body)

        for tries in range(1, PAGE_TRIES + 1):
            page = self._patient.patiently(once)
            try:
                return page, self._accept(page, tries) if self._accept else page
            except Doubtful:
                if tries == PAGE_TRIES:
                    raise
                self._patient.pause(tries)
        raise AssertionError("the last try returns or raises")
