"""`make bench-choices`: what the order, row groups, encodings and compression of the file cost and save.

Each way writes the items of one harvested month anew and differs from the first, which is how the worker writes, in one
thing. The figures stand in docs/data.md.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from shapely import box

from benchmarks.contenders import ours
from benchmarks.machine import describe, print_description
from benchmarks.prepare import CACHE, prepare
from benchmarks.queries import BOX_QUERIES, STATISTICS, boxes, bytes_read
from benchmarks.race import run_one
from benchmarks.report import Table, write_json
from benchmarks.serving import replaying
from worker import geoparquet
from worker.contract.columns import Struct
from worker.items.arrow import from_arrow

_WORLD = (-180, -90, 180, 90)


@dataclass(frozen=True)
class Choice:
    """One way to write the month."""

    name: str
    rows: int | None = None
    """Of a row group; None for as many as the worker makes it."""
    by_place: bool = False
    delta: bool = True
    level: int = 3
    all_statistics: bool = False


AS_IT_IS = Choice("as the worker writes")
CHOICES = (
    AS_IT_IS,
    *(replace(AS_IT_IS, name=f"{rows:,} rows a group", rows=rows) for rows in (2000, 5000, 20_000, 40_000)),
    replace(AS_IT_IS, name="in Hilbert order", by_place=True),
    replace(AS_IT_IS, name="dictionaries, no delta encoding", delta=False),
    replace(AS_IT_IS, name="zstd 1", level=1),
    replace(AS_IT_IS, name="zstd 9", level=9),
    replace(AS_IT_IS, name="statistics on every column", all_statistics=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.choices", description=__doc__)
    parser.add_argument("--items", type=int, default=473_208, help="of the month (default: 473208)")
    parser.add_argument("--boxes", type=int, default=50, help="that are queried (default: 50)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file too")
    given = parser.parse_args()
    machine = describe()
    print_description(machine)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        month = harvested(given.items, Path(folder))
        found = {choice.name: measure(month, choice, Path(folder), given.boxes) for choice in CHOICES}
    columns = list(next(iter(found.values())))
    table = Table(f"{given.items:,} items", *columns)
    for name, figures in found.items():
        table.add(name, *figures.values())
    table.print()
    write_json(given.json, {"benchmark": "choices", "machine": machine, "items": given.items, "choices": found})


def harvested(items: int, folder: Path) -> Path:
    """The month's file as the worker makes it."""
    with replaying(prepare(items)) as server:
        run_one(ours(), server.url, folder)
    file = ours().file
    assert file is not None
    return folder / file


def measure(month: Path, choice: Choice, folder: Path, count: int) -> dict[str, float]:
    """Bytes an item, footer, seconds to write, and the percent of the file that queries read by DuckDB.

    pyarrow's datasets read every asset where one is asked for, which would hide what a choice saves.
    """
    path = folder / "choice.parquet"
    began = time.process_time()
    write(month, choice, path)
    took = time.process_time() - began
    rows = pq.read_metadata(path).num_rows
    drawn = boxes(path, count)
    figures: dict[str, Any] = {
        "bytes an item": path.stat().st_size / rows,
        "footer kB": pq.read_metadata(path).serialized_size / 1000,
        "CPU s to write": took,
        **{f"{name} %": bytes_read(path, by_duckdb, drawn) for name, (_, by_duckdb) in BOX_QUERIES.items()},
        "statistics %": bytes_read(path, STATISTICS[1], drawn[:1]),
    }
    print(f"{choice.name}: {figures['bytes an item']:.0f} bytes an item", flush=True)
    return figures


def write(month: Path, choice: Choice, path: Path) -> None:
    """The month's items, written in this way."""
    schema = pq.read_schema(month)
    kind = from_arrow(pa.struct(list(schema)), frozenset())
    assert isinstance(kind, Struct)
    rows = choice.rows or geoparquet.rows_per_group(pq.read_metadata(month).num_rows)
    leaves = geoparquet.leaves(kind)
    delta = geoparquet.repeating(kind) if choice.delta else []
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=choice.level,
        use_dictionary=[leaf for leaf in leaves if leaf not in delta and leaf != "geometry"],
        column_encoding=dict.fromkeys(delta, "DELTA_BYTE_ARRAY"),
        write_statistics=True if choice.all_statistics else geoparquet.pruned_on(kind),
    ) as writer:
        for table in _groups(month, rows, by_place=choice.by_place):
            writer.write_table(table, row_group_size=rows)


def _groups(month: Path, rows: int, *, by_place: bool) -> Iterator[pa.Table]:
    with pq.ParquetFile(month) as file:
        if not by_place:
            for batch in file.iter_batches(rows):
                yield pa.Table.from_batches([batch])
            return
        table = file.read()
        order = pa.array(_along_the_curve(table.column("bbox").combine_chunks()))
        for start in range(0, len(order), rows):
            yield table.take(order.slice(start, rows))


def _along_the_curve(footprints: pa.StructArray) -> "np.ndarray[Any, np.dtype[np.int64]]":
    sides = [pc.struct_field(footprints, name).to_numpy() for name in ("xmin", "ymin", "xmax", "ymax")]
    return np.argsort(geopandas.GeoSeries(box(*sides)).hilbert_distance(total_bounds=_WORLD), kind="stable")


if __name__ == "__main__":
    main()
