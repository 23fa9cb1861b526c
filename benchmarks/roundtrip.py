"""Whether a file gives back the items that were served."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from stac_geoparquet.arrow import stac_table_to_items
from stac_items import comparable

from benchmarks.prepare import Prepared
from benchmarks.selection import Run

_ROWS = 1000


def differing(file: Path, month: Prepared, *, sample: int) -> int:
    """How many of about `sample` items, evenly drawn, the file lacks or gives back changed, read by stac-geoparquet."""
    served = comparable(list(_served(month, step=max(1, month.items // sample))))
    with pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(_ROWS):
            wanted = [name in served for name in batch.column("id").to_pylist()]
            # Through JSON, because stac-geoparquet gives numpy's numbers and Python's times.
            items = stac_table_to_items(pa.Table.from_batches([batch.filter(pa.array(wanted))])) if any(wanted) else []
            for name, item in comparable([json.loads(json.dumps(item)) for item in items]).items():
                if served[name] == item:
                    del served[name]
    return len(served)


def _served(month: Prepared, *, step: int) -> Iterator[dict[str, Any]]:
    """Every so many items of each part."""
    for part in month.parts:
        with part.path.open("rb") as file:
            for number in range(0, len(part.starts), step):
                yield orjson.loads(Run(part, 0, number, number + 1).read(file))
