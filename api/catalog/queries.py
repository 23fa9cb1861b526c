"""Exact counts over the table of items that the engine has filled (its columns: `columns.FACTS`)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from duckdb import DuckDBPyConnection

from api.catalog.distribution import Distribution
from api.catalog.statistics import Cell, DayItems, Places, TileItems, Tiles
from worker.contract.month import Month

TOP_TILES = 20
CELL_DEGREES = (1, 2, 4)
MOST_CELLS = 1500
UNKNOWN = "unknown"
"""Stands for the collection of an item that names none."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Totals:
    """Counts and ranges over every item."""

    ids: int
    distinct_ids: int
    dated: int
    inside: int
    """Items whose datetime lies in the month."""
    first: datetime | None
    last: datetime | None
    extent: tuple[float, float, float, float] | None


def totals(cursor: DuckDBPyConnection, month: Month) -> Totals:
    ids, distinct_ids, dated, inside, first, last, *edges = _rows(
        cursor,
        """
        SELECT count(id), count(DISTINCT id), count(us), count(*) FILTER (us >= ? AND us < ?),
            min(us), max(us), min(west), min(south), max(east), max(north)
        FROM items
        """,
        *_bounds(month),
    )[0]
    west, south, east, north = edges
    return Totals(
        ids=ids,
        distinct_ids=distinct_ids,
        dated=dated,
        inside=inside,
        first=_moment(first),
        last=_moment(last),
        extent=None if None in edges else (west, south, east, north),
    )


def days(cursor: DuckDBPyConnection, month: Month) -> list[DayItems]:
    """Every day of the month, those without items too."""
    by_day: dict[int, dict[str, int]] = {}
    for day, collection, items in _rows(
        cursor,
        """
        SELECT (us - ?) // ?, coalesce(collection, ?), count(*)
        FROM items WHERE us >= ? AND us < ? GROUP BY ALL ORDER BY ALL
        """,
        _bounds(month)[0],
        _DAY // _MICROSECOND,
        UNKNOWN,
        *_bounds(month),
    ):
        by_day.setdefault(day, {})[collection] = items
    return [
        DayItems(day=day, items=sum(found.values()), collections=found)
        for index, day in enumerate(month.days())
        for found in [by_day.get(index, {})]
    ]


def collections(cursor: DuckDBPyConnection) -> dict[str, int]:
    return dict(_rows(cursor, "SELECT coalesce(collection, ?), count(*) FROM items GROUP BY ALL ORDER BY ALL", UNKNOWN))


def cloud_distribution(cursor: DuckDBPyConnection) -> Distribution:
    return _rows(cursor, "SELECT cloud, count(*) FROM items WHERE cloud IS NOT NULL GROUP BY ALL ORDER BY cloud")


def tiles(cursor: DuckDBPyConnection) -> Tiles:
    """Counts by the MGRS tile in ids such as `HLS.S30.T01LAH.2025274T222549.v2.0`."""
    by_tile = _rows(
        cursor,
        r"""
        SELECT coalesce(regexp_extract(id, '\.T([0-9]{2}[A-Z]{3})\.', 1), '') AS tile, count(*) AS items
        FROM items GROUP BY tile ORDER BY items DESC, tile
        """,
    )
    named = [TileItems(tile=tile, items=items) for tile, items in by_tile if tile]
    without = sum(items for tile, items in by_tile if not tile)
    return Tiles(number=len(named), without=without, top=named[:TOP_TILES])


def places(cursor: DuckDBPyConnection) -> Places | None:
    """The finest grid that does not need too many cells; None where no item states its box.

    The box of a footprint across the antimeridian spans -180 to 180, so its middle is taken to be at 180 W.
    """
    found: list[Cell] = []
    for degrees in CELL_DEGREES:
        found = [
            Cell(west=degrees * x, south=degrees * y, items=items)
            for x, y, items in _rows(
                cursor,
                """
                SELECT floor(if(east - west >= 180, -180, least((west + east) / 2, 179.999)) / $1)::INT AS x,
                    floor(least((south + north) / 2, 89.999) / $1)::INT AS y, count(*)
                FROM items WHERE west IS NOT NULL GROUP BY x, y ORDER BY y, x
                """,
                degrees,
            )
        ]
        if len(found) <= MOST_CELLS:
            break
    return Places(degrees=degrees, cells=found) if found else None


def _rows(cursor: DuckDBPyConnection, query: str, *parameters: Any) -> list[Any]:
    return cursor.execute(query, parameters).fetchall()


def _bounds(month: Month) -> tuple[int, int]:
    return (month.start - _EPOCH) // _MICROSECOND, (month.end - _EPOCH) // _MICROSECOND


def _moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + microseconds * _MICROSECOND
