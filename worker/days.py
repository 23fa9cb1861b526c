"""Harvests days: each one's slices side by side, then their items filtered, made unique and sorted."""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from worker.contract.bbox import BBox
from worker.items.convert import Converted
from worker.items.moulds import NUMBERS, Moulds, flattened, renumbered
from worker.items.parts import Form, Items, Part, brought, common, empty
from worker.sorting import sort, unique
from worker.source.found import Found
from worker.source.limiter import Stopped
from worker.source.search import Searcher
from worker.source.slices import Slice, slices_of


@dataclass(frozen=True)
class Day:
    """The items of one day, each part sorted."""

    day: date
    parts: list[Part]
    counted: bool
    """Whether the source stated counts, so that the day is known to be complete."""
    since: datetime
    """When the first of its parts was whole: what the source took in later may be missing."""


@dataclass(frozen=True)
class Done:
    """A slice whose items are all there."""

    items: Part
    counted: bool


Keep = Callable[[Slice, Items, bool], Done]
"""What becomes of a slice's items once they are all there; the last says whether the source counted them."""


class DayHarvester:
    """Harvests one day at a time for each thread that calls it."""

    def __init__(self, searcher: Searcher, *, collections: tuple[str, ...], bbox: BBox | None, threads: int) -> None:
        self._searcher = searcher
        self._collections, self._bbox, self._threads = collections, bbox, threads

    def slices(self, day: date) -> list[Slice]:
        """The searches that the day begins with."""
        return slices_of(day, self._collections, self._bbox)

    def harvest(self, day: date, slices: list[Slice], keep: Keep) -> list[Done]:
        """Every item of these slices of the day. Raises what `Searcher.search` raises, of several faults the first."""

        def one(part: Slice) -> Done | list[Slice]:
            found = self._searcher.search(part)
            if isinstance(found, list):
                return found
            try:
                return keep(part, assemble(found), found.matched is not None)
            except BaseException as error:  # else the day would wait for its other searches, however long they take
                self._searcher.give_up(error)
                raise

        try:
            with ThreadPoolExecutor(self._threads, thread_name_prefix=f"{day:%d}") as pool:
                return list(_searched(slices, pool, one))
        except Stopped:
            raise self._searcher.fault or Stopped from None


def _searched(
    parts: list[Slice], pool: ThreadPoolExecutor, search: Callable[[Slice], Done | list[Slice]]
) -> Iterator[Done]:
    """The slices' results as they come; parts of a slice that was cut are searched in its place."""
    pending: set[Future[Done | list[Slice]]] = {pool.submit(search, part) for part in parts}
    try:
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                result = future.result()
                if isinstance(result, Done):
                    yield result
                else:
                    pending |= {pool.submit(search, part) for part in result}
    finally:
        for future in pending:
            future.cancel()


def assemble(found: Found) -> Items:
    """What a slice holds, each item once and sorted: those with their own `datetime` in it only."""
    moulds = Moulds()
    pages = [_own(page, found.part) for page in found.pages]
    forms = [Form(page.kind, moulds if page.moulds else None) for page in pages]
    tables = [_table(page, moulds) for page in pages]
    form = common(forms)
    own = [brought(table, of, form) for table, of in zip(tables, forms, strict=True)]
    return Items(unique(sort(pa.concat_tables(own or [empty(form)]))), form)


def _table(page: Converted, moulds: Moulds) -> pa.Table:
    """The items of a page, with the moulds that they use taken up into `moulds`."""
    table = pa.Table.from_batches([pa.RecordBatch.from_struct_array(page.items)])
    if page.moulds is None:
        return table
    numbers = page.items.field(NUMBERS)
    used = np.flatnonzero(np.bincount(flattened(numbers)[0]))  # not `unique`, which sorts
    places = moulds.taken_from(page.moulds, used.tolist())
    return table.set_column(table.schema.get_field_index(NUMBERS), NUMBERS, renumbered(numbers, places))


def _own(page: Converted, part: Slice) -> Converted:
    """The items of the slice's collection with their `datetime` in it.

    The source also gives those whose time range touches the slice, and one that cannot filter gives all that it has.
    """
    moment, collection = page.items.field("datetime"), page.items.field("collection")
    since = pc.greater_equal(moment, pa.scalar(part.start, moment.type))
    before = pc.less(moment, pa.scalar(part.end, moment.type))
    own = pc.and_(pc.and_(since, before), pc.equal(collection, part.collection))
    return page if pc.all(own, skip_nulls=False).as_py() else Converted(page.items.filter(own), page.kind, page.moulds)
