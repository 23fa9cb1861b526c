"""Where the entries of a catalogue come from: generated as they are asked for, or items held in memory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

import orjson

from sample.cache import ListCache
from sample.generate import FIRST_S30, day_granules
from sample.item import Granule, Ring
from sample.tiles import Tiles, land_tiles
from worker.contract.bbox import BBox
from worker.contract.collections import COLLECTIONS, L30, S30
from worker.contract.month import FIRST_MONTH, Month

DAY_MS = 86_400_000
_L30_SHARE = 0.4
_MOST_DAYS = 400
_EPOCH = date(1970, 1, 1)


class TooWide(Exception):
    """The time range covers more days than can be generated while a client waits: narrow `datetime` to a year."""


class Entry(Protocol):
    """An item to search for and to serve. Times in milliseconds since 1970, rings closed, in degrees."""

    @property
    def id(self) -> str: ...
    @property
    def collection(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def rings(self) -> list[Ring]: ...
    def body(self) -> bytes: ...


class Source(Protocol):
    """Where the entries come from."""

    def between(self, collection: str, first: int | None, last: int | None) -> Iterator[Entry]:
        """Entries whose [start, end] has a moment in common with [first, last]; None is without an end.

        Raises:
            TooWide: more days than this source can look at.
        """


class GeneratedSource:
    """Days are generated when they are asked for."""

    def __init__(
        self, *, items_per_month: int | Mapping[str, int], seed: int, area: BBox | None, until: date | None
    ) -> None:
        self._items_per_month = items_per_month
        self._seed = seed
        self._tiles = None if area is None else _within(area)
        self._first = FIRST_MONTH.start.date()
        self._last = until or datetime.now(UTC).date()
        self._days: ListCache[Granule] = ListCache(capacity=100_000)

    def between(self, collection: str, first: int | None, last: int | None) -> Iterator[Entry]:
        if collection not in COLLECTIONS:
            return
        low = self._first if first is None else max(self._first, _day(first) - timedelta(days=1))
        high = self._last if last is None else min(self._last, _day(last))
        if (high - low).days > _MOST_DAYS:
            raise TooWide(TooWide.__doc__)
        for day in (low + timedelta(days=n) for n in range((high - low).days + 1)):
            for granule in self._granules(collection, day):
                if _meets(granule, first, last):
                    yield granule

    def _granules(self, collection: str, day: date) -> list[Granule]:
        return self._days.get(
            (collection, day),
            lambda: day_granules(
                seed=self._seed, collection=collection, day=day, count=self.count(collection, day), tiles=self._tiles
            ),
        )

    def count(self, collection: str, day: date) -> int:
        """How many granules the day is to have: the month's, spread evenly, two in five of Landsat."""
        month = Month.of(day)
        wanted = (
            self._items_per_month
            if isinstance(self._items_per_month, int)
            else self._items_per_month.get(str(month), 0)
        )
        days = len(month.days())
        total = wanted * day.day // days - wanted * (day.day - 1) // days
        landsat = total if day < FIRST_S30 else round(total * _L30_SHARE)
        return {L30: landsat, S30: total - landsat}[collection]


@dataclass(frozen=True)
class StoredItem:
    """An item of a file, and what a search must know of it."""

    id: str
    collection: str
    start: int
    end: int
    rings: list[Ring]
    json: bytes

    @classmethod
    def of(cls, item: dict[str, Any]) -> "StoredItem":
        properties, geometry = item["properties"], item["geometry"]
        moment = properties["datetime"]
        polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
        return cls(
            id=item["id"],
            collection=item["collection"],
            start=_instant(properties.get("start_datetime") or moment),
            end=_instant(properties.get("end_datetime") or moment),
            rings=[[(x, y) for x, y, *_ in polygon[0]] for polygon in polygons],
            json=orjson.dumps(item),
        )

    def body(self) -> bytes:
        return self.json


class StoredSource:
    """Items held in memory."""

    def __init__(self, items: list[StoredItem]) -> None:
        self._items = items

    def between(self, collection: str, first: int | None, last: int | None) -> Iterator[Entry]:
        for item in self._items:
            if item.collection == collection and _meets(item, first, last):
                yield item


def _meets(entry: Entry, first: int | None, last: int | None) -> bool:
    return (first is None or entry.end >= first) and (last is None or entry.start <= last)


def _within(area: BBox) -> Tiles:
    tiles = land_tiles()
    inside = (tiles.latitude >= area.south) & (tiles.latitude <= area.north)
    east_of_west, west_of_east = tiles.longitude >= area.west, tiles.longitude <= area.east
    return tiles.take(
        inside & (east_of_west | west_of_east if area.crosses_antimeridian else east_of_west & west_of_east)
    )


def milliseconds(day: date) -> int:
    return (day - _EPOCH).days * DAY_MS


def _day(milliseconds: int) -> date:
    return _EPOCH + timedelta(days=milliseconds // DAY_MS)


def _instant(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
