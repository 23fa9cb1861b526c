"""Partitions for tests: generated rows with the contract's columns, written by pyarrow."""

import io
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from storage import Store
from worker import geoparquet
from worker.contract import layout
from worker.contract.collections import COLLECTIONS
from worker.contract.columns import COLUMNS, SCHEMA_VERSION, ListOf, Scalar, Struct, Type
from worker.contract.month import Month
from worker.contract.result import PROVENANCE_KEY, DayCount, Provenance

Row = dict[str, Any]

MONTH = Month(2024, 2)
AFTER_SETTLING = datetime(2024, 3, 20, tzinfo=UTC)

_SCALARS = {
    "text": pa.string(),
    "double": pa.float64(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "wkb": pa.binary(),
}
_TILES = [f"{zone:02d}{band}{square}" for zone in (1, 12, 33, 60) for band in "LTU" for square in ("AH", "XM", "QQ")]


def arrow_type(kind: Type) -> pa.DataType:
    if isinstance(kind, Scalar):
        return _SCALARS[kind.kind]
    if isinstance(kind, ListOf):
        return pa.list_(arrow_type(kind.element))
    return pa.struct([(name, arrow_type(field)) for name, field in kind.fields])


SCHEMA = pa.schema([(name, arrow_type(kind)) for name, kind in COLUMNS])
assert isinstance(dict(COLUMNS)["bbox"], Struct)


def rows_of(month: Month, number: int, *, seed: int = 0) -> list[Row]:
    """Items over the whole month, some without cloud cover, some across the antimeridian."""
    draw = random.Random(seed)
    span = month.end - month.start
    return [_row(draw, month.start + draw.random() * span, index) for index in range(number)]


def _row(draw: random.Random, moment: datetime, index: int) -> Row:
    collection = draw.choice(COLLECTIONS)
    tile = draw.choice(_TILES)
    short = "L30" if collection.startswith("HLSL30") else "S30"
    west, south = draw.uniform(-180, 179), draw.uniform(-60, 70)
    east, north = west + 1, south + 1
    if draw.random() < 0.02:
        west, east = -180.0, 180.0
    return {
        "id": f"HLS.{short}.T{tile}.{moment:%Y%jT%H%M%S}.{index}.v2.0",
        "collection": collection,
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "datetime": moment,
        "start_datetime": moment,
        "end_datetime": moment + timedelta(seconds=24),
        "eo:cloud_cover": None if draw.random() < 0.1 else round(draw.uniform(0, 100), 2),
        "geometry": shapely.to_wkb(shapely.box(west, south, east, north)),
        "bbox": {"xmin": west, "ymin": south, "xmax": east, "ymax": north},
        "links": [],
        "assets": {"B01": {"href": f"https://example.test/{index}.tif"}},
    }


def provenance_of(
    rows: Sequence[Row], month: Month = MONTH, *, prefix: str = "hls-data", job_id: str = "job-1", **other: Any
) -> Provenance:
    values: dict[str, Any] = {
        "year_month": str(month),
        "prefix": prefix,
        "bbox": None,
        "collections": COLLECTIONS,
        "items": len(rows),
        "matched": len(rows),
        "complete": True,
        "days": [DayCount(day=month.start.date(), items={COLLECTIONS[0]: 1})],
        "anomalies": {"missing-bands": 2},
        "extent": (-180.0, -60.0, 180.0, 71.0),
        "first_datetime": None,
        "last_datetime": None,
        "json_columns": [],
        "source": "https://stac.example.test",
        "harvested_at": AFTER_SETTLING,
        "job_id": job_id,
        "schema_version": SCHEMA_VERSION,
        "generator": "worker 0.1.0",
    }
    return Provenance(**(values | other))


def parquet_bytes(
    rows: Sequence[Row], provenance: Provenance | None = None, *, schema: pa.Schema = SCHEMA, group_rows: int = 1000
) -> bytes:
    """A Parquet file; without provenance it is one that our worker did not write, and no GeoParquet."""
    table = pa.Table.from_pylist(list(rows), schema=schema)
    if provenance is not None:
        extra = {PROVENANCE_KEY: provenance.to_json().decode()}
        footer = geoparquet.metadata(geometry_types=["Polygon"], bbox=None, collections={}, extra=extra)
        table = table.replace_schema_metadata(footer)
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=group_rows)
    return sink.getvalue()


def put_partition(
    store: Store,
    number: int = 50,
    *,
    month: Month = MONTH,
    prefix: str = "hls-data",
    seed: int = 0,
    foreign: bool = False,
    **provenance: Any,
) -> list[Row]:
    """Write a partition with so many generated items; returns them."""
    rows = rows_of(month, number, seed=seed)
    footer = None if foreign else provenance_of(rows, month, prefix=prefix, **provenance)
    store.put(layout.partition_key(prefix, month), parquet_bytes(rows, footer))
    return rows
