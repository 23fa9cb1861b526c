"""Statistics of one Parquet file, with pyarrow to read it and DuckDB to count."""

from collections.abc import Callable

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from api.catalog import queries
from api.catalog.columns import FACTS, Told, projection
from api.catalog.distribution import cloud_cover, histogram
from api.catalog.footer import described, own_provenance, row_groups
from api.catalog.source import parquet_file
from api.catalog.statistics import Detail, Statistics, Summary, Unreadable
from worker.contract.month import Month

BATCH_ROWS = 50_000
_REASON_LENGTH = 300


def statistics(uri: str, month: Month, open_cursor: Callable[[], duckdb.DuckDBPyConnection]) -> Statistics:
    """Read the file once. Raises `Unreadable`."""
    try:
        with parquet_file(uri) as file, open_cursor() as cursor:
            told = _load(cursor, file)
            return _statistics(cursor, file, month, told)
    except (pa.ArrowException, OSError, duckdb.Error, UnicodeDecodeError) as error:
        raise Unreadable(_reason(error)) from error


def _load(cursor: duckdb.DuckDBPyConnection, file: pq.ParquetFile) -> Told:
    """Read the few columns that count into a table of this cursor, which goes to disk where memory ends."""
    told = projection(file.schema_arrow)
    cursor.execute(f"CREATE TEMP TABLE items ({FACTS})")
    if told.columns:
        read = 0
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=told.columns):
            cursor.register("batch", pa.Table.from_batches([batch]))
            cursor.execute(f"INSERT INTO items SELECT {told.sql} FROM batch")  # noqa: S608  our own expressions
            cursor.unregister("batch")
            read += batch.num_rows
        if read != file.metadata.num_rows:
            raise Unreadable(f"the footer speaks of {file.metadata.num_rows} rows, but {read} can be read")
    return told


def _statistics(cursor: duckdb.DuckDBPyConnection, file: pq.ParquetFile, month: Month, told: Told) -> Statistics:
    rows: int = file.metadata.num_rows
    metadata = file.metadata.metadata or {}
    provenance, doubt = own_provenance(metadata, month, rows)
    totals = queries.totals(cursor, month)
    days = queries.days(cursor, month) if "datetime" in told.columns else None
    clouds = queries.cloud_distribution(cursor) if "eo:cloud_cover" in told.columns else None
    detail = Detail(
        days=days,
        without_datetime=rows - totals.dated if days is not None else None,
        outside_month=totals.dated - totals.inside if days is not None else None,
        duplicated_ids=totals.ids - totals.distinct_ids if "id" in told.columns else None,
        cloud_cover_histogram=histogram(clouds) if clouds is not None else None,
        tiles=queries.tiles(cursor) if "id" in told.columns else None,
        places=queries.places(cursor),
        columns=file.schema_arrow.names,
        geoparquet=b"geo" in metadata,
        row_groups=row_groups(file.metadata),
        footer=described(provenance) if provenance else None,
    )
    summary = Summary(
        collections=queries.collections(cursor) if "collection" in told.columns else None,
        days_present=sum(day.items > 0 for day in days) if days is not None else None,
        days_missing=[day.day for day in days if not day.items] if days is not None else None,
        first_datetime=totals.first,
        last_datetime=totals.last,
        extent=totals.extent,
        cloud_cover=cloud_cover(clouds, rows) if clouds is not None else None,
        notes=[*told.notes, *doubt, *_oddities(detail)],
    )
    return Statistics(items=rows, provenance=provenance, summary=summary, detail=detail)


def _oddities(detail: Detail) -> list[str]:
    found = []
    if detail.without_datetime:
        found.append(f"items without a datetime: {detail.without_datetime}; no day counts them")
    if detail.outside_month:
        found.append(f"items of another month: {detail.outside_month}; no day counts them")
    if detail.duplicated_ids:
        found.append(f"items whose id another item has too: {detail.duplicated_ids}")
    return found


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:_REASON_LENGTH]
