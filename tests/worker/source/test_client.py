"""What is a STAC API is opened once; what is none is told at once."""

from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from answers import landing_page, say

from sample.catalog import Catalog
from sample.server import running
from worker.errors import BadParameters, SourceUnavailable
from worker.settings import WorkerSettings
from worker.source.client import Source, open_session, open_source

from .conftest import Serving


def opened(url: str, **settings: Any) -> Source:
    chosen = WorkerSettings(stac_api_url=url, retry_wait_max=0.05, no_progress_timeout=1, **settings)
    return open_source(url, ("HLSL30_2.0",), *open_session(chosen))


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, "<!doctype html><html><body>Welcome</body></html>", "not a JSON object"),
        (200, [], "not a JSON object"),
        (200, "", "not a JSON object"),
        (200, {"hello": "world"}, "landing page is not a STAC catalogue"),
        (200, landing_page(search=None), "no search link"),
        (200, landing_page() | {"links": ["a", 5]}, "landing page is not a STAC catalogue"),
        (200, landing_page() | {"links": 5}, "landing page is not a STAC catalogue"),
        (200, {"type": "FeatureCollection", "features": []}, "landing page is not a STAC catalogue"),
        (404, {"errors": ["no such provider"]}, "404 Not Found: .*no such provider"),
        (401, "who are you?", r"401 Unauthorized: who are you\?"),
    ],
)
def test_what_is_no_stac_api(status: int, body: Any, reason: str, serving: Serving) -> None:
    """One request, and the run ends with 69 and says what answered instead: it may be a page for the time of a repair."""
    asked: list[str] = []

    def answer(to: BaseHTTPRequestHandler) -> None:
        asked.append(to.path)
        say(to, status, body)

    with (
        serving(answer) as url,
        pytest.raises(SourceUnavailable, match=rf"(?s){url} is not a STAC API .*{reason}.*STAC_API_URL"),
    ):
        opened(url)
    assert len(asked) == 1


@pytest.mark.parametrize("url", ["cmr.earthdata.nasa.gov/stac", "/etc/hosts", "ftp://127.0.0.1", "file:///etc/hosts"])
def test_an_address_that_is_no_web_address(url: str) -> None:
    """Neither an hour of tries nor a local file."""
    with pytest.raises(BadParameters, match="does not begin with http"):
        opened(url)


def test_a_source_that_redirects(serving: Serving) -> None:
    """The landing page may have moved; its links say where to search."""

    def answer(to: BaseHTTPRequestHandler) -> None:
        if to.path == "/old":
            say(to, 301, "", Location="/new/")
        elif to.path == "/new/":
            say(to, 200, landing_page(search="/elsewhere/search"))
        else:
            say(to, 404, {})

    with serving(answer) as url:
        source = opened(f"{url}/old")
        assert source.searcher._url == f"{url}/elsewhere/search"
        assert source.documents() == {}


def test_a_landing_page_that_comes_broken_or_late() -> None:
    """What passes for a search passes for the landing page too."""
    with running(Catalog.from_items([])) as source:
        source.faults.replace([f"{kind}:on=all,at=1" for kind in ("503", "broken-json", "cut")])
        assert opened(source.url).documents().keys() == {"HLSL30_2.0"}
        assert [record.path for record in source.log.records].count("/") == 4


def test_a_landing_page_that_never_comes() -> None:
    """A source that is down is not a wrong address: the run ends with 69 after its patience."""
    with running(Catalog.from_items([])) as source:
        source.faults.replace(["outage:on=all"])
        with pytest.raises(SourceUnavailable, match=rf"503 Service Unavailable: .*Oops!.*\(GET {source.url}"):
            opened(source.url)


def test_the_landing_page_is_opened_once() -> None:
    """Not before each search, as pystac-client would by itself."""
    with running(Catalog.from_items([])) as source:
        opened(source.url).documents()
        paths = [record.path for record in source.log.records]
    assert paths == ["/", "/collections/HLSL30_2.0"]


def test_what_is_no_collection_is_left_out(serving: Serving) -> None:
    """An error with status 200 is not written into the file as a collection."""

    def answer(to: BaseHTTPRequestHandler) -> None:
        say(to, 200, landing_page() if to.path == "/" else {"errors": ["Oops!"]})

    with serving(answer) as url:
        assert opened(url).documents() == {}
