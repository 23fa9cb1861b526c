"""What others put into the archive, seen through the running service."""

import io
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lives import Lives
from services import Service, service

from sample.catalog import Catalog
from sample.server import running
from storage import open_store
from worker.contract.collections import L30


def _foreign() -> bytes:
    """A Parquet file that no harvester wrote."""
    sink = io.BytesIO()
    pq.write_table(pa.table({"name": ["a", "b", "c"], "height": [1.5, 2.5, None]}), sink)
    return sink.getvalue()


def _looked_at(service: Service) -> dict[str, Any]:
    """The catalogue after a look at the archive that was asked for now."""
    asked = service.call("POST", "/partitions/refresh", expect=202)["requestedAt"]
    deadline = time.monotonic() + 60
    while True:
        catalogue: dict[str, Any] = service.call("GET", "/partitions", expect=200)
        finished = catalogue["refresh"]["finishedAt"]
        if finished and finished > asked:
            return catalogue
        assert time.monotonic() < deadline, catalogue["refresh"]
        time.sleep(0.05)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("archive", [pytest.param("directory", marks=pytest.mark.soak), "s3"], indirect=True)
def test_what_is_no_partition_spoils_nothing(archive: str, lives: Lives, tmp_path: Path) -> None:
    """A corrupt, an empty and a foreign Parquet file are shown with their reasons, a directory that is no partition is
    passed over with its own, and the partition beside them is served as if they were not there."""
    store = open_store(archive)
    catalog = Catalog.generated(items_per_month=120)
    with (
        running(catalog) as source,
        service(lives, tmp_path, source=source.url, HLS_ARCHIVE=archive) as running_service,
    ):
        job = running_service.submit("202401", collections=[L30], prefix="dataset")
        assert running_service.ended(job)["status"] == "succeeded"
        good = store.get("dataset/year=2024/month=01/data.parquet")
        before = running_service.call("GET", "/partitions/202401?prefix=dataset", expect=200)

        store.put("dataset/year=2024/month=02/data.parquet", good[: len(good) // 2])
        store.put("dataset/year=2024/month=03/data.parquet", good[:-5000] + b"\0" * 4992 + good[-8:])
        store.put("dataset/year=2024/month=04/data.parquet", b"")
        store.put("dataset/year=2024/month=05/data.parquet", _foreign())
        store.put("dataset/year=2024/month=13/data.parquet", good)
        store.put("reports/summary.csv", b"a,b\n1,2\n")
        store.put("other/_dataset.json", b"{}")

        catalogue = _looked_at(running_service)
        rows = {row["yearMonth"]: row for row in catalogue["partitions"]}
        assert sorted(rows) == ["202401", "202402", "202403", "202404", "202405"]
        assert {rows[month]["state"] for month in ("202402", "202403", "202404")} == {"unreadable"}
        assert rows["202404"]["unreadable"] == "the file is empty"
        assert "arquet" in rows["202402"]["unreadable"]
        assert rows["202403"]["unreadable"]
        assert (rows["202405"]["state"], rows["202405"]["items"], rows["202405"]["sourceJob"]) == ("unknown", 3, None)
        assert rows["202405"]["notes"], "it says what the file lacks"

        ignored = {entry["key"]: entry["reason"] for entry in catalogue["refresh"]["ignored"]}
        assert ignored["reports/"] == (
            "holds objects that are not partitions: those are PREFIX/year=YYYY/month=MM/data.parquet"
        )
        assert "dataset/year=2024/month=13/" in ignored
        assert ignored["other/_dataset.json"].startswith("not the binding of a dataset")

        detail = running_service.call("GET", "/partitions/202401?prefix=dataset", expect=200)
        volatile = {"download"}
        assert {k: v for k, v in detail.items() if k not in volatile} == {
            k: v for k, v in before.items() if k not in volatile
        }
        assert rows["202401"]["items"] == sum(item["collection"] == L30 for item in catalog.month("202401"))
        for month in ("202402", "202403", "202404", "202405"):
            assert running_service.call("GET", f"/partitions/{month}?prefix=dataset", expect=200)["bytes"] is not None
