"""Items of many sorted parts, brought into one order a piece at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from staged_days import generated_items, harvested_day

from worker.items.moulds import Moulds
from worker.items.parts import Form, Items
from worker.sorting import merged

DAY = date(2024, 1, 3)
_, HARVESTED = harvested_day(DAY, generated_items(DAY, items_per_month=4000)).parts
assert isinstance(HARVESTED, Items)
ALL, FORM = HARVESTED.table.slice(0, 60), HARVESTED.form


def _merged(parts: list[list[int]]) -> list[list[str]]:
    """Ids of the pieces; each part holds these rows of all, which are sorted."""
    tables = [ALL.take(pa.array(sorted(rows), pa.int64())) for rows in parts]
    _, pieces = merged([Items(table, FORM) for table in tables])
    return [piece.column("id").to_pylist() for piece in pieces]


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.sorting._PIECE", 8)
        yield


@pytest.mark.parametrize("examples", [30, pytest.param(1000, marks=pytest.mark.soak)])
def test_whatever_lies_in_which_part(examples: int) -> None:
    """All items come in order; one that lies in two parts comes twice in the same piece, where it can be told."""

    @settings(max_examples=examples)
    @given(st.lists(st.integers(0, 6), min_size=ALL.num_rows, max_size=ALL.num_rows), st.sets(st.integers(0, 59)))
    def comes_in_order(part_of: list[int], twice: set[int]) -> None:
        parts = [[row for row, part in enumerate(part_of) if part == number] for number in range(7)]
        parts.append(sorted(twice))
        pieces = _merged(parts)
        ids = ALL.column("id").to_pylist()
        assert [name for piece in pieces for name in piece] == sorted(ids + [ids[row] for row in twice])
        assert all(piece[-1] < following[0] for piece, following in pairwise(pieces))

    comes_in_order()


def test_parts_that_lie_side_by_side_or_follow_each_other() -> None:
    """Either way a piece is about as large as it should be: neither all at once nor an item at a time."""
    rows = list(range(ALL.num_rows))
    for parts in ([rows[number::6] for number in range(6)], [rows[at : at + 10] for at in range(0, len(rows), 10)]):
        sizes = [len(piece) for piece in _merged(parts)]
        assert sum(sizes) == len(rows)
        assert max(sizes) <= 16
        assert len(sizes) <= 20


@dataclass(frozen=True)
class _InTables:
    """A part that is read some items at a time, as it is from a file."""

    items: Items
    rows: int

    def opened(self, moulds: Moulds) -> tuple[Form, Iterator[pa.Table]]:
        form, (table,) = self.items.opened(moulds)
        return form, (table.slice(begin, self.rows) for begin in range(0, table.num_rows, self.rows))


@pytest.mark.parametrize("rows", [3, 5, 20])
def test_parts_that_are_read_some_items_at_a_time(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what is in memory of one part ends soon after that of another, a piece is no smaller for it; nor is it larger
    later, when all that is in memory of every part would fit into one."""
    monkeypatch.setattr("worker.sorting._PIECE", 12)
    parts = [_InTables(Items(ALL.take(pa.array(range(number, 60, 3))), FORM), rows) for number in range(3)]
    _, pieces = merged([*parts, _InTables(Items(ALL.slice(0, 0), FORM), rows)])
    found = [piece.column("id").to_pylist() for piece in pieces]
    assert [name for piece in found for name in piece] == ALL.column("id").to_pylist()
    assert max(map(len, found)) <= 24
    assert min(map(len, found[:-1])) >= 6
    assert len(found) <= 8
