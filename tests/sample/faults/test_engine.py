"""Each fault as a client sees it, and when it happens."""

import asyncio
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import httpx
import pytest

from sample.catalog import Catalog
from sample.faults import Fault
from sample.server import Running
from worker.contract.collections import BANDS, L30, S30

Faulty = Callable[..., tuple[Running, httpx.Client]]
Pages = Callable[..., list[dict[str, Any]]]
WEEK = "2024-01-01T00:00:00Z/2024-01-07T23:59:59.999Z"


def search(client: httpx.Client, **parameters: Any) -> httpx.Response:
    asked: dict[str, Any] = {"datetime": WEEK, "limit": 20} | parameters
    return client.get("/search", params=asked)


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for page in found for item in page["features"]]


@pytest.mark.parametrize(
    ("fault", "file"),
    [
        ("429:retry_after=60", "429_cmr_SYNTHETIC"),
        ("500", "500_oops"),
        ("502", "502_alb_SYNTHETIC"),
        ("503", "503_upstream"),
    ],
)
def test_error_answers_are_the_real_ones(faulty: Faulty, error_replies: dict[str, Any], fault: str, file: str) -> None:
    """Status, body and the headers that matter are those seen in the wild."""
    _, client = faulty(fault)
    reply, expected = search(client), error_replies[file]
    assert reply.status_code == expected["status"]
    assert (reply.text if isinstance(expected["body"], str) else reply.json()) == expected["body"]
    for name in ("retry-after", "content-type"):
        if name in expected["headers"]:
            assert reply.headers[name] == expected["headers"][name]


def test_too_many_requests_without_a_time_to_wait(faulty: Faulty) -> None:
    """429 alone, on every request, as nothing else is said."""
    _, client = faulty("429")
    for _ in range(3):
        reply = search(client)
        assert reply.status_code == 429
        assert "retry-after" not in reply.headers


def test_position_and_number_of_times(faulty: Faulty) -> None:
    """`at` counts requests from 1; `times` ends it; the log says which requests it was."""
    server, client = faulty("500:at=2+4+6,times=2")
    server.log.clear()
    assert [search(client).status_code for _ in range(7)] == [200, 500, 200, 500, 200, 200, 200]
    assert [record.number for record in server.log.searches() if record.faults == ["500"]] == [2, 4]


def test_rate_draws_anew_for_each_request(faulty: Faulty) -> None:
    """About the share asked for; the same request, tried again, passes."""
    _, client = faulty("503:rate=0.3")
    states = [search(client, limit=1).status_code for _ in range(200)]
    assert 35 <= states.count(503) <= 85
    assert set(states[100:]) == {200, 503}


def test_slices(faulty: Faulty) -> None:
    """By collection, by day, by page and by path: what lies outside is served well."""
    _, client = faulty(f"500:collection={L30}")
    assert search(client, collections=L30).status_code == 500
    assert search(client, collections=S30).status_code == 200
    _, client = faulty("500:day=2024-01-05")
    assert search(client).status_code == 500
    assert search(client, datetime="2024-01-05T12:00:00Z/2024-01-06T00:00:00Z").status_code == 500
    assert search(client, datetime="2024-01-06T00:00:00Z/2024-01-06T12:00:00Z").status_code == 200
    _, client = faulty("500:page=2")
    first = search(client)
    assert first.status_code == 200
    following = next(link["href"] for link in first.json()["links"] if link["rel"] == "next")
    assert client.get(following).status_code == 500
    assert client.get("/").status_code == 200
    _, client = faulty("503:on=landing")
    assert (client.get("/").status_code, search(client).status_code) == (503, 200)


def test_hang_until_the_client_gives_up(faulty: Faulty) -> None:
    """No answer; the request ends, in the log too, when the client has gone."""
    server, client = faulty("hang:times=1")
    with pytest.raises(httpx.ReadTimeout):
        client.get("/search", params={"datetime": WEEK}, timeout=0.2)
    assert search(client).status_code == 200
    deadline = time.monotonic() + 5
    while server.log.in_flight and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.log.in_flight == 0


def test_hang_for_a_while(faulty: Faulty) -> None:
    """After its time it is a time-out of what lies behind."""
    _, client = faulty("hang:seconds=0.1")
    assert search(client).status_code == 504


def test_latency_and_drip(faulty: Faulty) -> None:
    """Added latency delays the answer; a drip begins at once, takes its time, and arrives whole."""
    _, client = faulty("latency:seconds=0.2")
    reply = search(client)
    assert reply.elapsed.total_seconds() >= 0.2
    whole = reply.json()
    _, client = faulty("drip:seconds=0.3")
    began = time.monotonic()
    with client.stream("GET", "/search", params={"datetime": WEEK, "limit": 20}) as dripping:
        headers_after = time.monotonic() - began
        dripping.read()
    took = time.monotonic() - began
    assert took >= 0.3
    assert headers_after < took
    assert dripping.json() == whole


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_broken_json_and_cut_bodies(faulty: Faulty, encoding: str) -> None:
    """Broken JSON is a whole answer that does not parse; a cut one ends before the length that it stated."""
    headers = {"accept-encoding": encoding}
    _, client = faulty("broken-json:times=1")
    broken = client.get("/search", params={"datetime": WEEK}, headers=headers)
    assert broken.status_code == 200
    with pytest.raises(ValueError, match="line 1"):
        broken.json()
    _, client = faulty("cut:times=1")
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/search", params={"datetime": WEEK}, headers=headers)
    assert client.get("/search", params={"datetime": WEEK}, headers=headers).json()["features"]


def test_repeated_page(faulty: Faulty, pages: Pages) -> None:
    """The page before takes the place of the second one, and `next` goes on: a hole and doubles."""
    _, client = faulty()
    well = pages(client, datetime=WEEK, limit=20)
    _, client = faulty("repeat:page=2,times=1")
    found = pages(client, datetime=WEEK, limit=20)
    assert found[1]["features"] == well[0]["features"]
    assert [ids([page]) for page in found[2:]] == [ids([page]) for page in well[2:]]
    assert ids(pages(client, datetime=WEEK, limit=20)) == ids(well)


def test_stutter(faulty: Faulty, pages: Pages) -> None:
    """A `next` that leads to the same page again: doubles, no hole."""
    _, client = faulty()
    well = ids(pages(client, datetime=WEEK, limit=20))
    for page in (1, 3):
        _, client = faulty(f"stutter:page={page},times=1")
        found = ids(pages(client, datetime=WEEK, limit=20))
        begin = (page - 1) * 20
        assert found == well[: begin + 20] + well[begin:]


def test_next_that_is_missing(faulty: Faulty, pages: Pages) -> None:
    """The pages end early, and the count still says how many there are."""
    _, client = faulty("no-next:page=3")
    found = pages(client, datetime=WEEK, limit=20)
    assert [page["context"]["returned"] for page in found] == [20, 20, 20]
    assert found[0]["context"]["matched"] > 60


def test_count_that_changes(faulty: Faulty, pages: Pages) -> None:
    """Later pages contradict the first one's count; the items are all there."""
    _, client = faulty()
    well = pages(client, datetime=WEEK, limit=20)
    _, client = faulty("recount:page=2")
    found = pages(client, datetime=WEEK, limit=20)
    assert ids(found) == ids(well)
    counts = [page["context"]["matched"] for page in well]
    assert [page["context"]["matched"] for page in found] == [counts[0], counts[1] + 1, *counts[2:]]


def test_empty_page_in_the_middle(faulty: Faulty, pages: Pages) -> None:
    """No items on the second page, but a `next` that leads on behind those that it should have had."""
    _, client = faulty()
    well = ids(pages(client, datetime=WEEK, limit=20))
    _, client = faulty("empty:page=2")
    found = pages(client, datetime=WEEK, limit=20)
    assert [page["context"]["returned"] for page in found][:3] == [20, 0, 20]
    assert ids(found) == well[:20] + well[40:]


def test_no_count(faulty: Faulty) -> None:
    """No `context` at all."""
    _, client = faulty("no-count")
    assert search(client).json().keys() == {"type", "features", "links"}


def lacks_bands(item: dict[str, Any]) -> bool:
    return not set(BANDS[item["collection"]]) <= set(item["assets"])


@pytest.mark.parametrize(
    ("kind", "spoilt"),
    [
        ("no-geometry", lambda item: item["geometry"] is None and "bbox" not in item),
        ("no-bands", lacks_bands),
        ("no-id", lambda item: "id" not in item),
        ("no-datetime", lambda item: "datetime" not in item["properties"]),
    ],
)
def test_spoilt_items(faulty: Faulty, kind: str, spoilt: Callable[[dict[str, Any]], bool]) -> None:
    """Once: two items of the page, whole the next time. For ever: the same ones each time. By id: that one."""
    _, client = faulty()
    well = search(client).json()["features"]
    server, client = faulty(f"{kind}:count=2,times=1")
    first = search(client).json()["features"]
    assert [item for item in first if not spoilt(item)] == [
        item for item in well if item["id"] not in server.log.records[-1].spoilt
    ]
    assert sum(map(spoilt, first)) == 2 == len(server.log.records[-1].spoilt)
    assert search(client).json()["features"] == well
    _, client = faulty(f"{kind}:times=1,lasting=true")
    assert [spoilt(item) for item in search(client).json()["features"]] == [
        spoilt(item) for item in search(client).json()["features"]
    ]
    assert server.log.records[-1].spoilt == server.log.records[-2].spoilt != []
    _, client = faulty(f"{kind}:id={well[7]['id']}")
    assert [spoilt(item) for item in search(client).json()["features"]] == [n == 7 for n in range(20)]


def test_ingest_and_remove(faulty: Faulty, pages: Pages, catalog: Catalog) -> None:
    """Items appear, or go away, in the middle of a search; the count changes with them, and pages stay in order."""
    _, client = faulty()
    every = ids(pages(client, datetime=WEEK, limit=20))
    for kind, before in (("ingest", False), ("remove", True)):
        _, client = faulty(f"{kind}:at=3,share=0.2")
        found = pages(client, datetime=WEEK, limit=20)
        counts = [page["context"]["matched"] for page in found]
        after = ids(pages(client, datetime=WEEK, limit=20))
        assert counts[0] == counts[1] != counts[2] == counts[-1] == len(after)
        assert (len(every) == counts[0]) == before
        assert (after == every) == (not before)
        assert len(ids(found)) == len(set(ids(found)))
    _, client = faulty(f"remove:id={every[50]}")
    assert ids(pages(client, datetime=WEEK, limit=20)) == every[:50] + every[51:]


def test_outage(faulty: Faulty) -> None:
    """From the third request on nothing works, the landing page neither, until it is over."""
    _, client = faulty("outage:at=3,seconds=0.5,status=502")
    assert [search(client).status_code for _ in range(4)] == [200, 200, 502, 502]
    assert client.get("/").status_code == 502
    deadline = time.monotonic() + 5
    while search(client).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert [search(client).status_code for _ in range(4)] == [200] * 4


def test_outage_without_end(faulty: Faulty) -> None:
    """Without a time it does not end by itself, but by being replaced."""
    server, client = faulty("outage")
    assert {search(client).status_code for _ in range(5)} == {503}
    server.faults.replace([])
    assert search(client).status_code == 200


def test_cap_on_requests_in_flight(faulty: Faulty) -> None:
    """With more at once than the limit, some are refused; one after the other, none."""
    server, _ = faulty("cap:limit=2,retry_after=1", "latency:seconds=0.3")

    async def at_once(number: int) -> list[int]:
        async with httpx.AsyncClient(base_url=server.url, timeout=10) as client:
            asked = [client.get("/search", params={"datetime": WEEK, "limit": 1}) for _ in range(number)]
            return sorted(reply.status_code for reply in await asyncio.gather(*asked))

    assert asyncio.run(at_once(2)) == [200, 200]
    assert set(asyncio.run(at_once(6))) == {200, 429}
    assert max(record.in_flight for record in server.log.records) > 2


def test_all_passing_faults_together_at_a_rate(faulty: Faulty, pages: Pages, catalog: Catalog) -> None:
    """With every fault that passes at 5 %, a search that is repeated until its count is right finds everything."""
    kinds = ("429", "500", "502", "503", "repeat", "stutter", "no-next", "empty", "broken-json", "cut", "no-geometry")
    server, client = faulty(*(Fault(kind=kind, rate=0.05) for kind in kinds))
    for _ in range(200):
        try:
            found = pages(client, datetime=WEEK, limit=50)
        except (httpx.HTTPError, ValueError):
            continue
        got = {item["id"] for page in found for item in page["features"] if item["geometry"]}
        if len(got) == found[0]["context"]["matched"]:
            break
    assert {item["id"] for item in catalog.items(date(2024, 1, 1), date(2024, 1, 8))} <= got
    assert len({name for record in server.log.records for name in record.faults}) >= 5
