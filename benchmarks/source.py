"""`make bench-source`: how near the worker comes to what a slow, rate-limited source allows."""

import argparse
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.contenders import ours
from benchmarks.machine import describe, print_description
from benchmarks.prepare import CACHE, Prepared, prepare
from benchmarks.race import WrongCount, run_one
from benchmarks.report import Table, medians, write_json
from benchmarks.serving import replaying

IN_FLIGHT = 16
PAGE_SIZE = 100
"""CMR-STAC's."""

_OUTAGE = (15.0, 60.0)
_AFTER = 30
"""Seconds after the outage that are looked at for a storm."""


@dataclass(frozen=True)
class Setting:
    """A source that allows `IN_FLIGHT` searches at a time and answers 429 above."""

    name: str
    items: int
    copies: int
    latency: float
    outage: tuple[float, float] | None = None


def settings(items: int) -> list[Setting]:
    """The full month at 300 ms a page, a tenth of it at 3 s, and a quarter through an outage of a minute."""
    quarter = items // 4
    return [
        Setting("300 ms a page", quarter * 4, 4, 0.3),
        Setting("3 s a page", items // 10, 1, 3.0),
        Setting("300 ms a page, an outage of a minute", quarter, 1, 0.3, _OUTAGE),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.source", description=__doc__)
    parser.add_argument("--items", type=int, default=400_000, help="of the full month (default: 400000)")
    parser.add_argument("--runs", type=int, default=3, help="of each setting (default: 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file too")
    given = parser.parse_args()
    machine = describe()
    print_description(machine)
    found = {each.name: measure(each, runs=given.runs) for each in settings(given.items)}
    _print_tables(found)
    document = {"benchmark": "source", "machine": machine, "in_flight": IN_FLIGHT, "page_size": PAGE_SIZE}
    write_json(given.json, document | {"runs": given.runs, "settings": found})


def measure(setting: Setting, *, runs: int) -> dict[str, float]:
    """The medians of all runs."""
    month = prepare(setting.items, copies=setting.copies)
    figures = []
    for turn in range(runs):
        figures.append(_run(setting, month))
        print(f"turn {turn + 1} of {runs}: {setting.name}, {month.items:,} items: {figures[-1]['wall_s']:.1f} s")
    return {"items": month.items} | medians(figures)


def _run(setting: Setting, month: Prepared) -> dict[str, float]:
    with (
        replaying(
            month, page_size=PAGE_SIZE, latency=setting.latency, in_flight=IN_FLIGHT, outage=setting.outage
        ) as server,
        tempfile.TemporaryDirectory(dir=CACHE) as folder,
    ):
        usage, count = run_one(ours(), server.url, Path(folder))
        traffic = server.counters()
    if count != month.items:
        raise WrongCount(f"the worker got {count:,} of {month.items:,} items")
    ideal = traffic["pages"] * setting.latency / IN_FLIGHT
    figures = {
        "wall_s": usage.wall_s,
        "search_s": traffic["elapsed_s"],
        "pages": traffic["pages"],
        "ideal_s": ideal,
        "elapsed_to_ideal": (usage.wall_s - (setting.outage[1] if setting.outage else 0)) / ideal,
        "cpu_percent": 100 * usage.cpu_s / usage.wall_s / len(os.sched_getaffinity(0)),
        "peak_rss_mib": usage.peak_rss_mib,
        "turned_away": traffic["answers"].get("429", 0),
        "peak_in_flight": traffic["peak_in_flight"],
    }
    return figures | (storm(traffic["seconds"], setting.outage) if setting.outage else {})


def storm(seconds: list[dict[str, Any]], outage: tuple[float, float]) -> dict[str, float]:
    """Requests a second before, in and after an outage. There is a storm if after it come more than before it."""
    begin, end = int(outage[0]), int(sum(outage)) + 1
    requests = [sum(second["answers"].values()) for second in seconds]
    answered = [int(second["answers"].get("200", 0)) for second in seconds]
    before, during, after = requests[begin // 2 : begin], requests[begin + 1 : end - 1], requests[end : end + _AFTER]
    recovered = next((number for number, count in enumerate(answered[end:]) if count), None)
    return {
        "before_requests_per_s": median(before),
        "outage_requests": sum(during),
        "outage_peak_requests_per_s": max(during, default=0),
        "after_peak_requests_per_s": max(after, default=0),
        "after_peak_in_flight": max((second["peak_in_flight"] for second in seconds[end : end + _AFTER]), default=0),
        "recovered_after_s": float("nan") if recovered is None else recovered,
    }


def _print_tables(found: dict[str, dict[str, float]]) -> None:
    print(f"\n{IN_FLIGHT} searches in flight, {PAGE_SIZE} items a page; ideal is pages x latency / {IN_FLIGHT}")
    print("(an outage's own seconds are taken off what elapsed)\n")
    columns = {
        "items": "items",
        "pages": "pages",
        "wall_s": "wall s",
        "ideal_s": "ideal s",
        "elapsed_to_ideal": "elapsed/ideal",
        "cpu_percent": "CPU %",
        "turned_away": "429s",
        "peak_in_flight": "peak in flight",
        "peak_rss_mib": "peak MiB",
    }
    table = Table("source", *columns.values())
    for name, figures in found.items():
        table.add(name, *(figures[column] for column in columns))
    table.print()
    for name, figures in found.items():
        if "outage_requests" in figures:
            table = Table(name, "")
            for figure in list(figures)[list(figures).index("before_requests_per_s") :]:
                table.add(figure.replace("_", " "), figures[figure])
            table.print()


if __name__ == "__main__":
    main()
