"""Runs the worker in this process, with little patience, and reads what it published."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from stac_geoparquet.arrow import stac_table_to_items
from stac_items import comparable

from storage import open_store
from worker.contract.job import RunParams
from worker.contract.result import RunResult
from worker.run import Run
from worker.settings import WorkerSettings

QUICK: dict[str, Any] = {"request_timeout": 2, "retry_wait_max": 0.05, "no_progress_timeout": 30}
"""Settings under which faults that pass take no time."""


@dataclass(frozen=True)
class Archive:
    """An archive in a directory, and the harvests into it."""

    folder: Path

    def run(self, url: str, year_month: str, *, settings: dict[str, Any] | None = None, **params: Any) -> Run:
        """A run of a job of its own, unless `job_id` says otherwise; `settings` over `QUICK`, `on` a store that watches."""
        store = params.pop("on", None) or open_store(self.folder.as_uri())
        number = len(list(self.folder.glob("_jobs/*")))
        given: dict[str, Any] = {"job_id": f"job-{number}", "parallel": True, "prefix": "hls-data"} | params
        return Run(
            RunParams(year_month=year_month, destination=self.folder.as_uri(), **given),
            WorkerSettings(stac_api_url=url, temp_dir=self.folder / "temporary", **{**QUICK, **(settings or {})}),
            store,
            given["job_id"],
        )

    def harvest(self, url: str, year_month: str, **wishes: Any) -> RunResult:
        """The result of a whole run; `wishes` as for `run`."""
        return self.run(url, year_month, **wishes).execute()

    def path(self, year_month: str, prefix: str = "hls-data") -> Path:
        return self.folder / prefix / f"year={year_month[:4]}" / f"month={year_month[4:]}" / "data.parquet"

    def digests(self, year_month: str, prefix: str = "hls-data") -> dict[str, str]:
        """The partition's items, read back by stac-geoparquet a thousand at a time, as `digests` gives them."""
        with pq.ParquetFile(self.path(year_month, prefix)) as file:
            parts = (pa.Table.from_batches([batch]) for batch in file.iter_batches(1000))
            # Through JSON, because stac-geoparquet gives numpy's numbers and Python's times.
            return digests(json.loads(json.dumps(item)) for part in parts for item in stac_table_to_items(part))

    def ids(self, year_month: str, prefix: str = "hls-data") -> list[str]:
        """The ids of a partition, each as often as it stands there."""
        ids: list[str] = pq.read_table(self.path(year_month, prefix), columns=["id"]).column("id").to_pylist()
        return ids


def digests(items: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Id to a digest of what must be equal, so that large months can be compared in little memory."""
    found: dict[str, str] = {}
    for item in items:
        (name, normal), *_ = comparable([item]).items()
        assert name not in found, f"{name} comes twice"
        found[name] = hashlib.sha256(json.dumps(normal, sort_keys=True).encode()).hexdigest()
    return found


def rows(path: Path, ids: Iterable[str]) -> pa.Table:
    """The partition's rows with these ids, in its order."""
    table = pq.read_table(path, partitioning=None)
    return table.filter(pc.is_in(table.column("id"), value_set=pa.array(ids, pa.string())))


def same_rows(one: Path, other: Path) -> bool:
    """Whether two partitions have the same columns and the same rows, in the same order."""
    with pq.ParquetFile(one) as first, pq.ParquetFile(other) as second:
        if first.schema_arrow != second.schema_arrow or first.metadata.num_rows != second.metadata.num_rows:
            return False
        return all(map(pa.RecordBatch.equals, first.iter_batches(5000), second.iter_batches(5000)))
