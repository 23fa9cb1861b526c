"""`make bench-api`: the service under many clients, beside a bare route that reads one row of the same database."""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from api.settings import ENV_PREFIX
from benchmarks import sweep
from benchmarks.clients import Load, Tally, get, post, run
from benchmarks.databases import KINDS
from benchmarks.filling import MONTHS, fill_active, fill_history, migrated
from benchmarks.machine import describe, print_description
from benchmarks.report import Table, medians, write_json

_IDS = 500
_MOST_PER_SECOND = 3000  # requests to have ready where each may be sent only once
_BARE, _POST = "bare route, one row", "POST /jobs"
_COLUMNS = {
    "requests_per_s": "requests/s",
    "median_ms": "median ms",
    "p99_ms": "p99 ms",
    "bytes_each": "bytes",
    "client_cpu_percent": "clients' CPU %",
}
_NUMBERS = count()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", description=__doc__)
    parser.add_argument("--clients", type=int, default=50, help="at the same time (default: 50)")
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement (default: 5)")
    parser.add_argument("--runs", type=int, default=3, help="of each call, in turn (default: 3)")
    parser.add_argument("--history", type=int, default=2000, help="ended jobs beside them (default: 2000)")
    parser.add_argument("--items", type=int, default=10_000, help="active jobs of the sweep (default: 10000)")
    parser.add_argument("--only", choices=("all", *KINDS), default="all", help="one database")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file too")
    given = parser.parse_args()
    machine = describe()
    print_description(machine)
    document: dict[str, Any] = {"benchmark": "api", "machine": machine}
    document |= {"clients": given.clients, "runs": given.runs, "seconds": given.seconds, "databases": {}}
    for kind in KINDS if given.only == "all" else (given.only,):
        with KINDS[kind]() as url:
            calls = measure(url, given.history, clients=given.clients, seconds=given.seconds, runs=given.runs)
        _print_calls(kind, given.clients, calls)
        with KINDS[kind]() as url:
            passes = measure_sweep(url, given.items)
        _print_passes(kind, given.items, passes)
        document["databases"][kind] = {"calls": calls, "ratios": _ratios(calls), "sweep": passes}
    write_json(given.json, document)


def measure(database_url: str, history: int, *, clients: int, seconds: float, runs: int) -> dict[str, dict[str, float]]:
    """The medians of each call's figures over the runs, with so many ended jobs there; the calls take turns."""
    with migrated(database_url) as engine:
        ids = fill_history(engine, history)
    rows: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder, _bare(database_url) as bare, _service(database_url, folder) as port:
        for _ in range(runs):
            for name, requests in _calls(ids, seconds).items():
                tally = run(Load(bare if name == _BARE else port, requests, clients, min(1, seconds / 5), seconds))
                _require(name, tally)
                figures = asdict(tally)
                rows.setdefault(name, []).append({column: figures[column] for column in _COLUMNS})
    return {name: medians(each) for name, each in rows.items()}


def measure_sweep(database_url: str, jobs: int) -> list[dict[str, float]]:
    """The reconciler's passes over so many active jobs."""
    with migrated(database_url) as engine:
        fill_active(engine, jobs)
    return [asdict(each) for each in sweep.run(database_url)]


def _calls(ids: list[str], seconds: float) -> dict[str, list[str]]:
    some = random.Random(0).sample(ids, min(_IDS, len(ids)))
    posts = round(_MOST_PER_SECOND * seconds * 1.5)
    return {
        _BARE: [get(f"/rows/{job_id}") for job_id in some],
        "GET /jobs/{id}": [get(f"/jobs/{job_id}") for job_id in some],
        "GET /jobs?limit=100": [get("/jobs?limit=100")],
        f"GET /partitions, {len(MONTHS)} months": [get("/partitions")],
        _POST: [post("/jobs", _body(number)) for number, _ in zip(_NUMBERS, range(posts), strict=False)],
    }


def _body(number: int) -> str:
    return json.dumps({"yearMonth": str(MONTHS[number % len(MONTHS)]), "prefix": f"set{number // len(MONTHS)}"})


def _require(name: str, tally: Tally) -> None:
    """Every request was answered as it should be; a job that is asked for twice would have been answered with 200."""
    expected = {"202" if name == _POST else "200"}
    if set(tally.statuses) != expected:
        raise SystemExit(f"{name} was answered with {tally.statuses}")


@contextmanager
def _service(database_url: str, folder: str) -> Iterator[int]:
    """Without its reconciler, so that jobs stay as they are put."""
    settings = {"data_dir": folder, "database_url": database_url, "port": 0, "reconcile": False}
    settings |= {"max_active_jobs": 10**9}
    environment = {f"{ENV_PREFIX}{name.upper()}": str(value) for name, value in settings.items()}
    with _listening([sys.executable, "-m", "api"], environment, Path(folder) / "log") as port:
        yield port


@contextmanager
def _bare(database_url: str) -> Iterator[int]:
    with _listening([sys.executable, "-m", "benchmarks.bare", database_url], {}, Path(os.devnull)) as port:
        yield port


@contextmanager
def _listening(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[int]:
    """The port of a process that prints its address in a line of JSON."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env={**inherited, **environment}) as process,
    ):
        assert process.stdout
        try:
            port = urlsplit(json.loads(process.stdout.readline())["url"]).port
            assert port
            yield port
        finally:
            process.terminate()


def _ratios(calls: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Each call's figures divided by the bare route's."""
    bare = calls[_BARE]
    return {
        name: {column: figures[column] / bare[column] for column in ("requests_per_s", "median_ms", "p99_ms")}
        for name, figures in calls.items()
        if name != _BARE
    }


def _print_calls(kind: str, clients: int, calls: dict[str, dict[str, float]]) -> None:
    ratios = _ratios(calls)
    table = Table(f"{kind}, {clients} clients", *_COLUMNS.values(), "requests/s to bare", "p99 to bare")
    for name, figures in calls.items():
        ratio = ratios.get(name, {})
        table.add(name, *figures.values(), ratio.get("requests_per_s"), ratio.get("p99_ms"))
    table.print()


def _print_passes(kind: str, jobs: int, passes: list[dict[str, float]]) -> None:
    heading = ("DescribeJobs", "seconds", "MiB before", "MiB at most", "MiB after")
    table = Table(f"{kind}, a pass over {jobs:,} active jobs", *heading)
    for number, each in enumerate(passes):
        memory = (each[f"rss_{when}_mib"] for when in ("before", "peak", "after"))
        name = "the first, each job changed" if number == 0 else "nothing changed"
        table.add(name, each["calls"], each["seconds"], *memory)
    table.print()


if __name__ == "__main__":
    main()
