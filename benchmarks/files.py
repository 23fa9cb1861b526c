"""`make bench-files`: bytes an item beside the peers, bytes that queries read, and what checkers say of the file."""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.checkers import checked_by_gpio, validated
from benchmarks.contenders import OURS, RUSTAC, STAC_GEOPARQUET_NO_COLLECTOR, Contender, ours, peers
from benchmarks.machine import describe, print_description
from benchmarks.prepare import CACHE, Prepared, prepare
from benchmarks.queries import BOX_QUERIES, STATISTICS, boxes, bytes_read
from benchmarks.race import run_one
from benchmarks.report import Table, write_json
from benchmarks.roundtrip import differing
from benchmarks.serving import replaying

_ROUND_TRIP = 2000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.files", description=__doc__)
    parser.add_argument("--items", type=int, default=473_208, help="of the month that is queried (default: 473208)")
    parser.add_argument("--peer-items", type=int, default=100_000, help="of that for sizes (default: 100000)")
    parser.add_argument("--boxes", type=int, default=200, help="that are queried (default: 200)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file too")
    given = parser.parse_args()
    machine = describe()
    print_description(machine)
    document: dict[str, Any] = {"benchmark": "files", "machine": machine}
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        document |= sizes(prepare(min(given.items, given.peer_items)), Path(folder))
        file = _harvested(ours(), prepare(given.items), Path(folder) / "month")
        document |= {"items": given.items, "bytes_per_item": file.stat().st_size / given.items}
        document |= queries(file, given.boxes)
        document |= checks(file)
    write_json(given.json, document)


def sizes(month: Prepared, folder: Path) -> dict[str, Any]:
    """Bytes an item of each way's file of the same items, ours to theirs where theirs is whole."""
    compared = [ours(), *(peer for peer in peers() if peer.name in (RUSTAC, STAC_GEOPARQUET_NO_COLLECTOR))]
    found: dict[str, dict[str, float]] = {}
    for number, contender in enumerate(compared):
        file = _harvested(contender, month, folder / str(number))
        each = {"bytes_per_item": file.stat().st_size / month.items}
        found[contender.name] = each | {"differing": differing(file, month, sample=_ROUND_TRIP)}
        file.unlink()
    mine = found[OURS]["bytes_per_item"]
    table = Table("file", "bytes an item", f"differ, of {min(_ROUND_TRIP, month.items):,}", "ours is of it")
    ratios: dict[str, float | None] = {}
    for name, figures in found.items():
        ratios[name] = None if figures["differing"] else mine / figures["bytes_per_item"]
        table.add(name, figures["bytes_per_item"], figures["differing"], ratios[name])
    print(f"\n{month.items:,} items; a file that does not give back every item is not compared\n")
    table.print()
    return {"peer_items": month.items, "sizes": found, "ratio_bytes_per_item": ratios[RUSTAC]}


def queries(file: Path, count: int) -> dict[str, Any]:
    """Median percent of the file that each query reads, by reader."""
    drawn = boxes(file, count)
    found = {
        name: {"pyarrow": bytes_read(file, by_pyarrow, drawn), "duckdb": bytes_read(file, by_duckdb, drawn)}
        for name, (by_pyarrow, by_duckdb) in BOX_QUERIES.items()
    }
    by_pyarrow, by_duckdb = STATISTICS
    found["statistics"] = {
        name: bytes_read(file, query, drawn[:1]) for name, query in (("pyarrow", by_pyarrow), ("duckdb", by_duckdb))
    }
    table = Table("percent of the file read", "pyarrow", "DuckDB")
    for name, by_reader in found.items():
        table.add(name, by_reader["pyarrow"], by_reader["duckdb"])
    print(f"medians of {count} boxes of 1 degree about random items, footer included\n")
    table.print()
    return {"percent_read": found}


def checks(file: Path) -> dict[str, Any]:
    """The reports of geoparquet-validator and gpio, printed and given."""
    report = validated(file)
    print(f"geoparquet-validator check --class all\n{report}")
    said = checked_by_gpio(file)
    for check, text in said.items():
        print(f"gpio check {check}\n{text}\n")
    return {
        "geoparquet_validator": report.splitlines(),
        "gpio": {name: text.splitlines() for name, text in said.items()},
    }


def _harvested(contender: Contender, month: Prepared, folder: Path) -> Path:
    folder.mkdir()
    with replaying(month) as server:
        run_one(contender, server.url, folder)
    assert contender.file is not None
    return folder / contender.file


if __name__ == "__main__":
    main()
