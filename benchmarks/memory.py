"""`make bench-memory`: the worker's peak memory as the month grows, and a big month under Batch's hard limits."""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.container import NoEngine, harvest_in_container
from benchmarks.contenders import OURS, ours
from benchmarks.machine import describe, print_description
from benchmarks.prepare import CACHE, Prepared, prepare
from benchmarks.race import race
from benchmarks.report import Table, medians, write_json
from benchmarks.serving import replaying
from worker.contract.compute import MEMORY_MIB, VCPU

MONTHS = ((100_000, 1), (473_208, 1), (2_000_000, 20))
"""Items, and of how many copies: the files of the last would not fit in a page cache."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="of each month (default: 3)")
    parser.add_argument("--share", type=float, default=1, help="of the items, for a quick look (default: 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file too")
    given = parser.parse_args()
    machine = describe()
    print_description(machine)
    months = [prepare(round(given.share * items / copies) * copies, copies=copies) for items, copies in MONTHS]
    found = {month.items: measure(month, runs=given.runs) for month in months}
    table = Table("items", "peak MiB", "of the smallest", "items/s", "CPU s / 100,000")
    smallest = next(iter(found.values()))["peak_rss_mib"]
    for items, figures in found.items():
        peak = figures["peak_rss_mib"]
        table.add(items, peak, peak / smallest, figures["items_per_s"], figures["cpu_s_per_100k"])
    print()
    table.print()
    document: dict[str, Any] = {"benchmark": "memory", "machine": machine, "runs": given.runs, "months": found}
    document |= {"ratio_peak_rss": found[months[-1].items]["peak_rss_mib"] / smallest, "limited": limited(months[1])}
    write_json(given.json, document)


def measure(month: Prepared, *, runs: int) -> dict[str, float]:
    """The medians of the whole worker's figures, with no latency."""
    with replaying(month) as server:
        return medians(race([ours()], month, server, runs=runs)[OURS])


def limited(month: Prepared) -> dict[str, Any]:
    """The month in a container with Batch's processors and memory and no more; says so where that is not possible."""
    with replaying(month) as server, tempfile.TemporaryDirectory(dir=CACHE) as folder:
        try:
            found = harvest_in_container(server.url, Path(folder))
        except NoEngine as reason:
            print(f"not run in a container of {VCPU} CPUs and {MEMORY_MIB} MiB: {reason}\n")
            return {"skipped": str(reason)}
    table = Table(f"{month.items:,} items in {VCPU} CPUs and {MEMORY_MIB} MiB", "")
    for name, value in found.items():
        table.add(name.replace("_", " "), str(value) if isinstance(value, bool) else value)
    table.print()
    return found


if __name__ == "__main__":
    main()
