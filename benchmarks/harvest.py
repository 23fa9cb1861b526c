"""`make bench-harvest`: a month from a STAC API to one Parquet file, the worker beside its peers."""

import argparse
from pathlib import Path
from typing import Any

from benchmarks.contenders import CONVERT, FETCH, OURS, PARSE, RUSTAC, Contender, limits, ours, peers
from benchmarks.machine import describe, print_description
from benchmarks.prepare import prepare
from benchmarks.race import race
from benchmarks.report import Table, medians, write_json
from benchmarks.serving import replaying

_COLUMNS = {
    "items_per_s": "items/s",
    "cpu_s_per_100k": "CPU s / 100,000",
    "peak_rss_mib": "peak MiB",
    "wall_s": "wall s",
    "server_cpu_percent": "server's share of CPU %",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.harvest", description=__doc__)
    parser.add_argument("--items", type=int, default=100_000, help="of the month (default: 100000)")
    parser.add_argument("--runs", type=int, default=3, help="of each way (default: 3)")
    parser.add_argument("--only", choices=("all", "ours", "limits"), default="all", help="leave out the others")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file too")
    given = parser.parse_args()
    chosen = {"all": [ours(), *peers(), *limits()], "ours": [ours()], "limits": limits()}[given.only]
    document = measure(chosen, items=given.items, runs=given.runs)
    write_json(given.json, document)


def measure(contenders: list[Contender], *, items: int, runs: int) -> dict[str, Any]:
    """The medians of all runs, printed and as written to JSON; ratios are ours to theirs."""
    machine = describe()
    print_description(machine)
    month = prepare(items)
    for path in sorted({part.path for part in month.parts}):
        path.read_bytes()  # into the page cache, so that no run pays for the disk
    bytes_each = sum(part.offsets[-1] - part.offsets[0] for part in month.parts) / month.items
    print(f"{items:,} items of {bytes_each / 1000:.1f} kB, 250 a page, no latency; medians of {runs} runs each\n")
    with replaying(month) as server:
        figures = {name: medians(each) for name, each in race(contenders, month, server, runs=runs).items()}
    mine = figures.pop(OURS, None)
    bounds = {name: figures.pop(name) for name in (FETCH, PARSE, CONVERT) if name in figures}
    print()
    _print_table(mine, figures | bounds)
    document: dict[str, Any] = {"benchmark": "harvest", "machine": machine, "items": items, "runs": runs}
    document |= {"ours": mine, "peers": figures, "limits": bounds}
    if mine and figures:
        ratios = {name: mine["items_per_s"] / peer["items_per_s"] for name, peer in figures.items()}
        document |= {"ratios_items_per_s": ratios, "ratio_items_per_s": ratios.get(RUSTAC)}
    return document


def _print_table(mine: dict[str, float] | None, others: dict[str, dict[str, float]]) -> None:
    table = Table("", *_COLUMNS.values(), "ours is times as fast")
    for name, figures in (({OURS: mine} if mine else {}) | others).items():
        ratio = mine["items_per_s"] / figures["items_per_s"] if mine else None
        table.add(name, *(figures[column] for column in _COLUMNS), ratio)
    table.print()


if __name__ == "__main__":
    main()
