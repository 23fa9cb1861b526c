"""The download of a partition: the file from a directory, a link to it from a bucket."""

import io
import time
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import pyarrow.parquet as pq
import pytest

from api.catalog.engine import Engine
from api.catalog.service import CatalogService
from storage import Store, open_store
from tests.api.catalog.conftest import Sessions
from tests.api.catalog.partition_files import MONTH, put_partition
from worker.contract import layout


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One kind is enough: what is tried here is of the archive."""
    return f"sqlite:///{tmp_path / 'test.sqlite'}"


def test_the_file_is_served_from_a_directory(
    client: httpx.Client, catalog: CatalogService, store: Store, sessions: Sessions
) -> None:
    """The download is the file, whole or a range of it, under a name of its own; 404 once it was removed."""
    put_partition(store, prefix="a/b")
    catalog.refresh(sessions)
    key = layout.partition_key("a/b", MONTH)
    url = client.get("/partitions/202402", params={"prefix": "a/b"}).json()["download"]["url"]
    reply = client.get(url)
    assert reply.content == store.get(key)
    assert reply.headers["content-disposition"] == 'attachment; filename="a-b-202402.parquet"'
    assert pq.read_table(io.BytesIO(reply.content)).num_rows == 50
    tail = client.get(url, headers={"Range": "bytes=-4"})
    assert (tail.status_code, tail.content) == (206, b"PAR1")
    several = client.get(url, headers={"Range": "bytes=0-3,8-9"})
    assert several.status_code == 206
    assert several.headers["content-type"].startswith("multipart/byteranges")
    store.delete(key)
    assert client.get(url).status_code == 404


@pytest.mark.parametrize(
    ("asked", "status", "slug"),
    [
        ("bytes=9-1", 400, "bad-range"),
        ("bytes=", 400, "bad-range"),
        ("bytes=x-y", 400, "bad-range"),
        ("items=0-1", 400, "bad-range"),
        ("0-1", 400, "bad-range"),
        ("bytes=99999999-", 416, "range-beyond-the-file"),
        ("bytes=99999999-99999999999", 416, "range-beyond-the-file"),
    ],
)
def test_a_range_that_cannot_be_served(
    client: httpx.Client, catalog: CatalogService, store: Store, sessions: Sessions, asked: str, status: int, slug: str
) -> None:
    """Is a problem like any other; one beyond the file says how long that is."""
    put_partition(store)
    catalog.refresh(sessions)
    reply = client.get("/partitions/202402/data", headers={"Range": asked})
    assert (reply.status_code, reply.json()["type"]) == (status, f"urn:hls:problem:{slug}")
    assert reply.headers["content-type"] == "application/problem+json"
    size = len(store.get(layout.partition_key("hls-data", MONTH)))
    assert reply.headers.get("content-range") == (f"bytes */{size}" if status == 416 else None)


def test_the_file_is_linked_in_a_bucket(
    client: httpx.Client, catalog: CatalogService, duck: Engine, s3_root: str, sessions: Sessions
) -> None:
    """In a bucket the link is signed, works without any key, and ends after a quarter of an hour."""
    catalog.archive = store = open_store(s3_root)
    put_partition(store)
    catalog.refresh(sessions)
    body = client.get("/partitions/202402").json()
    assert body["path"].startswith("s3://")
    assert body["download"]["expiresAt"]
    assert _seconds_left(body["download"]["url"]) == pytest.approx(900, abs=30)
    whole = store.get(layout.partition_key("hls-data", MONTH))
    assert httpx.get(body["download"]["url"]).content == whole
    redirection = client.get("/partitions/202402/data")
    assert redirection.status_code == 307
    assert _seconds_left(redirection.headers["location"]) == pytest.approx(900, abs=30)
    assert httpx.get(redirection.headers["location"]).content == whole


def _seconds_left(link: str) -> float:
    """How long it works, in either form of signature."""
    query = dict(parse_qsl(urlsplit(link).query))
    if "X-Amz-Expires" in query:
        return float(query["X-Amz-Expires"])
    return float(query["Expires"]) - time.time()
