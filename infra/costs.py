"""`python -m infra.costs`: what it costs, as the table of docs/operations.md.

Everything that changes is an input: prices by `--price NAME=DOLLARS`, the rate by `--items-per-second`.
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass

GRANULES: dict[int, int] = {
    2013: 560_279,
    2014: 844_861,
    2015: 896_594,
    2016: 1_573_731,
    2017: 1_932_510,
    2018: 3_104_079,
    2019: 3_071_657,
    2020: 2_920_696,
    2021: 3_190_392,
    2022: 4_023_104,
    2023: 3_976_570,
    2024: 4_001_937,
    2025: 4_471_319,
    2026: 1_749_333,
}
"""HLS granules of both collections by year, as CMR counted them on 1 June 2026, from April 2013 to May 2026."""

LARGEST_MONTH = 473_208
"""July 2025, by the same count."""

LAST_WHOLE_YEAR = 2025
HOURS_A_MONTH = 730
GIB = 1024**3


PRICED = "June 2025"


@dataclass(frozen=True)
class Prices:
    """List prices in US dollars, us-east-1, as of `PRICED`. Spot prices move from hour to hour: this one is a typical one."""

    machine_spot_hour: float = 0.038  # m5.large, which holds one job
    machine_on_demand_hour: float = 0.096
    disk_gib_month: float = 0.08  # gp3
    nat_hour: float = 0.045
    nat_gib: float = 0.045
    address_hour: float = 0.005  # public IPv4
    bucket_gib_month: float = 0.023  # standard; 0.0125 once a partition is infrequently accessed
    put_thousand: float = 0.005
    fargate_vcpu_hour: float = 0.04048
    fargate_gib_hour: float = 0.004445
    balancer_hour: float = 0.0225
    balancer_unit_hour: float = 0.008  # LCU: 25 new connections a second, or 1 GB an hour
    database_hour: float = 0.016  # db.t4g.micro, one zone
    database_gib_month: float = 0.115
    secret_month: float = 0.40
    alarm_month: float = 0.10
    metric_month: float = 0.30
    log_gib: float = 0.50  # taken in; what is kept for 30 days is a fraction of it
    image_gib_month: float = 0.10


@dataclass(frozen=True)
class Measures:
    """What was measured or, where it says so, is assumed; and the sizes of the stacks."""

    items_per_second: float = 133  # assumed of the source: see RATE
    wire_bytes: int = 750  # of an item of the current shape, in a page of 100 that is sent by gzip
    parquet_bytes: int = 530  # of an item in a partition
    objects_a_run: int = 70  # two for each staged day, and what marks the end
    harvests: int = 2  # of each month: when it is over, and when its late granules are there
    machine_disk_gib: int = 50
    vcpu: float = 0.5
    memory_gib: float = 1
    database_gib: int = 20
    secrets: int = 2
    alarms: int = 7
    metrics: int = 3
    balancer_units: float = 0.1  # assumed: a handful of users
    addresses: int = 2  # of the balancer, one in each zone, where it has a certificate and so is on the internet
    logs_gib: float = 0.5  # assumed: a line for each request, health checks and flow logs among them
    images_gib: float = 0.3  # both, compressed; each release that is kept adds as much


RATE = (
    "assumed: 100 items a page, which is the most that CMR-STAC gives, about 3 s a page, and 4 pages in flight, with "
    "which the worker begins; a job's progress tells yours, and `make bench-harvest` that the worker itself is many "
    "times faster"
)
"""Where the default of `items_per_second` comes from."""


def harvest(items: int, runs: int, prices: Prices, measures: Measures, *, spot: bool = True) -> float:
    """Dollars to harvest so many items in so many runs, each on a machine that goes when it ends."""
    hours = items / measures.items_per_second / 3600
    machine = prices.machine_spot_hour if spot else prices.machine_on_demand_hour
    disk = prices.disk_gib_month * measures.machine_disk_gib / HOURS_A_MONTH
    transfer = items * measures.wire_bytes / GIB * prices.nat_gib
    return hours * (machine + disk) + transfer + runs * measures.objects_a_run / 1000 * prices.put_thousand


def storage(items: int, prices: Prices, measures: Measures) -> float:
    """Dollars a month for the partitions of so many items."""
    return items * measures.parquet_bytes / GIB * prices.bucket_gib_month


def always_on(prices: Prices, measures: Measures) -> dict[str, float]:
    """Dollars a month for what runs whether or not there are jobs, at its smallest."""
    task = measures.vcpu * prices.fargate_vcpu_hour + measures.memory_gib * prices.fargate_gib_hour
    return {
        "NAT gateway and its address": HOURS_A_MONTH * (prices.nat_hour + prices.address_hour),
        "load balancer": HOURS_A_MONTH * (prices.balancer_hour + measures.balancer_units * prices.balancer_unit_hour),
        "one task": HOURS_A_MONTH * task,
        "database": HOURS_A_MONTH * prices.database_hour + measures.database_gib * prices.database_gib_month,
        "secrets, alarms and their metrics": measures.secrets * prices.secret_month
        + measures.alarms * prices.alarm_month
        + measures.metrics * prices.metric_month,
        "logs and images": measures.logs_gib * prices.log_gib + measures.images_gib * prices.image_gib_month,
    }


def table(prices: Prices, measures: Measures) -> str:
    """The cost sheet in Markdown."""
    everything, year = sum(GRANULES.values()), GRANULES[LAST_WHOLE_YEAR]
    months = 12 * len(GRANULES) - 3 - 7  # from April of the first year to May of the last
    rate, whence = measures.items_per_second, "given"
    if rate == Measures.items_per_second:
        whence = RATE
    lines = [f"List prices of us-east-1, {PRICED}. {rate:g} items a second ({whence}).", ""]
    lines += ["| what | items | machine hours | Spot | on demand |", "|---|---:|---:|---:|---:|"]
    for name, items, runs in (
        ("the largest month", LARGEST_MONTH, 1),
        (f"a year's upkeep, each month {measures.harvests} times", year * measures.harvests, 12 * measures.harvests),
        ("the whole archive, once", everything, months),
    ):
        hours = items / measures.items_per_second / 3600
        costs = [harvest(items, runs, prices, measures, spot=spot) for spot in (True, False)]
        lines.append(f"| {name} | {items:,} | {hours:,.1f} | ${costs[0]:,.2f} | ${costs[1]:,.2f} |")
    parts = always_on(prices, measures)
    lines += ["", "| always on, at its smallest | a month |", "|---|---:|"]
    lines += [f"| {name} | ${dollars:,.2f} |" for name, dollars in parts.items()]
    lines.append(f"| the whole archive in the bucket | ${storage(everything, prices, measures):,.2f} |")
    lines.append(f"| **together** | **${sum(parts.values()) + storage(everything, prices, measures):,.2f}** |")
    public = HOURS_A_MONTH * measures.addresses * prices.address_hour
    lines.append(f"| with a certificate, for the balancer's {measures.addresses} public addresses | + ${public:,.2f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the cost sheet."""
    names = ", ".join(field.name for field in dataclasses.fields(Prices))
    parser = argparse.ArgumentParser(prog="python -m infra.costs", description="The cost sheet of docs/operations.md.")
    parser.add_argument("--items-per-second", type=float, default=Measures.items_per_second)
    parser.add_argument("--price", action="append", default=[], metavar="NAME=DOLLARS", help=f"one of {names}")
    given = parser.parse_args(arguments)
    if given.items_per_second <= 0:
        parser.error("--items-per-second must be above 0")
    try:
        changed = {name: float(dollars) for name, _, dollars in (price.partition("=") for price in given.price)}
        prices = Prices(**changed)
    except (TypeError, ValueError):
        parser.error(f"--price is NAME=DOLLARS, and NAME one of {names}")
    sys.stdout.write(table(prices, Measures(items_per_second=given.items_per_second)) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
