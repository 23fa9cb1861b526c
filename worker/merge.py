"""Merges staged days into one file in the order of the file, a row group at a time.

Each staged day is sorted, so the rows of a row group are one run of every day: only those are in memory together.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from worker import geoparquet
from worker.contract.bbox import BBox
from worker.contract.columns import Struct
from worker.days import SORT_KEYS, crosses, sort
from worker.items.arrow import to_arrow, widen
from worker.items.convert import CANONICAL
from worker.items.types import arrange, json_paths, merge_all, resolve
from worker.stage import Staged


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
    kinds = [day.kind() for day in days]
    kind = resolve(arrange(merge_all([CANONICAL, *kinds]), CANONICAL))
    assert isinstance(kind, Struct)  # noqa: S101  the canonical columns are in it
    schema = pa.schema(list(to_arrow(kind)))
    writer = geoparquet.open_writer(path, schema, kind)
    readers = [_Reader(day.path, kind_of_day, kind) for day, kind_of_day in zip(days, kinds, strict=True)]
    keys = _keys(days)
    types: set[str] = set()
    try:
        for counts in _row_groups(keys, len(days)):
            pause()
            group = sort(
                pa.concat_tables(reader.read(count) for reader, count in zip(readers, counts, strict=True) if count)
            )
            types |= geoparquet.geometry_types(group.column("geometry"))
            writer.write_table(group, row_group_size=group.num_rows)
    except BaseException:
        with suppress(OSError):  # the disk may be why the merge ended; left open, the writer would complain later
            writer.close()
        raise
    return Merged(
        items=keys.num_rows,
        **_ranges(keys),
        geometry_types=sorted(types),
        json_columns=json_paths(kind),
        writer=writer,
    )


def _keys(days: list[Staged]) -> pa.Table:
    """What the order and the ranges are made of, for every item, in the order of the file."""
    tables = []
    for number, day in enumerate(days):
        columns = pq.read_table(day.path, columns=["id", "datetime", "bbox"])
        tables.append(
            pa.table(
                {
                    "crosses": crosses(columns),
                    "id": columns.column("id"),
                    "day": pa.array(np.full(columns.num_rows, number, np.int16)),
                    "datetime": columns.column("datetime"),
                    **{
                        name: pc.struct_field(columns.column("bbox"), name) for name in ("xmin", "ymin", "xmax", "ymax")
                    },
                }
            )
        )
    keys = pa.concat_tables(tables)
    return keys.take(pc.sort_indices(keys, sort_keys=[*SORT_KEYS, ("day", "ascending")]))


def _row_groups(keys: pa.Table, days: int) -> list[list[int]]:
    """For each row group, how many of the next rows of each day it takes; crossing items have groups of their own."""
    day_of = keys.column("day").to_numpy()
    plain = keys.num_rows - (pc.sum(keys.column("crosses")).as_py() or 0)
    groups = []
    for start, end in ((0, plain), (plain, keys.num_rows)):
        for first in range(start, end, geoparquet.ROWS_PER_GROUP):
            last = min(first + geoparquet.ROWS_PER_GROUP, end)
            groups.append(np.bincount(day_of[first:last], minlength=days).tolist())
    return groups


def _ranges(keys: pa.Table) -> dict[str, Any]:
    if not keys.num_rows:
        return {"extent": None, "first_datetime": None, "last_datetime": None}
    moments = pc.min_max(keys.column("datetime")).as_py()
    sides = [
        pc.min(keys.column("xmin")),
        pc.min(keys.column("ymin")),
        pc.max(keys.column("xmax")),
        pc.max(keys.column("ymax")),
    ]
    return {
        "extent": BBox(*(side.as_py() for side in sides)),
        "first_datetime": moments["min"],
        "last_datetime": moments["max"],
    }


class _Reader:
    """Reads a staged day in order, some rows at a time, in the columns of the month."""

    def __init__(self, path: Path, kind: Struct, wider: Struct) -> None:
        self._file = pq.ParquetFile(path)
        self._kind, self._wider = kind, wider
        self._group = 0
        self._rest: pa.Table | None = None

    def read(self, rows: int) -> pa.Table:
        """The next rows; there are as many."""
        parts = [self._rest] if self._rest is not None else []
        have = sum(part.num_rows for part in parts)
        while have < rows:
            parts.append(self._next_group())
            have += parts[-1].num_rows
        table = pa.concat_tables(parts)
        self._rest = table.slice(rows) if have > rows else None
        return table.slice(0, rows)

    def _next_group(self) -> pa.Table:
        table = self._file.read_row_group(self._group)
        self._group += 1
        if self._kind == self._wider:
            return table
        batches = (widen(batch.to_struct_array(), self._kind, self._wider) for batch in table.to_batches())
        return pa.Table.from_batches([pa.RecordBatch.from_struct_array(batch) for batch in batches])
