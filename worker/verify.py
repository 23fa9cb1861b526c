"""The finished file, read again before anyone else reads it."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from worker.contract.month import Month
from worker.errors import Incomplete


def verify(path: Path, *, items: int, month: Month) -> int:
    """The number of row groups of a file that holds what it should.

    Raises:
        Incomplete: it cannot be read, rows are missing, an id comes twice, or an item is not of the month.
    """
    try:
        return _verified(path, items, month)
    except pa.ArrowInvalid as error:
        raise Incomplete(f"the file that was written cannot be read again: {error}") from error


def _verified(path: Path, items: int, month: Month) -> int:
    metadata = pq.read_metadata(path)
    if metadata.num_rows != items:
        raise Incomplete(f"the file has {metadata.num_rows} rows, but {items} items were harvested")
    if items:
        table = pq.read_table(path, columns=["id", "datetime"])
        if (different := pc.count_distinct(table.column("id")).as_py()) != items:
            raise Incomplete(f"{items - different} ids came on more than one day")
        moments = pc.min_max(table.column("datetime")).as_py()
        if moments["min"] < month.start or moments["max"] >= month.end:
            raise Incomplete(f"items from {moments['min']} to {moments['max']} are not all of {month}")
    return int(metadata.num_row_groups)
