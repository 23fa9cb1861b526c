"""Items in one form, in memory or in a file: either with all their columns, or with moulds for assets and links."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from worker.contract.columns import TEXT, ListOf, Struct
from worker.items.arrow import kind_of, schema_of, to_arrow, widen
from worker.items.cast import cast
from worker.items.convert import CANONICAL
from worker.items.moulds import ASSETS, LINKS, NAME, NUMBERS, Moulds, renumbered
from worker.items.types import MOULD, arrange, merge_all, resolve

CANONICAL_CUT = Struct(
    (
        *((name, kind) for name, kind in CANONICAL.fields if name not in (ASSETS, LINKS)),
        (NAME, TEXT),
        (NUMBERS, ListOf(MOULD)),
    )
)
"""The canonical columns where moulds stand for assets and links."""

_MOULDS = "hls:moulds"
_ROWS_CUT, _ROWS_WHOLE = 1000, 100
"""In a row group: a MiB or so. So much of each file is in memory at once."""


@dataclass(frozen=True)
class Form:
    """The columns of some items; `moulds` where assets and links are numbers of those."""

    kind: Struct
    moulds: Moulds | None = None

    def whole(self) -> Struct:
        """All the columns, with assets and links as the moulds have them."""
        if self.moulds is None:
            return self.kind
        rest = Struct(tuple(member for member in self.kind.fields if member[0] not in (NAME, NUMBERS)))
        return _columns([CANONICAL, rest, self.moulds.kind()], CANONICAL)

    def cast(self, items: pa.Table, whole: Struct) -> pa.Table:
        """The items with all their columns, those of `whole`, which holds `self.whole()`."""
        parts = items.to_batches() or [pa.RecordBatch.from_pylist([], items.schema)]
        arrays = (part.to_struct_array() for part in parts)
        if self.moulds is None:
            made = [widen(array, self.kind, whole) for array in arrays]
        else:
            made = [cast(array, self.kind, self.moulds, whole) for array in arrays]
        return pa.Table.from_batches([pa.RecordBatch.from_struct_array(array) for array in made])


class Part(Protocol):
    """Sorted items, each once, that can be read a piece at a time."""

    def opened(self, moulds: Moulds) -> tuple[Form, Iterator[pa.Table]]:
        """Their form, and the items; where they are cut, the moulds are taken up into `moulds`."""
        ...


@dataclass(frozen=True)
class Items:
    """A part in memory."""

    table: pa.Table
    form: Form

    def opened(self, moulds: Moulds) -> tuple[Form, Iterator[pa.Table]]:
        own = self.form.moulds
        if own is None:
            return self.form, iter([self.table])
        places = moulds.taken_from(own, range(len(own)))
        return Form(self.form.kind, moulds), iter([renumber(self.table, places)])


@dataclass(frozen=True)
class ItemsFile:
    """A part in a Parquet file of its own making."""

    path: Path

    @classmethod
    def write(cls, path: Path, tables: Iterable[pa.Table], form: Form) -> "ItemsFile":
        """Write the items, which come in any pieces."""
        schema = schema_of(form.kind)
        rows = _ROWS_WHOLE if form.moulds is None else _ROWS_CUT
        # Read once or twice, soon: what is quick to write and to read is a tenth larger than what is written small.
        with pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=False, write_statistics=False) as writer:
            for table in _at_least(rows, tables):
                writer.write_table(table, row_group_size=rows)
            if form.moulds is not None:
                writer.add_key_value_metadata({_MOULDS: form.moulds.packed().decode()})
        return cls(path)

    def opened(self, moulds: Moulds) -> tuple[Form, Iterator[pa.Table]]:
        with pq.ParquetFile(self.path) as file:
            footer, schema = file.metadata.metadata, file.schema_arrow
        # Of the footer, where earlier releases wrote it, too: a run may go on with days that one of them staged.
        kind = kind_of(schema.with_metadata(footer))
        packed = footer.get(_MOULDS.encode())
        places = None if packed is None else moulds.unpacked(packed)
        return Form(kind, None if places is None else moulds), self._tables(places)

    def _tables(self, places: "np.ndarray[tuple[int], np.dtype[np.int32]] | None") -> Iterator[pa.Table]:
        with pq.ParquetFile(self.path) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, use_threads=False)
                yield table if places is None else renumber(table, places)


def _at_least(rows: int, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same items in tables of so many rows or more, but for the last: each group that is read has its price."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(part.num_rows for part in waiting) >= rows:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def common(forms: list[Form]) -> Form:
    """The form in which the items of all these forms can stand together: cut only if all of them are."""
    moulds = [form.moulds for form in forms]
    if all(each is not None for each in moulds):
        one = moulds[0] if moulds else Moulds()
        assert all(each is one for each in moulds)  # noqa: S101  they were opened together
        return Form(_columns([CANONICAL_CUT, *(form.kind for form in forms)], CANONICAL_CUT), one)
    return Form(_columns([CANONICAL, *(form.whole() for form in forms)], CANONICAL))


def brought(table: pa.Table, form: Form, wanted: Form) -> pa.Table:
    """The same items in another form, which `common` made of theirs and others."""
    if form.kind == wanted.kind:
        return table
    if wanted.moulds is None:
        return form.cast(table, wanted.kind)
    return Form(form.kind).cast(table, wanted.kind)


def empty(form: Form) -> pa.Table:
    return pa.schema(list(to_arrow(form.kind))).empty_table()


def _columns(kinds: list[Struct], canonical: Struct) -> Struct:
    kind = resolve(arrange(merge_all(kinds), canonical))
    assert isinstance(kind, Struct)  # noqa: S101  the canonical columns are in it
    return kind


def renumber(table: pa.Table, places: "np.ndarray[tuple[int], np.dtype[np.int32]]") -> pa.Table:
    """The same items with `places[number]` for the number of each mould."""
    numbers = table.column(NUMBERS).combine_chunks()
    return table.set_column(table.schema.get_field_index(NUMBERS), NUMBERS, renumbered(numbers, places))
