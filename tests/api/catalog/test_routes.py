"""The catalogue over HTTP: lists, one month in depth, downloads, refreshes and bad input."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import httpx
import pytest
from sqlmodel import Session

from api.catalog.service import CatalogService
from storage import Store
from tests.api.catalog.conftest import add_job
from tests.api.catalog.partition_files import MONTH, parquet_bytes, put_partition
from worker.contract import layout
from worker.contract.collections import COLLECTIONS
from worker.contract.documents import DatasetBinding
from worker.contract.month import Month

one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what does not depend on the kind of database."""

Sessions = Callable[[], AbstractContextManager[Session]]


def _states(client: httpx.Client, **query: str | list[str]) -> dict[str, str]:
    reply = client.get("/partitions", params=query)
    assert reply.status_code == 200, reply.text
    return {f"{row['prefix']} {row['yearMonth']}": row["state"] for row in reply.json()["partitions"]}


def test_nothing_is_an_empty_list(client: httpx.Client) -> None:
    """An archive without partitions has an empty list and totals of nought."""
    assert client.get("/partitions").json() == {
        "datasets": [],
        "partitions": [],
        "totals": {"partitions": 0, "items": 0, "bytes": 0, "collections": {}, "states": {}},
        "refresh": {"requestedAt": None, "startedAt": None, "finishedAt": None, "error": None, "ignored": []},
    }


def test_a_row_of_the_list(client: httpx.Client, catalog: CatalogService, store: Store, sessions: Sessions) -> None:
    """A row says what the file holds, how complete and fresh it is, where it lies and which job wrote it."""
    rows = put_partition(store, 200, job_id="0123456789abcdef")
    with sessions() as session:
        add_job(session, "0123456789abcdef", ended=True)
    catalog.refresh(sessions)
    body = client.get("/partitions").json()
    (row,) = body["partitions"]
    key = layout.partition_key("hls-data", MONTH)
    stat = store.head(key)
    assert stat is not None
    clouds = [item["eo:cloud_cover"] for item in rows if item["eo:cloud_cover"] is not None]
    assert row["state"] == "ready"
    assert (row["items"], row["matched"], row["complete"], row["bytes"]) == (200, 200, True, stat.size)
    assert sum(row["collections"].values()) == 200
    assert row["daysPresent"] + len(row["daysMissing"]) == 29
    assert row["cloudCover"]["count"] == len(clouds)
    assert row["path"] == store.locate(key)
    assert row["harvestedAt"] == "2024-03-20T00:00:00Z"
    assert (row["sourceJob"], row["activeJob"]) == ("0123456789abcdef", None)
    assert row["links"] == {
        "self": "/partitions/202402",
        "data": "/partitions/202402/data",
        "sourceJob": "/jobs/0123456789abcdef",
    }
    assert body["totals"]["items"] == 200
    assert body["totals"]["collections"] == row["collections"]
    assert body["totals"]["states"] == {"ready": 1}
    assert body["refresh"]["finishedAt"]


def test_a_job_that_is_not_ours_is_no_source(
    client: httpx.Client, catalog: CatalogService, store: Store, sessions: Sessions
) -> None:
    """A partition from a run straight on the queue shows up by itself, without a job of this service."""
    put_partition(store, job_id="a-batch-id")
    catalog.refresh(sessions)
    (row,) = client.get("/partitions").json()["partitions"]
    assert (row["sourceJob"], row["state"]) == (None, "ready")


def test_states_and_missing_months(
    client: httpx.Client, catalog: CatalogService, store: Store, sessions: Sessions
) -> None:
    """A dataset is listed from its first known month to its last with what is missing; filters narrow or widen that."""
    put_partition(store, month=Month(2024, 2))
    put_partition(store, month=Month(2024, 4), harvested_at=datetime(2024, 5, 2, tzinfo=UTC))
    put_partition(
        store, month=Month(2024, 5), harvested_at=datetime(2024, 6, 20, tzinfo=UTC), complete=None, matched=None
    )
    put_partition(store, 5, month=Month(2023, 7), prefix="mine", foreign=True)
    store.put(layout.dataset_key("bound"), DatasetBinding(collections=COLLECTIONS).to_json())
    with sessions() as session:
        add_job(session, "1", month="202402", ended=False)
        add_job(session, "2", month="202406", ended=False)
    catalog.refresh(sessions)
    hls = {
        "hls-data 202402": "running",
        "hls-data 202403": "missing",
        "hls-data 202404": "stale",
        "hls-data 202405": "unknown",
        "hls-data 202406": "running",
    }
    assert _states(client) == hls | {"mine 202307": "partial"}
    assert _states(client, prefix="hls-data") == hls
    assert _states(client, prefix="hls-data", state="stale") == {"hls-data 202404": "stale"}
    assert _states(client, state=["partial", "unknown"]) == {"hls-data 202405": "unknown", "mine 202307": "partial"}
    assert _states(client, prefix="mine", **{"from": "202306", "to": "2023-07"}) == {
        "mine 202306": "missing",
        "mine 202307": "partial",
    }
    assert _states(client, prefix="hls-data", to="202403") == {
        "hls-data 202402": "running",
        "hls-data 202403": "missing",
    }
    assert _states(client, prefix="bound", **{"from": "202401", "to": "202401"}) == {"bound 202401": "missing"}
    assert _states(client, prefix="unheard-of", **{"from": "202401", "to": "202401"}) == {}
    running = client.get("/partitions", params={"state": "running"}).json()
    assert [row["items"] for row in running["partitions"]] == [50, None]
    assert running["totals"]["partitions"] == 1


def test_what_a_dataset_is_bound_to(
    client: httpx.Client, catalog: CatalogService, store: Store, sessions: Sessions
) -> None:
    """The list names the box and the collections of each dataset in it, and null where nothing binds one."""
    box = (-124.7, 32.5, -114.1, 42.0)
    for prefix, bound_to in (("hls-data", None), ("west", box)):
        put_partition(store, 5, prefix=prefix)
        store.put(layout.dataset_key(prefix), DatasetBinding(bbox=bound_to, collections=COLLECTIONS).to_json())
    put_partition(store, 5, prefix="mine", foreign=True)
    catalog.refresh(sessions)
    both = list(COLLECTIONS)
    west = {"prefix": "west", "bbox": list(box), "collections": both}
    assert client.get("/partitions").json()["datasets"] == [
        {"prefix": "hls-data", "bbox": None, "collections": both},
        {"prefix": "mine", "bbox": None, "collections": None},
        west,
    ]
    assert client.get("/partitions", params={"prefix": "west"}).json()["datasets"] == [west]


def test_one_month_in_depth(client: httpx.Client, catalog: CatalogService, store: Store, sessions: Sessions) -> None:
    """The month's own page adds days, histogram, tiles, anomalies, row groups and the way to the file."""
    put_partition(store, 120, prefix="a/b")
    catalog.refresh(sessions)
    reply = client.get("/partitions/2024-02", params={"prefix": "a/b"})
    assert reply.status_code == 200
    body = reply.json()
    (listed,) = client.get("/partitions").json()["partitions"]
    assert {name: body[name] for name in listed} == listed
    assert len(body["days"]) == 29
    assert sum(day["items"] for day in body["days"]) == 120
    assert sum(part["items"] for part in body["cloudCoverHistogram"]) == body["cloudCover"]["count"]
    assert sum(tile["items"] for tile in body["tiles"]["top"]) <= 120
    assert body["footer"]["anomalies"] == {"missing-bands": 2}
    assert body["rowGroups"]["number"] == 1
    assert body["download"] == {"url": "/partitions/202402/data?prefix=a/b", "expiresAt": None}


@one_database
def test_an_unreadable_file_is_shown(
    client: httpx.Client, catalog: CatalogService, store: Store, sessions: Sessions
) -> None:
    """A broken file has a row with its reason and no figures, in the list and on its own page; the rest is served."""
    put_partition(store)
    store.put("hls-data/year=2024/month=03/data.parquet", b"no parquet")
    store.put("hls-data/notes.txt", b"hello")
    catalog.refresh(sessions)
    body = client.get("/partitions").json()
    good, bad = body["partitions"]
    assert (good["state"], bad["state"]) == ("ready", "unreadable")
    assert (bad["items"], bad["bytes"], bad["collections"]) == (None, 10, None)
    assert bad["unreadable"]
    assert client.get("/partitions/202403").json()["days"] is None
    assert body["totals"]["items"] == 50
    assert [place["key"] for place in body["refresh"]["ignored"]] == ["hls-data/"]


@one_database
def test_the_list_reads_no_file(
    client: httpx.Client, catalog: CatalogService, store: Store, sessions: Sessions
) -> None:
    """Lists and months come from the database: they answer the same when the file is unreadable since."""
    put_partition(store)
    catalog.refresh(sessions)
    before = client.get("/partitions").json(), client.get("/partitions/202402").json()
    store.put(layout.partition_key("hls-data", MONTH), parquet_bytes([])[:7])
    assert (client.get("/partitions").json(), client.get("/partitions/202402").json()) == before


def test_a_refresh_is_asked_for(client: httpx.Client, catalog: CatalogService, sessions: Sessions) -> None:
    """The request is taken with 202, stands in the database for the reconciler, and shows in the list."""
    catalog.refresh(sessions)
    reply = client.post("/partitions/refresh")
    assert reply.status_code == 202
    assert client.get("/partitions").json()["refresh"]["requestedAt"] == reply.json()["requestedAt"]


BAD = {
    "/partitions/202413": "months go from 01 to 12",
    "/partitions/2024": "write it as YYYYMM",
    "/partitions/201212": "before the archive's first month",
    "/partitions/299901": "in the future",
    "/partitions/202401?prefix=../x": "may not hold '..'",
    "/partitions?prefix=_jobs/x": "starts with '_'",
    "/partitions?prefix=": "the prefix is empty",
    "/partitions?from=2024-01-15": "write it as YYYYMM",
    "/partitions?from=202402&to=202401": "the first month comes first",
    "/partitions?state=good": "'ready'",
    "/partitions?month=202401": "unknown field",
}


@one_database
@pytest.mark.parametrize("address", BAD)
def test_bad_input(client: httpx.Client, address: str) -> None:
    """Months, prefixes, ranges and states that cannot be are 422 with the contract's own words."""
    reply = client.get(address)
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"
    assert BAD[address] in reply.json()["detail"]


def test_a_month_that_is_not_there(client: httpx.Client, sessions: Sessions) -> None:
    """An unknown month is 404 with what to do, and names the job that is at work on it."""
    for address in ("/partitions/202401", "/partitions/202401/data"):
        reply = client.get(address)
        assert reply.status_code == 404
        assert reply.json()["type"] == "urn:hls:problem:partition-not-found"
        assert "POST /jobs" in reply.json()["detail"]
    with sessions() as session:
        add_job(session, "77", month="202401", ended=False)
    assert "Job 77 is at work" in client.get("/partitions/202401").json()["detail"]


@one_database
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/partitions?state=ready&state=fine", "state"),
        ("/partitions?from=x", "from"),
        ("/partitions/2024", "yearMonth"),
    ],
)
def test_faults_are_named_as_the_caller_does(client: httpx.Client, path: str, field: str) -> None:
    """A parameter that is given several times has no numbers, and the path's month is called as everywhere."""
    reply = client.get(path)
    assert (reply.status_code, [fault["field"] for fault in reply.json()["errors"]]) == (422, [field])
