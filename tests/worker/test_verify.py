"""A file is believed only once it has been read again."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from worker.contract.month import Month
from worker.errors import Incomplete
from worker.verify import verify

MONTH = Month(2024, 1)
INSIDE = datetime(2024, 1, 31, 23, 59, 59, 999999, UTC)


def _file(folder: Path, ids: list[str], moments: list[datetime]) -> Path:
    kinds = pa.schema([("id", pa.string()), ("datetime", pa.timestamp("us", "UTC"))])
    path = folder / "data.parquet"
    pq.write_table(pa.table({"id": ids, "datetime": moments}, schema=kinds), path, row_group_size=2)
    return path


def test_a_whole_file_passes(tmp_path: Path) -> None:
    """The first and the last microsecond of the month are of it; the row groups are counted."""
    path = _file(tmp_path, ["a", "b", "c"], [datetime(2024, 1, 1, tzinfo=UTC), INSIDE, INSIDE])
    assert verify(path, items=3, month=MONTH) == 2
    assert verify(_file(tmp_path, [], []), items=0, month=MONTH) in (0, 1)


def test_missing_rows(tmp_path: Path) -> None:
    """Fewer rows than were harvested, and more."""
    path = _file(tmp_path, ["a", "b"], [INSIDE] * 2)
    for items in (1, 3):
        with pytest.raises(Incomplete, match=f"2 rows, but {items} items were harvested"):
            verify(path, items=items, month=MONTH)


def test_an_id_that_came_twice(tmp_path: Path) -> None:
    """An item that the source gave for two days, with another `datetime` for each."""
    with pytest.raises(Incomplete, match="1 ids came on more than one day"):
        verify(_file(tmp_path, ["a", "b", "a"], [INSIDE] * 3), items=3, month=MONTH)


@pytest.mark.parametrize("moment", [datetime(2023, 12, 31, 23, 59, 59, 999999, UTC), datetime(2024, 2, 1, tzinfo=UTC)])
def test_an_item_of_another_month(tmp_path: Path, moment: datetime) -> None:
    """The last microsecond before the month and the first one after it are not of it."""
    with pytest.raises(Incomplete, match=r"are not all of 202401"):
        verify(_file(tmp_path, ["a", "b"], [INSIDE, moment]), items=2, month=MONTH)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A footer that was never written, or a disk that lies."""
    path = _file(tmp_path, ["a"], [INSIDE])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(Incomplete, match="cannot be read again"):
        verify(path, items=1, month=MONTH)
