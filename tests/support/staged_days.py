"""Small harvested days and finished partition files, made by the worker's own code from generated items."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from sample.catalog import Catalog
from storage import Store
from worker.contract import GENERATOR
from worker.contract.collections import COLLECTIONS
from worker.contract.columns import SCHEMA_VERSION
from worker.contract.job import RunParams
from worker.contract.month import Month
from worker.contract.result import PROVENANCE_KEY, Provenance
from worker.days import Day, assemble
from worker.items.convert import Converter
from worker.source.found import Found
from worker.source.slices import slices_of

DAY = date(2024, 1, 5)


def generated_items(day: date, *, seed: int = 0, items_per_month: int = 400) -> list[dict[str, Any]]:
    """The items of one day, about a thirtieth of the month's."""
    catalog = Catalog.generated(items_per_month=items_per_month, seed=seed)
    return list(catalog.items(day, date.fromordinal(day.toordinal() + 1)))


def harvested_day(day: date, items: list[dict[str, Any]], *, counted: bool = True) -> Day:
    """The day as it is harvested from a source that serves these items."""
    body = orjson.dumps({"type": "FeatureCollection", "features": items})
    pages = [Converter().convert(body)] if items else []
    found = [SimpleNamespace(part=part, pages=pages) for part in slices_of(day, COLLECTIONS, None)]
    return Day(day, [assemble(cast(Found, part)) for part in found], counted=counted, since=datetime.now(UTC))


def run_params(destination: str, *, job_id: str = "job", **others: Any) -> RunParams:
    return RunParams(**{"year_month": "202401", "job_id": job_id, "destination": destination, **others})


def provenance_of(params: RunParams, *, items: int) -> Provenance:
    return Provenance(
        year_month=params.year_month,
        prefix=params.prefix,
        bbox=params.bbox,
        collections=params.collections,
        items=items,
        matched=items,
        complete=True,
        days=[],
        anomalies={},
        extent=None,
        first_datetime=None,
        last_datetime=None,
        json_columns=[],
        source="http://127.0.0.1",
        harvested_at=datetime(2024, 3, 1, tzinfo=UTC),
        job_id=params.job_id,
        schema_version=SCHEMA_VERSION,
        generator=GENERATOR,
    )


def partition_file(path: Path, provenance: Provenance) -> Path:
    """A file with so many rows and this footer."""
    table = pa.table({"id": [f"{number}" for number in range(provenance.items)]})
    footer = {PROVENANCE_KEY: provenance.to_json()}
    pq.write_table(table.replace_schema_metadata(footer), path)
    return path


def digests(store: Store, prefix: str = "") -> dict[str, str]:
    """What stands under every key."""
    return {stat.key: hashlib.sha256(store.get(stat.key)).hexdigest() for stat in store.scan(prefix)}


def days_of(year_month: str) -> Iterable[date]:
    return Month.parse(year_month).days()
