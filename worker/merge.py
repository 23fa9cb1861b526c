"""Merges staged days into one file in the order of the file, a row group at a time.

Each staged day is sorted, so only a piece of each is in memory. Rows have all their columns only in the row group that
is written and, if there are not very many, in the one that is prepared meanwhile.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from worker import geoparquet, process
from worker.contract.bbox import BBox
from worker.items.arrow import to_arrow
from worker.items.types import json_paths
from worker.sorting import crosses, merged
from worker.stage import Staged

_GROUPS_AHEAD = 64
"""Row groups written while the next is prepared: a third more than the largest month of HLS has. What the writer knows
of a group, 0.2 MiB, is in memory until the file ends; a month of more makes up for it by one group less in memory."""


@dataclass(frozen=True)
class Merged:
    """What the merge saw of the items."""

    items: int
    extent: BBox | None
    first_datetime: datetime | None
    last_datetime: datetime | None
    geometry_types: list[str]
    json_columns: list[str]
    writer: pq.ParquetWriter

    def finish(self, footer: dict[str, str]) -> None:
        """Write the footer, which closes the file."""
        self.writer.add_key_value_metadata(footer)
        self.writer.close()


def merge_days(days: list[Staged], path: Path, *, pause: Callable[[], None] = lambda: None) -> Merged:
    """Write the items of every day to `path`; the caller adds the footer and closes.

    `pause` is called before each row group, and what it raises ends the merge.
    """
    count = sum(sum(day.record.items.values()) for day in days)
    form, pieces = merged([day.items for day in days if day.record.items])
    whole = form.whole()
    schema = pa.schema(list(to_arrow(whole)))
    writer = geoparquet.open_writer(path, schema, whole)
    seen = _Seen()

    def prepared(group: pa.Table) -> pa.Table:
        return form.cast(group.combine_chunks(), whole)

    try:
        for group in _ahead(prepared, seen.watched(_row_groups(pieces, geoparquet.rows_per_group(count)))):
            pause()
            writer.write_table(group, row_group_size=group.num_rows)
            process.give_back()  # else a big month's pieces, of ever other sizes, leave ever larger gaps
            del group
    except BaseException:
        with suppress(OSError):  # the disk may be why the merge ended; left open, the writer would complain later
            writer.close()
        raise
    return Merged(
        items=seen.items,
        extent=seen.extent,
        first_datetime=seen.first,
        last_datetime=seen.last,
        geometry_types=sorted(seen.geometry_types),
        json_columns=json_paths(whole),
        writer=writer,
    )


def _row_groups(pieces: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The sorted items in tables of a row group each; crossing items have groups of their own."""
    waiting: list[pa.Table] = []
    for crossing, table in _divided(pieces):
        if crossing and waiting and not crosses(waiting[-1].slice(0, 1))[0].as_py():
            yield pa.concat_tables(waiting)
            waiting = []
        waiting.append(table)
        while sum(part.num_rows for part in waiting) >= rows:
            joined = pa.concat_tables(waiting)
            yield joined.slice(0, rows)
            waiting = [rest] if (rest := joined.slice(rows)).num_rows else []
    if waiting:
        yield pa.concat_tables(waiting)


def _divided(pieces: Iterable[pa.Table]) -> Iterator[tuple[bool, pa.Table]]:
    """The pieces cut where the crossing items begin; without empty ones."""
    for piece in pieces:
        plain = piece.num_rows - (pc.sum(crosses(piece)).as_py() or 0)
        for crossing, part in ((False, piece.slice(0, plain)), (True, piece.slice(plain))):
            if part.num_rows:
                yield crossing, part


def _ahead(prepare: Callable[[pa.Table], pa.Table], groups: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Each group prepared in a thread, the first ones while the one before is written."""
    with ThreadPoolExecutor(1, thread_name_prefix="cast") as pool:

        def following() -> pa.Table | None:
            group = next(groups, None)
            return None if group is None else prepare(group)

        # No name for a group in here: whoever writes it is to be the last who has it.
        coming = deque([pool.submit(following)])
        for number in itertools.count():
            if coming[0].result() is None:
                return
            if number < _GROUPS_AHEAD:
                coming.append(pool.submit(following))
            yield coming.popleft().result()
            if not coming:
                coming.append(pool.submit(following))


@dataclass
class _Seen:
    """What is known of the items that have passed."""

    items: int = 0
    extent: BBox | None = None
    first: datetime | None = None
    last: datetime | None = None
    geometry_types: set[str] = field(default_factory=set)

    def watched(self, groups: Iterator[pa.Table]) -> Iterator[pa.Table]:
        for group in groups:
            self._see(group)
            yield group

    def _see(self, group: pa.Table) -> None:
        self.items += group.num_rows
        self.geometry_types |= geoparquet.geometry_types(group.column("geometry"))
        moments = pc.min_max(group.column("datetime")).as_py()
        self.first = min(self.first or moments["min"], moments["min"])
        self.last = max(self.last or moments["max"], moments["max"])
        box = group.column("bbox")
        lows = [pc.min(pc.struct_field(box, name)).as_py() for name in ("xmin", "ymin")]
        highs = [pc.max(pc.struct_field(box, name)).as_py() for name in ("xmax", "ymax")]
        if self.extent is not None:
            lows = [min(pair) for pair in zip(lows, self.extent[:2], strict=True)]
            highs = [max(pair) for pair in zip(highs, self.extent[2:], strict=True)]
        self.extent = BBox(*lows, *highs)
