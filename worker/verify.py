"""The finished file, read again before anyone else reads it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from worker.contract.month import Month
from worker.errors import Incomplete

_ROWS = 20_000


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
    with pq.ParquetFile(path) as file:
        metadata = file.metadata
        if metadata.num_rows != items:
            raise Incomplete(f"the file has {metadata.num_rows} rows, but {items} items were harvested")
        hashes = np.concatenate([np.empty(0, np.int64), *_read(file, month)])
    hashes.sort()
    if (repeated := hashes[1:][hashes[1:] == hashes[:-1]]).size:
        raise Incomplete(f"{repeated.size} ids came on more than one day")
    return int(metadata.num_row_groups)


def _read(file: pq.ParquetFile, month: Month) -> Iterator["np.ndarray[tuple[int], np.dtype[np.int64]]"]:
    """The ids' hashes, a row group at a time: 8 bytes an item, whatever the month. Times are compared on the way."""
    for batch in file.iter_batches(_ROWS, columns=["id", "datetime"], use_threads=False):
        moments = pc.min_max(batch.column("datetime")).as_py()
        if moments["min"] < month.start or moments["max"] >= month.end:
            raise Incomplete(f"items from {moments['min']} to {moments['max']} are not all of {month}")
        yield np.fromiter(map(hash, batch.column("id").to_pylist()), np.int64, batch.num_rows)
