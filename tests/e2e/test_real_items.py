"""Real items of CMR-STAC through the whole product: over HTTP in, out of the Parquet by readers nobody here wrote."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pyarrow.parquet as pq
import pytest
from apis import replaying, rustac_serving
from lives import Lives
from months import described, harvested
from services import service
from stac_items import READERS, comparable

from hls.client import Client, ServiceError
from sample.catalog import Catalog
from sample.server import running

Api = Callable[..., AbstractContextManager[str]]

CMR_STAC = "https://cmr.earthdata.nasa.gov/stac/LPCLOUD"
MONTHS = ["202105", "202106", "202107", "202108"]
CURRENT = "202510"
FILES = ("cmr-stac/items_2021-05_64_L30+S30.json", "derived-current-flavour/items_34_derived.json")


@contextmanager
def sample_serving(*files: Path, log: Path) -> Iterator[str]:
    items = [item for file in files for item in json.loads(file.read_text())["features"]]
    with running(Catalog.from_items(items), log_file=log) as source:
        yield source.url


APIS = [pytest.param(sample_serving, id="sample"), pytest.param(rustac_serving, id="rustac", marks=pytest.mark.soak)]


@dataclass(frozen=True)
class Real:
    """An API with the real items, and the service that has harvested all their months from it."""

    client: Client
    source: str
    items: list[dict[str, Any]]
    archive: str
    counts: bool
    """Whether the API states how many items match."""


@pytest.fixture(scope="module", params=APIS)
def real(
    request: pytest.FixtureRequest, shared_data: Path, lives: Lives, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Real]:
    api: Api = request.param
    folder = tmp_path_factory.mktemp("real")
    with (
        api(*(shared_data / file for file in FILES), log=folder / "api.log") as source,
        service(lives, folder, source=source, HLS_LOCAL_WORKERS="4") as running_service,
        Client(running_service.url) as client,
    ):
        harvested(client, [*MONTHS, CURRENT])
        archive = (folder / "service/archive").as_uri()
        yield Real(client, source, served(source), archive, counts=api is sample_serving)


def served(url: str) -> list[dict[str, Any]]:
    """Every item as the API gives it: an API may add to its items' links."""
    items: dict[str, dict[str, Any]] = {}
    page = httpx.get(f"{url}/search", params={"limit": 100}).json()
    while page["features"]:
        items |= {item["id"]: item for item in page["features"]}
        following = [link["href"] for link in page["links"] if link["rel"] == "next"]
        if not following:
            break
        page = httpx.get(following[0]).json()
    return list(items.values())


def test_the_64_real_items(real: Real) -> None:
    """Four months of 2021, asked for over HTTP, give the 64 items back to rustac and stac-geoparquet, and the
    statistics equal a brute-force count of what was served."""
    items = [item for item in real.items if item["properties"]["datetime"].startswith("2021")]
    assert len(items) == 64
    partitions = [described(real.client, month, "hls-data") for month in MONTHS]
    for reader in READERS.values():
        read = [item for partition in partitions for item in reader(partition["path"])]
        assert comparable(read) == comparable(items)
    for partition in partitions:
        _check_statistics(partition, items)
        _check_readers(Path(partition["path"]), partition["items"])
    expected = ("ready", True) if real.counts else ("unknown", None)
    assert {(partition["state"], partition["complete"]) for partition in partitions} == {expected}


def test_the_34_items_of_the_current_shape(real: Real) -> None:
    """STAC 1.1.0 with the storage extension and `s3_` assets."""
    items = [item for item in real.items if item["properties"]["datetime"].startswith("2025")]
    partition = described(real.client, CURRENT, "hls-data")
    for reader in READERS.values():
        assert comparable(reader(partition["path"])) == comparable(items)
    assert partition["items"] == len(items) == 34
    _check_readers(Path(partition["path"]), 34)


def _check_statistics(partition: dict[str, Any], items: list[dict[str, Any]]) -> None:
    """Counted anew from the items."""
    month = f"{partition['yearMonth'][:4]}-{partition['yearMonth'][4:]}"
    mine = [item for item in items if item["properties"]["datetime"].startswith(month)]
    clouds = [item["properties"]["eo:cloud_cover"] for item in mine]
    assert partition["items"] == len(mine)
    assert partition["collections"] == {
        name: sum(item["collection"] == name for item in mine) for name in sorted({item["collection"] for item in mine})
    }
    assert partition["daysPresent"] == len({item["properties"]["datetime"][:10] for item in mine})
    assert partition["extent"] == [
        pick(item["bbox"][corner] for item in mine) for corner, pick in enumerate((min, min, max, max))
    ]
    cover = partition["cloudCover"]
    assert (cover["count"], cover["nulls"], cover["min"], cover["max"]) == (len(mine), 0, min(clouds), max(clouds))
    assert cover["mean"] == sum(clouds) / len(clouds)
    assert partition["bytes"] == Path(partition["path"]).stat().st_size
    days = {day["day"]: day["items"] for day in partition["days"] if day["items"]}
    assert days == {
        day: sum(item["properties"]["datetime"].startswith(day) for item in mine)
        for day in sorted({item["properties"]["datetime"][:10] for item in mine})
    }


def _check_readers(path: Path, rows: int) -> None:
    """The tools that scientists use open the file, and see geometries, times and numbers; it is valid GeoParquet."""
    import geopandas  # slow, and not for whoever only collects tests

    frame = geopandas.read_parquet(path)
    assert len(frame) == rows
    assert frame.geometry.is_valid.all()
    assert frame.crs.to_epsg() == 4326 or frame.crs.to_string() == "OGC:CRS84"
    assert pq.read_table(path).num_rows == rows
    query = 'SELECT count(*), typeof(any_value(datetime)), typeof(any_value("eo:cloud_cover")) FROM read_parquet(?)'
    row = duckdb.connect().execute(query, [str(path)]).fetchone()
    assert row == (rows, "TIMESTAMP WITH TIME ZONE", "DOUBLE")
    validator = Path(sys.executable).with_name("geoparquet-validator")
    for conformance_class in ("core", "covering"):
        checked = subprocess.run(
            [validator, "check", "--class", conformance_class, path], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout


def test_the_replayed_search_pages(shared_data: Path, lives: Lives, tmp_path: Path) -> None:
    """The four pages of a search, with only the host rewritten, give their 12 items."""
    pages = [
        json.loads((shared_data / f"derived-current-flavour/search_page{n}_of_4.json").read_text()) for n in range(1, 5)
    ]
    with (
        replaying(pages, CMR_STAC) as source,
        service(lives, tmp_path, source=source) as running_service,
        Client(running_service.url) as client,
    ):
        harvested(client, ["202510"], collections=["HLSL30_2.0"], bbox=[-93, 46, -92, 47], prefix="replayed")
        partition = described(client, "202510", "replayed")
        served = json.dumps([item for page in pages for item in page["features"]]).replace(CMR_STAC, source)
        items = json.loads(served)
        assert partition["items"] == len(items) == 12
        assert comparable(READERS["rustac"](partition["path"])) == comparable(items)


def test_a_second_dataset_on_the_same_prefix(real: Real, tmp_path: Path) -> None:
    """The service answers 409 and says what to do instead; the worker alone refuses it too, with 64."""
    with pytest.raises(ServiceError, match="another prefix") as refused:
        real.client.submit("202109", prefix="hls-data", bbox=[-103, 40, -101, 42])
    assert refused.value.status == 409
    worker = [sys.executable, "-m", "worker", "--year-month=202109", f"--destination={real.archive}"]
    ended = subprocess.run(
        [*worker, "--s3-prefix=hls-data", "--bounding-box=-103,40,-101,42"],
        env={"STAC_API_URL": real.source, "TEMP_DIR": str(tmp_path / "alone"), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 64
    assert re.search("hls-data is bound to no box .* choose another prefix", ended.stdout)
