"""`make demo`: the main job from end to end on this machine, with a generated catalogue as its source."""

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hls.client import Client
from hls.processes import server

MONTH = "202401"
CALIFORNIA = [-124.7, 32.5, -114.1, 42.0]
ITEMS_PER_MONTH = 60_000  # in the whole world; the box holds about a hundredth
FOLDER = Path("data/demo")

QUERY = """\
SELECT collection, count(*) AS items, round(avg("eo:cloud_cover"), 1) AS mean_cloud_cover,
       min(datetime)::DATE AS first_day, max(datetime)::DATE AS last_day
FROM read_parquet('{path}')
GROUP BY collection ORDER BY collection"""

EPILOGUE = """
[bold]The same against the real CMR-STAC[/bold] (leave this running):
  make serve STAC_API_URL=https://cmr.earthdata.nasa.gov/stac/LPCLOUD
[bold]and in another terminal:[/bold]
  curl -s http://127.0.0.1:8000/jobs -H 'content-type: application/json' \\
    -d '{"yearMonth": "202401", "bbox": [-124.7, 32.5, -114.1, 42.0]}'
  curl -s http://127.0.0.1:8000/partitions

The API's page: http://127.0.0.1:8000/docs
"""


def main() -> int:
    """Run the demo; 0 if the job succeeded."""
    console = Console()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with server(
        "sample", "--port", "0", "--items-per-month", str(ITEMS_PER_MONTH), log=FOLDER / "sample.log"
    ) as source:
        console.print(f"A generated HLS catalogue answers as a STAC API at {source}")
        environment = {"HLS_DATA_DIR": str(FOLDER), "HLS_PORT": "0", "STAC_API_URL": source}
        with server("api", log=FOLDER / "service.log", environment=environment) as service, Client(service) as client:
            console.print(f"The service listens at {service}")
            return _demonstrate(console, client)


def _demonstrate(console: Console, client: Client) -> int:
    _wait_until_ready(client)
    console.print(f"\nPOST /jobs  yearMonth {MONTH}, bbox {CALIFORNIA}")
    job = client.submit(MONTH, bbox=CALIFORNIA)
    job = _follow(console, client, job["id"])
    if job["status"] != "succeeded":
        console.print(f"[red]{job['status']}[/red]: {(job['failure'] or {}).get('message', '')}")
        console.print("\n".join(job["logTail"] or []))
        return 1
    partition = client.partition(MONTH, job["params"]["prefix"])
    console.print(_statistics(partition))
    query = QUERY.format(path=_here(partition["path"]))
    console.print(f"\nThe file that was written, asked with DuckDB:\n\n{query}\n", highlight=False, soft_wrap=True)
    print(duckdb.sql(query))  # noqa: T201  DuckDB draws its own table
    console.print(EPILOGUE, highlight=False)
    return 0


def _wait_until_ready(client: Client) -> None:
    deadline = time.monotonic() + 30
    while not client.ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"the service does not become ready; see {FOLDER / 'service.log'}")
        time.sleep(0.1)


def _follow(console: Console, client: Client, job_id: str) -> dict[str, Any]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("days"),
        TimeElapsedColumn(),
    )
    job: dict[str, Any] = {}
    said = ""
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"job {job_id}", total=31)
        for job in client.watch(job_id):
            progress = job["progress"] or {}
            text = f"{job['status']} {progress.get('items', 0):,} items"
            bar.update(task, description=f"job {job_id} {text}", completed=progress.get("daysDone", 0))
            if not console.is_terminal and job["status"] != said:
                said = job["status"]
                console.print(f"job {job_id} is {said}")
    return job


def _here(path: str) -> str:
    """The path as one would type it from this directory."""
    return str(Path(path).relative_to(Path.cwd()))


def _statistics(partition: dict[str, Any]) -> Table:
    table = Table(title=f"GET /partitions/{partition['yearMonth']}?prefix={partition['prefix']}", show_header=False)
    cloud = partition["cloudCover"] or {}
    rows = {
        "state": f"{partition['state']} (complete: {partition['complete']})",
        "items": f"{partition['items']:,} of {partition['matched']:,} that the source counts",
        "by collection": ", ".join(f"{name}: {count:,}" for name, count in partition["collections"].items()),
        "bytes": f"{partition['bytes']:,}",
        "days": f"{partition['daysPresent']} with items, {len(partition['daysMissing'])} without",
        "first and last": f"{partition['firstDatetime'][:19]} to {partition['lastDatetime'][:19]}",
        "extent": ", ".join(f"{number:.4f}" for number in partition["extent"] or []),
        "cloud cover": f"mean {cloud.get('mean', 0):.1f} %, {cloud.get('nulls', 0)} items without",
        "file": _here(partition["path"]),
    }
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, value)
    return table


if __name__ == "__main__":
    sys.exit(main())
