"""Jobs: ask for months, list, show, cancel, retry."""

import re
from collections.abc import Iterator
from typing import Annotated, cast

import typer

from hls import output
from hls.client import Client
from hls.commands.watch import follow
from hls.models import JobOut
from hls.session import JobId, JobIds, Json, Quiet, client_of, each

_RANGE = re.compile(r"(\d{4})-?(\d{2})\.\.(\d{4})-?(\d{2})")
_COLUMNS = ("id", "month", "prefix", "status", "days", "items", "created", "message")


def submit(
    context: typer.Context,
    months: Annotated[
        list[str], typer.Argument(metavar="MONTH", help="Months as YYYYMM, or 202401..202406 for several.")
    ],
    bbox: Annotated[
        str | None,
        typer.Option(
            metavar="W,S,E,N", help="Box in degrees, such as --bbox=-124.7,32.5,-114.1,42.0; W > E crosses 180°."
        ),
    ] = None,
    prefix: Annotated[str | None, typer.Option(help="Dataset to write to; the service names one otherwise.")] = None,
    collections: Annotated[
        str | None, typer.Option(metavar="ID,ID", help="Collections, such as HLSS30_2.0; all of them otherwise.")
    ] = None,
    allow_shrink: Annotated[
        bool, typer.Option("--allow-shrink", help="Replace a partition even by one with fewer items.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Watch each job until it has ended.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Ask for months: one job each."""
    box = _box(bbox)
    with client_of(context) as client:

        def put(month: str) -> JobOut:
            wanted = collections.split(",") if collections else None
            job = client.submit(month, bbox=box, prefix=prefix, collections=wanted, allow_shrink=allow_shrink)
            _tell(
                job, "active already" if job["deduplicated"] else "asked for", as_json=as_json and not wait, quiet=quiet
            )
            return job

        jobs = each(_months(months), put)
        if wait:
            _wait(client, jobs, as_json=as_json)


def jobs(
    context: typer.Context,
    status: Annotated[list[str] | None, typer.Option(help="Only jobs in this state; may be repeated.")] = None,
    month: Annotated[str | None, typer.Option(help="Only jobs of this month, as YYYYMM.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Only jobs of this dataset.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """List jobs, newest first."""
    with client_of(context) as client:
        found = list(client.jobs(status=status, year_month=month, prefix=prefix, limit=limit))
    if as_json:
        output.as_json(found)
        return
    if quiet:
        for each_job in found:
            output.plain(each_job["id"])
        return
    output.table(_COLUMNS, map(_row, found), right=("days", "items"))
    if len(found) == limit:
        output.say(f"These are the newest {limit}; --limit shows more.")


def job(context: typer.Context, job_id: JobId, as_json: Json = False) -> None:
    """Show a job: where it is, why it failed, and its history."""
    with client_of(context) as client:
        found, events = client.job(job_id), client.events(job_id)
    if as_json:
        output.as_json(found)
        return
    output.fields(_facts(found))
    if found["failure"] and found["logTail"]:
        output.say("\nThe last lines of its log:")
        output.say("\n".join(f"  {line}" for line in found["logTail"][-10:]))
    output.say("\nHistory:")
    for event in events:
        output.say(f"  {output.moment(event['at'])}  {event['to']:<10} {event['why']} ({event['who']})")


def cancel(context: typer.Context, job_ids: JobIds, as_json: Json = False) -> None:
    """Stop jobs. Nothing of them is published."""
    with client_of(context) as client:

        def stop(job_id: str) -> None:
            _tell(client.cancel(job_id), "asked to stop", as_json=as_json)

        each(job_ids, stop)


def retry(
    context: typer.Context,
    job_ids: JobIds,
    wait: Annotated[bool, typer.Option("--wait", help="Watch each job until it has ended.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Do failed or cancelled jobs again, on the days that they finished."""
    with client_of(context) as client:

        def again(job_id: str) -> JobOut:
            made = client.retry(job_id)
            _tell(made, f"retries {job_id}", as_json=as_json and not wait, quiet=quiet)
            return made

        again_jobs = each(job_ids, again)
        if wait:
            _wait(client, again_jobs, as_json=as_json)


def _wait(client: Client, jobs: list[JobOut], *, as_json: bool) -> None:
    codes = [follow(client, job["id"], as_json=as_json) for job in jobs]
    if any(codes):
        raise typer.Exit(next(filter(None, codes)))


def _tell(job: JobOut, what: str, *, as_json: bool = False, quiet: bool = False) -> None:
    if as_json:
        output.as_json(job)
        return
    if quiet:
        output.plain(job["id"])
        return
    params = job["params"]
    output.console().print(f"{job['id']}  {params['yearMonth']} in {params['prefix']}: {what}", soft_wrap=True)


def _months(texts: list[str]) -> Iterator[str]:
    """Each month; a range is written out. Whether it can be harvested is the service's to say."""
    for text in texts:
        found = _RANGE.fullmatch(text)
        if not found:
            yield text
            continue
        first, last = (int(found[i]) * 12 + int(found[i + 1]) - 1 for i in (1, 3))
        if first > last or not all(1 <= int(found[i]) <= 12 for i in (2, 4)):
            raise typer.BadParameter(f"{text} is no range: the first month comes first, as in 202401..202406")
        yield from (f"{number // 12:04d}{number % 12 + 1:02d}" for number in range(first, last + 1))


def _box(text: str | None) -> list[float] | None:
    try:
        return None if text is None else [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"{text} is no box: four numbers, --bbox=WEST,SOUTH,EAST,NORTH in degrees", param_hint="--bbox"
        ) from None


def _row(job: JobOut) -> tuple[object, ...]:
    progress, params = job["progress"], job["params"]
    days = f"{progress['daysDone']}/{progress['daysTotal']}" if progress else ""
    items = output.count(progress["items"]) if progress else ""
    created = output.moment(job["createdAt"])
    return (job["id"], params["yearMonth"], params["prefix"], job["status"], days, items, created, job["message"])


def _facts(job: JobOut) -> Iterator[tuple[str, object]]:
    params, progress = job["params"], job["progress"]
    yield "job", job["id"]
    yield "status", job["status"]
    yield "", ""
    yield "message", job["message"]
    yield "failure", job["failure"] and job["failure"]["code"]
    yield "month", params["yearMonth"]
    yield "dataset", params["prefix"]
    yield "box", params["bbox"] and ",".join(f"{degrees:g}" for degrees in params["bbox"])
    yield "collections", ", ".join(params["collections"])
    if progress:
        yield "progress", f"{progress['daysDone']} of {progress['daysTotal']} days, {progress['items']:,} items"
    yield "asked for by", job["createdBy"]
    yield "retry of", job["retryOf"]
    yield (
        "executor",
        " ".join(
            filter(None, cast(tuple[str | None, ...], tuple(job["native"].get(n) for n in ("ref", "status", "reason"))))
        ),
    )
    for name, key in (("created", "createdAt"), ("started", "startedAt"), ("ended", "endedAt")):
        yield name, output.moment(cast(str | None, job.get(key)))
