"""The catalogue: what can be searched, and the plain list of it that tests compare with."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from sample.cache import ListCache
from sample.geometry import touches
from sample.source import Entry, GeneratedSource, Source, StoredItem, StoredSource, milliseconds
from worker.contract.bbox import BBox
from worker.contract.collections import COLLECTIONS
from worker.contract.month import Month


@dataclass(frozen=True)
class Query:
    """What to search for; `None` does not narrow. `interval` is closed, in milliseconds since 1970."""

    collections: tuple[str, ...] | None = None
    interval: tuple[int | None, int | None] = (None, None)
    box: BBox | None = None


class Catalog:
    """Searches a source; remembers the last results, because each page of a search asks again."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._results: ListCache[Entry] = ListCache(capacity=200_000)

    @classmethod
    def generated(
        cls,
        *,
        items_per_month: int | Mapping[str, int] = 3000,
        seed: int = 0,
        area: BBox | None = None,
        until: date | None = None,
    ) -> "Catalog":
        """Generated granules of HLS from April 2013 until today, both collections.

        Args:
            items_per_month: for every month, or by month as `YYYYMM`; a month that is not named has none.
            seed: another seed is another catalogue.
            area: keep to the tiles with their centre in this box. Then a month has no more granules than five
                satellites see of them.
            until: the last day with granules, instead of today.
        """
        return cls(GeneratedSource(items_per_month=items_per_month, seed=seed, area=area, until=until))

    @classmethod
    def from_items(cls, items: Iterable[dict[str, Any]]) -> "Catalog":
        """Items as they are."""
        return cls(StoredSource([StoredItem.of(item) for item in items]))

    @classmethod
    def from_file(cls, path: Path) -> "Catalog":
        """The items of a FeatureCollection.

        Raises:
            ValueError: not a FeatureCollection of STAC items.
            OSError: the file cannot be read.
        """
        try:
            return cls.from_items(orjson.loads(path.read_bytes())["features"])
        except (orjson.JSONDecodeError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{path} is not a FeatureCollection of STAC items: {error!r}") from error

    def search(self, query: Query) -> list[Entry]:
        """Every matching entry in the order of (start, id)."""
        return self._results.get(query, lambda: self._search(query))

    def _search(self, query: Query) -> list[Entry]:
        collections = COLLECTIONS if query.collections is None else query.collections
        found = [entry for name in set(collections) for entry in self._source.between(name, *query.interval)]
        if query.box is not None:
            found = [entry for entry in found if touches(entry.rings, query.box)]
        return sorted(found, key=lambda entry: (entry.start, entry.id))

    def items(self, since: date, before: date) -> Iterator[dict[str, Any]]:
        """Every item whose `datetime` lies in [since, before), by no other way than looking at each."""
        first, last = milliseconds(since), milliseconds(before)
        for collection in COLLECTIONS:
            for entry in self._source.between(collection, first, last):
                if first <= entry.start < last:
                    yield orjson.loads(entry.body())

    def month(self, year_month: str) -> list[dict[str, Any]]:
        """Every item of a month, given as `YYYYMM`."""
        month = Month.parse(year_month)
        return list(self.items(month.start.date(), month.end.date()))
