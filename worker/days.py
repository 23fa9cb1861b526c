"""Harvests days: each one's slices side by side, then its items filtered, made unique and sorted."""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from worker.contract.bbox import BBox
from worker.contract.columns import Struct
from worker.items.arrow import widen
from worker.items.convert import CANONICAL, Converted
from worker.items.geometry import EAST, WEST
from worker.items.types import arrange, merge_all, resolve
from worker.source.found import Found
from worker.source.limiter import Stopped
from worker.source.search import Searcher
from worker.source.slices import Slice, slices_of

SORT_KEYS = [("crosses", "ascending"), ("id", "ascending")]
"""Items whose box spans the antimeridian come last; all others by id, which begins with collection and tile."""


@dataclass(frozen=True)
class Day:
    """The items of one day, each once, in the order of the file."""

    day: date
    items: pa.Table
    kind: Struct
    counted: bool
    """Whether the source stated counts, so that the day is known to be complete."""


class DayHarvester:
    """Harvests one day at a time for each thread that calls it."""

    def __init__(self, searcher: Searcher, *, collections: tuple[str, ...], bbox: BBox | None, threads: int) -> None:
        self._searcher = searcher
        self._collections, self._bbox, self._threads = collections, bbox, threads

    def harvest(self, day: date) -> Day:
        """Every item of the day. Raises what `Searcher.search` raises, of several faults the first."""
        try:
            with ThreadPoolExecutor(self._threads, thread_name_prefix=f"{day:%d}") as pool:
                found = list(_searched(slices_of(day, self._collections, self._bbox), pool, self._searcher.search))
        except Stopped:
            raise self._searcher.fault or Stopped from None
        items, kind = assemble(found)
        return Day(day, items, kind, counted=all(part.matched is not None for part in found))


def _searched(
    parts: list[Slice], pool: ThreadPoolExecutor, search: Callable[[Slice], Found | list[Slice]]
) -> Iterator[Found]:
    """The slices' results as they come; parts of a slice that was cut are searched in its place."""
    pending: set[Future[Found | list[Slice]]] = {pool.submit(search, part) for part in parts}
    try:
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                result = future.result()
                if isinstance(result, Found):
                    yield result
                else:
                    pending |= {pool.submit(search, part) for part in result}
    finally:
        for future in pending:
            future.cancel()


def assemble(found: list[Found]) -> tuple[pa.Table, Struct]:
    """One table of what the slices hold: each item in the slice of its own `datetime` only, and once, sorted."""
    found = sorted(found, key=lambda part: (part.part.start, str(part.part)))
    kind = resolve(arrange(merge_all([CANONICAL, *(page.kind for part in found for page in part.pages)]), CANONICAL))
    assert isinstance(kind, Struct)  # noqa: S101  the canonical columns are in it
    batches = [
        pa.RecordBatch.from_struct_array(widen(_own(page, part.part), page.kind, kind))
        for part in found
        for page in part.pages
    ]
    empty = pa.RecordBatch.from_struct_array(widen(pa.array([], pa.struct([])), Struct(()), kind))
    return unique(sort(pa.Table.from_batches([*batches, empty]))), kind


def crosses(items: pa.Table) -> pa.ChunkedArray:
    """Which items have a box from -180 to 180, as those have that cross the antimeridian."""
    box = items.column("bbox")
    west, east = pc.struct_field(box, "xmin"), pc.struct_field(box, "xmax")
    return pc.fill_null(pc.and_(pc.equal(west, WEST), pc.equal(east, EAST)), False)


def sort(items: pa.Table) -> pa.Table:
    keys = pa.table({"crosses": crosses(items), "id": items.column("id")})
    return items.take(pc.sort_indices(keys, sort_keys=SORT_KEYS))


def unique(items: pa.Table) -> pa.Table:
    """Sorted items without those that repeat the id before them: both halves of a box give a crossing item."""
    ids = items.column("id").combine_chunks()
    if len(ids) < 2:
        return items
    repeated = pc.equal(ids[1:], ids[:-1])
    return (
        items.filter(pa.concat_arrays([pa.array([True]), pc.invert(repeated)])) if pc.any(repeated).as_py() else items
    )


def _own(page: Converted, part: Slice) -> pa.StructArray:
    """The items of the slice's collection with their `datetime` in it.

    The source also gives those whose time range touches the slice, and one that cannot filter gives all that it has.
    """
    moment, collection = page.items.field("datetime"), page.items.field("collection")
    since = pc.greater_equal(moment, pa.scalar(part.start, moment.type))
    before = pc.less(moment, pa.scalar(part.end, moment.type))
    return page.items.filter(pc.and_(pc.and_(since, before), pc.equal(collection, part.collection)))
