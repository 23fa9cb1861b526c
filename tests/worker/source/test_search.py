"""How a source is asked: how many requests at once, in which slices, and what happens when one of them cannot go on."""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from answers import landing_page, say
from harvesting import Archive, digests

from sample.catalog import Catalog
from sample.server import Running, running
from worker.contract.collections import L30
from worker.errors import Incomplete
from worker.items.pool import ConverterPool
from worker.source.found import Counting, Doubts, Found
from worker.source.http import PatientSession
from worker.source.limiter import START, Limiter, Turn
from worker.source.page import Page
from worker.source.slices import slices_of
from worker.source.stac_io import Doubtful, PatientIO
from worker.source.watch import Watch

from .conftest import Serving

MONTH = "202401"


@pytest.fixture(scope="module")
def source() -> Iterator[Running]:
    """Three days with 100 items each."""
    with running(Catalog.generated(items_per_month=3100, seed=3, until=date(2024, 1, 3))) as server:
        yield server


@pytest.fixture
def few() -> Iterator[Running]:
    """One day with ten items."""
    with running(Catalog.generated(items_per_month=310, seed=3, until=date(2024, 1, 1))) as server:
        yield server


@pytest.fixture(autouse=True)
def well_behaved(request: pytest.FixtureRequest) -> Iterator[None]:
    """The source is well and its log empty before each test."""
    yield
    if "source" in request.fixturenames:
        server = request.getfixturevalue("source")
        server.faults.replace([])
        server.log.clear()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def day_of(record: Any) -> str:
    return str(record.parameters["datetime"][:10])


def test_each_search_is_narrow_and_has_a_limit(source: Running, archive: Archive) -> None:
    """One collection, one day, and `limit` in every request, those for further pages included."""
    archive.harvest(source.url, MONTH)
    searches = source.log.searches()
    assert {record.parameters["limit"] for record in searches} == {"250"}
    assert {record.parameters["collections"] for record in searches} == {"HLSL30_2.0", "HLSS30_2.0"}
    assert len({(day_of(record), record.parameters["collections"]) for record in searches}) == 62
    assert [record.path for record in source.log.records].count("/") == 1


def test_a_day_has_no_more_in_flight_than_its_share(archive: Archive) -> None:
    """Four requests at first, then more, up to the days' shares together; of one day never more than its own."""
    catalog = Catalog.generated(items_per_month=3100, seed=3, until=date(2024, 1, 1))
    crossing = "170,-80,-170,80"  # four searches a day to begin with
    with running(catalog) as slow:
        slow.faults.replace(["latency:seconds=0.05"])
        archive.harvest(
            slow.url, MONTH, bbox=crossing, settings={"max_concurrent_days": 3, "max_concurrent_per_day": 2}
        )
        searches = slow.log.searches()
    most = max(record.in_flight for record in searches)
    assert START < most <= 6
    moments = [(record.time, 1, record) for record in searches]
    moments += [(record.time + (record.seconds or 0), -1, record) for record in searches]
    running_now: Counter[str] = Counter()
    for _, change, record in sorted(moments, key=lambda moment: moment[:2]):
        running_now[day_of(record)] += change
        assert running_now[day_of(record)] <= 2


def test_a_source_that_bears_little(source: Running, archive: Archive) -> None:
    """It refuses all above three at once: the limiter learns it, and does not run against it all the time."""
    source.faults.replace(["cap:limit=3", "latency:seconds=0.01"])
    assert archive.harvest(source.url, MONTH).complete
    refused = [record for record in source.log.searches() if record.status == 429]
    assert 0 < len(refused) < len(source.log.searches()) / 5


def test_a_large_day_is_cut_into_slices(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many items are searched side by side in parts of the day, without gap or double."""
    for name, items in {"SPLIT_ABOVE": 200, "SPLIT_DAY_ABOVE": 60, "SLICE_ITEMS": 75}.items():
        monkeypatch.setattr(f"worker.source.slices.{name}", items)
    catalog = Catalog.generated(items_per_month=12_400, seed=3, until=date(2024, 1, 1))
    with running(catalog) as large:
        result = archive.harvest(large.url, MONTH, collections=["HLSS30_2.0"])
        intervals = {record.parameters["datetime"] for record in large.log.searches()}
    assert result.items > 225
    assert archive.digests(MONTH) == digests(item for item in catalog.month(MONTH) if "S30" in item["collection"])
    parts = sorted(interval.split("/") for interval in intervals if interval.startswith("2024-01-01"))
    whole, *parts = sorted(parts, key=lambda part: (part[0], -len(intervals), part[1] != "2024-01-02T00:00:00Z"))
    assert len(parts) == 4
    assert all(a[1] == b[0] for a, b in pairwise(sorted(parts)))
    assert [parts[0][0], parts[-1][1]] == whole


def test_one_slice_without_hope_ends_all_others(few: Running, archive: Archive) -> None:
    """Where one search fails for good, others that wait for a silent source do not hold the run; the fault that is
    told is the first, and not what it did to the others."""
    few.faults.replace(["hang:collection=HLSL30_2.0", "no-id:collection=HLSS30_2.0"])
    began = time.monotonic()
    with pytest.raises(Incomplete, match=r"^HLSS30_2.0 of 2024-01-01.* without id; searched 5 times"):
        archive.harvest(few.url, MONTH, settings={"request_timeout": 60, "no_progress_timeout": 600})
    assert time.monotonic() - began < 30


def test_a_fault_of_our_own_ends_the_run(few: Running, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that nobody foresaw, in any thread, ends the run and is told as it is."""

    def convert(*_: object) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(ConverterPool, "convert", convert)
    few.faults.replace(["hang:collection=HLSL30_2.0"])
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="unforeseen"):
        archive.harvest(few.url, MONTH, settings={"request_timeout": 60, "no_progress_timeout": 600})
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("following", "message"),
    [
        ("/refused", r"400 Bad Request: .*Invalid cursor"),
        ("/gone", r"404 Not Found"),
        ("file:///etc/hosts", r"a `next` that leads to file:///etc/hosts"),
        ("?page=2", None),
    ],
    ids=["refused", "not found", "out of the web", "relative"],
)
def test_where_next_leads(following: str, message: str | None, serving: Serving, archive: Archive) -> None:
    """A refusal in the middle is searched again from the start, then fails the run with its slice and the source's
    words; a relative `next` is followed, one to a local file is not."""
    catalog = Catalog.generated(items_per_month=310, seed=3, until=date(2024, 1, 1))
    items = [item for item in catalog.month(MONTH) if item["collection"] == "HLSS30_2.0"]

    def answer(to: BaseHTTPRequestHandler) -> None:
        where = urlsplit(to.path)
        asked = parse_qs(where.query)
        if where.path in ("/refused", "/gone"):
            say(to, 400 if where.path == "/refused" else 404, {"errors": ["Invalid cursor"]})
        elif where.path != "/search":
            say(to, 200, landing_page())
        elif "page" in asked:
            say(to, 200, {"features": items[3:], "links": [], "numberMatched": len(items)})
        elif asked["datetime"][0].startswith("2024-01-01"):
            links = [{"rel": "next", "href": following}, "no link"]
            say(to, 200, {"features": items[:3], "links": links, "numberMatched": len(items)})
        else:
            say(to, 200, {"features": [], "numberMatched": 0})

    wishes: dict[str, Any] = {"collections": ["HLSS30_2.0"]}
    with serving(answer) as url:
        if message is None:
            assert archive.harvest(url, MONTH, **wishes).complete
            assert archive.digests(MONTH) == digests(items)
        else:
            with pytest.raises(Incomplete, match=rf"^HLSS30_2.0 of 2024-01-01, .*{message}.*; searched 5 times"):
                archive.harvest(url, MONTH, **wishes)


def test_a_source_that_filters_nothing(serving: Serving, archive: Archive) -> None:
    """It gives all that it has, whatever is asked: each item is kept once, and none of another collection or month."""
    catalog = Catalog.generated(items_per_month=62, seed=3)
    items = [*catalog.items(date(2023, 12, 30), date(2024, 1, 3))]

    def answer(to: BaseHTTPRequestHandler) -> None:
        page = {"features": items, "links": [], "numberMatched": len(items)}
        say(to, 200, page if to.path.startswith("/search") else landing_page())

    mine = [item for item in catalog.month(MONTH) if item in items and item["collection"] == "HLSL30_2.0"]
    with serving(answer) as url:
        archive.harvest(url, MONTH, collections=["HLSL30_2.0"])
    assert mine
    assert archive.digests(MONTH) == digests(mine)


def test_empty_pages_are_progress() -> None:
    """A sparse box makes a source answer well for long without an item: that is no silence."""
    now = 0.0
    watch = Watch(100, clock=lambda: now)
    part = slices_of(date(2024, 1, 1), (L30,), None)[0]
    now = 90
    watch.complained("503")
    found = Found(part, Counting(), Doubts(), ConverterPool(), watch)
    page = Page.read(b'{"type":"FeatureCollection","features":[],"numberMatched":0}')
    assert found.count(page) == 0
    found.take(page)
    assert watch.waiting_for is None
    assert watch.remaining() == 100


def test_who_waits_for_the_source_holds_no_place(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that holds room for a page while it waits among the requests in flight may be who all the others wait
    for: also where a doubtful page makes the page before it be read again."""
    watch = Watch(30)
    limiter = Limiter(10)
    session = PatientSession(
        limiter=limiter, watch=watch, timeout=5, longest_wait=0.01, client_id="me/1", connections=10
    )
    held: list[bool] = []
    slot = limiter.slot

    def watched(turn: Turn) -> Any:
        held.append(getattr(session.desk._mine, "taken", False))
        return slot(turn)

    monkeypatch.setattr(limiter, "slot", watched)

    def answer(to: BaseHTTPRequestHandler) -> None:
        following = [{"rel": "next", "href": f"http://{to.headers['Host']}/second"}]
        say(to, 200, {"type": "FeatureCollection", "features": [{}], "links": [] if "second" in to.path else following})

    doubts = iter([False, True, True, False])

    def accept(page: Page) -> None:
        if next(doubts):
            raise Doubtful("odd")

    with serving(answer) as url:
        assert len(list(PatientIO(session, accept).get_pages(url))) == 2
    assert held == [False] * 5
