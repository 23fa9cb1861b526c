"""The order of the file, and items of many parts brought into it a piece at a time."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from worker.items.geometry import EAST, WEST
from worker.items.moulds import Moulds
from worker.items.parts import Form, Part, brought, common, empty

SORT_KEYS = [("crosses", "ascending"), ("id", "ascending")]
"""Items whose box spans the antimeridian come last; all others by id, which begins with collection and tile."""

Key = tuple[int, str]
_END: Key = (2, "")
"""After every key."""

_PIECE = 10_000
"""Items that are sorted at a time, about: to sort them takes three times their memory."""

_AHEAD = 1000
"""Items of a part that are read before they are needed, at most: where a part has few in memory, a piece is no larger."""


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
    return form, _in_order([_Queue(own, tables, form) for own, tables in opened])


def _in_order(queues: list["_Queue"]) -> Iterator[pa.Table]:
    step = max(1, _PIECE // max(1, len(queues)))
    while queues := [queue for queue in queues if queue.more(min(step, _AHEAD))]:
        # What comes later in any part comes after what is in memory of it, so nothing is missing up to the first of these.
        until = min(queue.ahead(step) for queue in queues)
        while step > 1 and sum(queue.count(until) for queue in queues) > 2 * _PIECE:
            step //= 2
            until = min(queue.ahead(step) for queue in queues)
        piece = pa.concat_tables([queue.until(until) for queue in queues])
        yield sort(piece)
        # Parts that lie side by side give about as much each, parts that follow each other one at a time.
        step = max(1, min(2 * step, step * _PIECE // piece.num_rows))


class _Queue:
    """One part, read a piece at a time."""

    def __init__(self, own: Form, tables: Iterator[pa.Table], form: Form) -> None:
        self._tables = (brought(table, own, form) for table in tables)
        self._table = empty(form)
        self._keys = _Keys.of(self._table)
        self._taken = 0
        self._ended = False

    def more(self, wanted: int) -> bool:
        """Whether there are items in memory, once as many are read as are wanted, or as there are."""
        while (left := len(self._keys) - self._taken) < wanted and not self._ended:
            if (table := next(self._tables, None)) is None:
                self._ended = True
                break
            # Copied, or the few that are left would keep all that were read with them.
            rest = [self._table.take(pa.array(range(self._taken, len(self._keys))))] if left else []
            self._table = pa.concat_tables([*rest, table])
            self._keys, self._taken = _Keys.of(self._table), 0
        return left > 0

    def count(self, key: Key) -> int:
        """How many of the items in memory come up to and with this key."""
        return bisect_right(self._keys, key, lo=self._taken) - self._taken

    def ahead(self, items: int) -> Key:
        """The key of the item so many further on, or of the last that is in memory if others follow."""
        if (place := self._taken + items) >= len(self._keys) and self._ended:
            return _END
        key: Key = self._keys[min(place, len(self._keys)) - 1]
        return key

    def until(self, key: Key) -> pa.Table:
        """The items up to and with this key, which are taken."""
        begin, count = self._taken, self.count(key)
        self._taken += count
        return self._table.slice(begin, count)


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
