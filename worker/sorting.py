"""The order of the file, and items of many parts brought into it a piece at a time."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from worker.items.geometry import EAST, WEST
from worker.items.moulds import Moulds
from worker.items.parts import Form, Part, brought, common

SORT_KEYS = [("crosses", "ascending"), ("id", "ascending")]
"""Items whose box spans the antimeridian come last; all others by id, which begins with collection and tile."""

Key = tuple[bool, str]

_PIECE = 10_000
"""Items that are sorted at a time, about: to sort them takes three times their memory."""


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


def merged(parts: list[Part]) -> tuple[Form, Iterator[pa.Table]]:
    """The items of all the parts, sorted, in pieces, and the form in which they come.

    Of each part only the piece that is being read is in memory.
    """
    moulds = Moulds()
    opened = [part.opened(moulds) for part in parts]
    form = common([own for own, _ in opened])
    queues = [_Queue(own, tables, form) for own, tables in opened]
    return form, _in_order([queue for queue in queues if queue.more()])


def _in_order(queues: list["_Queue"]) -> Iterator[pa.Table]:
    step = max(1, _PIECE // max(1, len(queues)))
    while queues:
        # What comes later in any part comes after what is in memory of it, so nothing is missing up to the first of these.
        until = min(queue.ahead(step) for queue in queues)
        piece = pa.concat_tables([queue.until(until) for queue in queues])
        yield sort(piece)
        # Parts that lie side by side give about as much each, parts that follow each other one at a time.
        step = max(1, min(2 * step, step * _PIECE // piece.num_rows))
        queues = [queue for queue in queues if queue.more()]


class _Queue:
    """One part, read a piece at a time."""

    def __init__(self, own: Form, tables: Iterator[pa.Table], form: Form) -> None:
        self._tables = (brought(table, own, form) for table in tables)
        self._table: pa.Table | None = None
        self._keys = _Keys(pa.array([], pa.string()), 0)
        self._taken = 0

    def more(self) -> bool:
        """Whether there are items in memory, once the next have been read if need be."""
        while self._table is None or self._taken == self._table.num_rows:
            self._table, self._taken = next(self._tables, None), 0
            if self._table is None:
                return False
            if self._table.num_rows:
                self._keys = _Keys.of(self._table)
        return True

    def ahead(self, items: int) -> Key:
        """The key of the item so many further on, or of the last that is in memory."""
        key: Key = self._keys[min(self._taken + items, len(self._keys)) - 1]
        return key

    def until(self, key: Key) -> pa.Table:
        """The items up to and with this key."""
        assert self._table is not None  # noqa: S101  `more` said so
        begin, self._taken = self._taken, bisect_right(self._keys, key, lo=self._taken)
        return self._table.slice(begin, self._taken - begin)


@dataclass(frozen=True)
class _Keys(Sequence[Key]):
    """The sort keys of sorted items, made when they are looked at: to find a place takes few of them."""

    ids: pa.Array
    plain: int
    """Items that do not cross the antimeridian: those before all others."""

    @classmethod
    def of(cls, table: pa.Table) -> "_Keys":
        crossing = pc.sum(crosses(table)).as_py() or 0
        return cls(table.column("id").combine_chunks(), table.num_rows - crossing)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: Any) -> Any:
        return row >= self.plain, self.ids[row].as_py()
