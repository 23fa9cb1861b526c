"""Opens the STAC API once and gives what a run needs of it."""

import warnings
from dataclasses import dataclass
from typing import Any

from pystac.errors import STACError, STACTypeError
from pystac_client import Client
from pystac_client.errors import ClientTypeError
from pystac_client.exceptions import APIError

from worker.contract import GENERATOR
from worker.errors import BadParameters, SourceUnavailable
from worker.items.pool import ConverterPool
from worker.settings import WorkerSettings
from worker.source.http import PatientSession
from worker.source.limiter import Limiter
from worker.source.retry import Refusal
from worker.source.search import Searcher
from worker.source.stac_io import PatientIO
from worker.source.watch import Watch


@dataclass(frozen=True)
class Source:
    """An opened STAC API."""

    url: str
    searcher: Searcher
    watch: Watch
    session: PatientSession
    collections: tuple[str, ...]

    def documents(self) -> dict[str, dict[str, Any]]:
        """Read the documents of the wanted collections, as far as the API serves them.

        Raises:
            SourceUnavailable: nothing answered for too long.
            Stopped: the run is over.
        """
        documents = {}
        for collection in self.collections:
            try:
                document = PatientIO(self.session).read_json(f"{self.url.rstrip('/')}/collections/{collection}")
            except Refusal:  # an API may serve items of a collection that it does not describe
                continue
            if document.get("type") == "Collection" and document.get("id") == collection:
                documents[collection] = document
        return documents


def open_session(settings: WorkerSettings) -> tuple[PatientSession, Watch]:
    """The session of the run and its watch; nothing is requested yet."""
    watch = Watch(settings.no_progress_timeout)
    session = PatientSession(
        limiter=Limiter(settings.max_in_flight),
        watch=watch,
        timeout=settings.request_timeout,
        longest_wait=settings.retry_wait_max,
        client_id=GENERATOR,
        connections=settings.max_in_flight,
    )
    return session, watch


def open_source(url: str, collections: tuple[str, ...], session: PatientSession, watch: Watch) -> Source:
    """Read the landing page.

    Raises:
        BadParameters: the address is none of the web.
        SourceUnavailable: what answers there is not a STAC API that can be searched, or nothing answered for too long.
    """
    if not url.startswith(("http://", "https://")):
        raise BadParameters(_unsuitable(url, "its address does not begin with http:// or https://"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pystac-client warns of conformance, which the search link settles
            client = Client.open(url, stac_io=PatientIO(session))
        search = client.get_search_link()
        methods = {link.extra_fields.get("method", "GET") for link in client.get_links("search")}
    except Refusal as error:
        raise SourceUnavailable(_unsuitable(url, str(error))) from error
    except (
        STACError,
        STACTypeError,
        APIError,
        ClientTypeError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        what = f"its landing page is not a STAC catalogue: {type(error).__name__}: {error}"
        raise SourceUnavailable(_unsuitable(url, what)) from error
    if search is None:
        raise SourceUnavailable(_unsuitable(url, "its landing page has no search link"))
    searcher = Searcher(
        url=search.get_absolute_href() or search.href,
        method="GET" if "GET" in methods else "POST",
        session=session,
        watch=watch,
        converter=ConverterPool(),
    )
    return Source(url, searcher, watch, session, collections)


def _unsuitable(url: str, reason: str) -> str:
    return f"{url} is not a STAC API that can be searched: {reason}. Check STAC_API_URL."
