"""`hls demo` and `make demo`: the main job from end to end on this machine, with a generated catalogue as its source."""

import contextlib
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import duckdb
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hls.client import Client
from hls.faults import Fault
from hls.models import JobOut, PartitionDetailOut
from hls.processes import server

MONTH = "202401"
OTHER_MONTH = "202312"
CALIFORNIA = [-124.7, 32.5, -114.1, 42.0]
FOLDER = Path("data/demo")
_NO_WAITS = {"HLS_RECONCILE_SECONDS": "0.2", "HLS_PROGRESS_SECONDS": "0.5"}
"""Whoever watches a job that takes seconds should wait for nothing else."""
_NO_PROXY = {"NO_PROXY": "*", "no_proxy": "*"}
"""For the workers: the source is on this machine, whatever proxy leads to the world."""

QUERY = """\
SELECT collection, count(*) AS items, round(avg("eo:cloud_cover"), 1) AS mean_cloud_cover,
       min(datetime)::DATE AS first_day, max(datetime)::DATE AS last_day
FROM read_parquet('{path}')
GROUP BY collection ORDER BY collection"""

EPILOGUE = """
[bold]The same against the real CMR-STAC[/bold] (leave this running):
  make serve STAC_API_URL=https://cmr.earthdata.nasa.gov/stac/LPCLOUD
[bold]and in another terminal:[/bold]
  .venv/bin/hls submit 202401 --bbox=-124.7,32.5,-114.1,42.0 --wait
  .venv/bin/hls partitions

The archive as a page: http://127.0.0.1:8000/, the API: http://127.0.0.1:8000/docs
"""

STAYS = """
The service stays at {url}, with the generated catalogue as its source. Ctrl-C ends both.

The archive as a page: {url}/
The API: {url}/docs
[bold]In another terminal:[/bold]
  export HLS_URL={url}
  .venv/bin/hls submit 202402 --bbox=-124.7,32.5,-114.1,42.0 --wait
  .venv/bin/hls partitions
"""


def main(*, stay: bool, port: int, items: int) -> int:
    """Run the demo; 0 if the job succeeded. With `stay` the service goes on until Ctrl-C or a signal to end."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))  # so that everything is stopped
    console = Console()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with server("sample", "--port", "0", "--items-per-month", str(items), log=FOLDER / "sample.log") as source:
        console.print(f"A generated HLS catalogue answers as a STAC API at {source}")
        settings = {"HLS_DATA_DIR": str(FOLDER), "HLS_PORT": str(port), "STAC_API_URL": source}
        environment = {**settings, **_NO_WAITS, **_NO_PROXY}
        with server("api", log=FOLDER / "service.log", environment=environment) as service, Client(service) as client:
            console.print(f"The service listens at {service}")
            try:
                code = _demonstrate(console, client)
                if stay:
                    _leave_one_to_retry(client)
                    console.print(STAYS.format(url=service), highlight=False, soft_wrap=True)
                    with contextlib.suppress(KeyboardInterrupt):
                        threading.Event().wait()
                elif code == 0:
                    console.print(EPILOGUE, highlight=False)
            finally:
                _stop_jobs(client)
            return code


def _demonstrate(console: Console, client: Client) -> int:
    _wait_until_ready(client)
    console.print(f"\nPOST /jobs  yearMonth {MONTH}, bbox {CALIFORNIA}")
    job = _follow(console, client, client.submit(MONTH, bbox=CALIFORNIA)["id"])
    if job["status"] != "succeeded":
        console.print(f"[red]{job['status']}[/red]: {job['message']}")
        console.print("\n".join(job["logTail"] or []))
        return 1
    partition = client.partition(MONTH, job["params"]["prefix"])
    console.print(_statistics(partition))
    query = QUERY.format(path=_here(partition["path"]))
    console.print(f"\nThe file that was written, asked with DuckDB:\n\n{query}\n", highlight=False, soft_wrap=True)
    print(duckdb.sql(query))  # noqa: T201  DuckDB draws its own table
    return 0


def _leave_one_to_retry(client: Client) -> None:
    """A cancelled job, so that each example on the page of the API has one to work on."""
    client.cancel(client.submit(OTHER_MONTH, bbox=CALIFORNIA)["id"])


def _stop_jobs(client: Client) -> None:
    """Workers outlive the service, and the source of these goes with the demo."""
    with contextlib.suppress(Fault):
        active = list(client.jobs(status=["pending", "submitted", "running"]))
        for job in active:
            client.cancel(job["id"])
        for job in active:
            for _ in client.watch(job["id"]):
                pass


def _wait_until_ready(client: Client) -> None:
    deadline = time.monotonic() + 30
    while not client.ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"the service does not become ready; see {FOLDER / 'service.log'}")
        time.sleep(0.1)


def _follow(console: Console, client: Client, job_id: str) -> JobOut:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("days"),
        TimeElapsedColumn(),
    )
    said = ""
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"job {job_id}", total=31)
        for job in client.watch(job_id):
            progress = job["progress"]
            items, days = (progress["items"], progress["daysDone"]) if progress else (0, 0)
            bar.update(task, description=f"job {job_id} {job['status']} {items:,} items", completed=days)
            if not console.is_terminal and job["status"] != said:
                said = job["status"]
                console.print(f"job {job_id} is {said}")
    return job


def _here(path: str | None) -> str:
    """The path as one would type it from this directory."""
    return str(Path(path or "").relative_to(Path.cwd()))


def _statistics(partition: PartitionDetailOut) -> Table:
    table = Table(title=f"GET /partitions/{partition['yearMonth']}?prefix={partition['prefix']}", show_header=False)
    cloud = partition["cloudCover"]
    rows = {
        "state": f"{partition['state']} (complete: {partition['complete']})",
        "items": f"{partition['items'] or 0:,} of {partition['matched'] or 0:,} that the source counts",
        "by collection": ", ".join(f"{name}: {count:,}" for name, count in (partition["collections"] or {}).items()),
        "bytes": f"{partition['bytes'] or 0:,}",
        "days": f"{partition['daysPresent']} with items, {len(partition['daysMissing'] or ())} without",
        "first and last": f"{partition['firstDatetime']} to {partition['lastDatetime']}",
        "extent": ", ".join(f"{number:.4f}" for number in partition["extent"] or []),
        "cloud cover": f"mean {cloud['mean'] or 0:.1f} %, {cloud['nulls']} items without" if cloud else "",
        "file": _here(partition["path"]),
    }
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, value)
    return table
