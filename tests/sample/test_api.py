"""The API has CMR-STAC's manners: documents, search, paging, refusals."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pystac_client
import pytest
import shapely

from sample.catalog import Catalog
from sample.server import Running, running
from worker.contract.collections import L30, S30

Pages = Callable[..., list[dict[str, Any]]]
JANUARY = "2024-01-01T00:00:00Z/2024-01-31T23:59:59.999Z"


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for page in found for item in page["features"]]


def test_landing_page_like_the_real_one(client: httpx.Client, served: Running, shared_data: Path) -> None:
    """The same members; nothing declared that the real one does not; every address on this server."""
    page = client.get("/").json()
    real = json.loads((shared_data / "cmr-stac/landing_page_LPCLOUD.json").read_text(encoding="utf-8"))
    assert page.keys() == real.keys()
    assert set(page["conformsTo"]) <= set(real["conformsTo"])
    assert {link["rel"] for link in page["links"]} <= {link["rel"] for link in real["links"]}
    assert all(link["href"].startswith(served.url) for link in page["links"])
    assert {link["method"] for link in page["links"] if link["rel"] == "search"} == {"GET", "POST"}


def test_collections(client: httpx.Client, shared_data: Path, error_replies: dict[str, Any]) -> None:
    """Both collections, alone and listed, with the members of a real one; another is answered 404 as CMR-STAC does."""
    listed = client.get("/collections").json()["collections"]
    assert [collection["id"] for collection in listed] == [L30, S30]
    assert client.get(f"/collections/{S30}").json() == listed[1]
    real = json.loads((shared_data / "cmr-stac/collection_HLSL30_2.0.json").read_text(encoding="utf-8"))
    assert listed[0]["title"] == real["title"]
    assert listed[0]["extent"] == real["extent"]
    refused = client.get("/collections/HLSL30.v2.0")
    expected = error_replies["404_collection"]
    assert (refused.status_code, refused.json()) == (expected["status"], expected["body"])


def test_pages_like_the_real_ones(pages: Pages, shared_data: Path) -> None:
    """The search of the four real pages, over the items that they hold, gives the same pages but for the addresses."""
    folder = shared_data / "derived-current-flavour"
    catalog = Catalog.from_file(folder / "items_34_derived.json")
    real = [
        json.loads((folder / f"search_page{number}_of_4.json").read_text(encoding="utf-8")) for number in range(1, 5)
    ]
    with running(catalog) as server, httpx.Client(base_url=server.url) as client:
        found = pages(
            client,
            limit=5,
            bbox="-93,46,-92,47",
            datetime="2025-10-01T00:00:00Z/2025-10-10T00:00:00Z",
            collections=L30,
        )
    assert [page["context"] for page in found] == [page["context"] for page in real]
    assert sorted(ids(found)) == sorted(ids(real))
    by_id = {item["id"]: item for page in real for item in page["features"]}
    assert all(by_id[item["id"]] == item for page in found for item in page["features"])
    for page, expected in zip(found, real, strict=True):
        assert list(page) == list(expected)
        for link, other in zip(page["links"], expected["links"], strict=True):
            assert link.keys() == other.keys()
            assert link["rel"] == other["rel"]
            assert link["title"] == other["title"]
            ours, theirs = httpx.URL(link["href"]).params, httpx.URL(other["href"]).params
            assert {**ours, "cursor": ""} == {**theirs, "cursor": ""} or ours.keys() == theirs.keys() == set()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_paging(pages: Pages, client: httpx.Client, catalog: Catalog, method: str) -> None:
    """At most 100 a page, `next` is a GET without a body after either method, an empty page ends it, nothing twice."""
    if method == "POST":
        wanted = {"collections": [L30, S30], "datetime": JANUARY, "limit": 250}
        first = client.post("/search", json=wanted).json()
    else:
        first = client.get("/search", params={"collections": f"{L30},{S30}", "datetime": JANUARY, "limit": 250}).json()
    found = pages(client, first)
    links = [link for page in found for link in page["links"] if link["rel"] == "next"]
    assert {tuple(link) for link in links} == {("rel", "href", "type", "title")}
    matched = found[0]["context"]["matched"]
    assert 700 <= matched < 800, "the month's, and those of the day before that span midnight"
    assert [page["context"]["returned"] for page in found] == [100] * 7 + [matched - 700, 0][matched == 700 :]
    assert {(page["context"]["limit"], page["context"]["matched"]) for page in found} == {(250, matched)}
    expected = {item["id"] for item in catalog.month("202401")}
    got = ids(found)
    assert len(got) == len(set(got))
    assert expected <= set(got)
    moments = [(item["properties"]["datetime"], item["id"]) for page in found for item in page["features"]]
    assert moments == sorted(moments)


def test_full_last_page_still_has_a_next(pages: Pages, catalog: Catalog) -> None:
    """Where the items end with a full page, the next one is empty and has no `next`."""
    twenty = Catalog.from_items(catalog.month("202401")[:20])
    with running(twenty) as server, httpx.Client(base_url=server.url) as client:
        assert [len(page["features"]) for page in pages(client, limit=5)] == [5, 5, 5, 5, 0]


def test_a_range_is_closed_over_the_whole_sensing(pages: Pages, client: httpx.Client, catalog: Catalog) -> None:
    """An item comes back for each day that its [start_datetime, end_datetime] touches, both ends included."""
    spanning = next(
        item
        for item in catalog.month("202401")
        if item["properties"]["start_datetime"][:10] != item["properties"]["end_datetime"][:10]
    )
    days = []
    for name in ("start_datetime", "end_datetime"):
        moment = datetime.fromisoformat(spanning["properties"][name])
        midnight = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
        last = midnight + timedelta(days=1, milliseconds=-1)
        days.append(ids(pages(client, datetime=f"{midnight:%FT%TZ}/{last.isoformat()[:-6]}Z", limit=100)))
        exact = spanning["properties"][name]
        after = (moment + timedelta(milliseconds=1)).isoformat(timespec="milliseconds")
        assert spanning["id"] in ids(pages(client, datetime=exact))
        assert (spanning["id"] in ids(pages(client, datetime=after.replace("+00:00", "Z")))) == (
            name == "start_datetime"
        )
    assert all(spanning["id"] in day for day in days)
    assert len(set(days[0]) & set(days[1])) < 5


def test_bbox_meets_the_real_footprint(pages: Pages, client: httpx.Client, catalog: Catalog) -> None:
    """For boxes over land and on both sides of the antimeridian: what shapely finds by looking at each footprint."""
    found_by_box = 0
    items = catalog.month("202401")
    for box in (
        (-100, 30, -80, 45),
        (140, -40, 155, -20),
        (179.5, -90, 180, 90),
        (-180, -90, -179.5, 90),
        (-180, -90, 180, 90),
    ):
        found = set(ids(pages(client, bbox=",".join(map(str, box)), datetime=JANUARY, limit=100)))
        shape = shapely.box(*box)
        expected = {item["id"] for item in items if shapely.geometry.shape(item["geometry"]).intersects(shape)}
        assert expected <= found
        assert len(found - expected) <= 3, "those of the neighbouring months that reach into this one"
        assert expected
        found_by_box += len(found)
    assert found_by_box > len(items)


def test_real_antimeridian_granule_is_found_on_both_sides(pages: Pages, shared_data: Path) -> None:
    """A real MultiPolygon is served as it is, for a box on either side and not for one beside it."""
    item = json.loads(
        (shared_data / "derived-current-flavour/antimeridian_S30_T01LAH.json").read_text(encoding="utf-8")
    )
    with running(Catalog.from_items([item])) as server, httpx.Client(base_url=server.url) as client:
        for box, times in (
            ("179,-12,180,-10", 1),
            ("-180,-12,-179,-10", 1),
            ("0,-12,10,-10", 0),
            ("-179,-12,0,-10", 0),
        ):
            assert [i for page in pages(client, bbox=box) for i in page["features"]] == [item] * times


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"datetime": "2024-01-01"}, "400_datetime"),
        ({"datetime": "2024-01-01/2024-01-02"}, "400_datetime"),
        ({"datetime": "2024-01-02T00:00:00Z/2024-01-01T00:00:00Z"}, "400_datetime"),
        ({"datetime": "2024-01-01T00:00:00Z/2024-01-01T00:00:00Z"}, "400_datetime"),
        ({"datetime": "2024-13-01T00:00:00Z"}, "400_datetime"),
        ({"datetime": "../.."}, "400_datetime"),
        ({"bbox": "170,-10,-170,10"}, "400_bbox"),
        ({"bbox": "1,2,3"}, "400_bbox"),
        ({"bbox": "a,b,c,d"}, "400_bbox"),
        ({"bbox": "0,10,10,0"}, "400_bbox"),
        ({"limit": "-1"}, "400_limit"),
        ({"limit": "5001"}, "400_limit"),
        ({"limit": "many"}, "400_limit"),
    ],
)
def test_refusals(client: httpx.Client, error_replies: dict[str, Any], parameters: dict[str, str], error: str) -> None:
    """What CMR-STAC refuses, in its words, by GET and by POST."""
    expected = error_replies[error]
    for refused in (client.get("/search", params=parameters), client.post("/search", json=parameters)):
        assert (refused.status_code, refused.json()) == (400, expected["body"])


@pytest.mark.parametrize(
    ("parameters", "words"),
    [({"ids": "x"}, "cannot filter by ids"), ({"cursor": "zz"}, "cursor"), ({"limit": "1"}, "narrow `datetime`")],
)
def test_refusals_of_our_own(client: httpx.Client, parameters: dict[str, str], words: str) -> None:
    """A filter that is not known is not ignored; a search of all the years is not begun."""
    refused = client.get("/search", params=parameters)
    assert refused.status_code == 400
    assert words in refused.json()["errors"][0]


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
def test_a_body_that_is_no_object(client: httpx.Client, body: bytes) -> None:
    """400 with a reason."""
    refused = client.post("/search", content=body)
    assert refused.status_code == 400
    assert "The body is not" in refused.json()["errors"][0]


def test_unknown_collection_matches_nothing(pages: Pages, client: httpx.Client) -> None:
    """An empty page without `next`."""
    found = pages(client, collections="HLSL30.v2.0", datetime=JANUARY)
    assert [page["context"] for page in found] == [{"returned": 0, "limit": 10, "matched": 0}]


def test_items_of_a_collection(client: httpx.Client) -> None:
    """`/collections/{id}/items` is the search of that collection."""
    found = client.get(f"/collections/{S30}/items", params={"datetime": JANUARY, "limit": 20}).json()
    assert {item["collection"] for item in found["features"]} == {S30}


def test_gzip_when_asked(client: httpx.Client, served: Running) -> None:
    """Compressed for who takes it, plain for others, the same page."""
    parameters = {"datetime": JANUARY, "limit": "20"}
    with client.stream("GET", "/search", params=parameters, headers={"accept-encoding": "gzip"}) as reply:
        raw = b"".join(reply.iter_raw())
        assert reply.headers["content-encoding"] == "gzip"
    plain = client.get("/search", params=parameters, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 5


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pystac_client_reads_it_all(served: Running, catalog: Catalog, method: str) -> None:
    """A month by pystac-client, by either method, is the month that the catalogue holds."""
    client = pystac_client.Client.open(served.url)
    search = client.search(
        method=method, collections=[L30, S30], datetime="2024-02-01T00:00:00Z/2024-02-29T23:59:59.999Z", limit=250
    )
    got = {item["id"]: item for item in search.items_as_dicts() if item["properties"]["datetime"][:7] == "2024-02"}
    assert got == {item["id"]: item for item in catalog.month("202402")}
    assert len(list(client.get_collections())) == 2


def test_a_file_of_real_items(shared_data: Path) -> None:
    """The 64 real items of 2021 come back as they are."""
    path = shared_data / "cmr-stac/items_2021-05_64_L30+S30.json"
    real = {item["id"]: item for item in json.loads(path.read_text(encoding="utf-8"))["features"]}
    with running(Catalog.from_file(path)) as server:
        search = pystac_client.Client.open(server.url).search(limit=250)
        assert {item["id"]: item for item in search.items_as_dicts()} == real
        assert search.matched() == 64
