"""Jobs: list, show, cancel."""

from collections.abc import Iterator
from typing import Annotated, cast

import typer

from hls import output
from hls.commands.advice import next_step
from hls.commands.watch import PATIENCE
from hls.faults import ExitCode
from hls.models import JobOut, JobStatus
from hls.session import JobId, JobIds, Json, Quiet, client_of, each, finish, words_like, words_of

_COLUMNS = ("id", "month", "prefix", "status", "days", "items", "created", "message")


def jobs(
    context: typer.Context,
    status: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATE", help=f"{words_of(JobStatus)}; may be repeated.", autocompletion=words_like(JobStatus)
        ),
    ] = None,
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
    if not found:
        output.say(
            "No job is like that." if status or month or prefix else "No job yet: `hls submit 202401` asks for one."
        )
    output.table(_COLUMNS, map(_row, found), right=("days", "items"), whole=_COLUMNS[:4], below="message")
    if len(found) == limit:
        output.say(f"These are the newest {limit}; --limit shows more.")


def job(context: typer.Context, job_id: JobId, as_json: Json = False) -> None:
    """Show a job: where it is, why it failed, and its history."""
    with client_of(context) as client:
        found, events = client.job(job_id), client.events(job_id)
    if as_json:
        output.as_json({**found, "events": events})
        return
    output.fields(_facts(found))
    if found["failure"] and found["logTail"]:
        output.plain("\nThe last lines of its log:")
        output.plain("\n".join(f"  {output.readable(line)}" for line in found["logTail"][-10:]))
    output.plain("\nHistory:")
    for event in events:
        output.plain(f"  {output.moment(event['at'])}  {event['to']:<10} {event['why']} ({event['who']})")


def cancel(
    context: typer.Context,
    job_ids: JobIds = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until each has stopped.")] = False,
    as_json: Json = False,
) -> None:
    """Stop jobs. Nothing of them is published."""
    named = job_ids or []
    if not named:
        output.say("No job was named, so none is stopped.")
    with client_of(context) as client:

        def stop(job_id: str) -> JobOut:
            job = client.cancel(job_id)
            if not as_json:
                tell(job, "asked to stop")
            return job

        stopped, code = each(named, stop)
        codes = [code]
        if wait:
            stopped = [list(client.watch(job["id"], patience=PATIENCE))[-1] for job in stopped]
            codes += [ExitCode.DONE if job["status"] == "cancelled" else ExitCode.CONFLICT for job in stopped]
            for job in stopped:
                output.say(f"Job {job['id']} {job['status']}: {job['message']}")
    if as_json:
        output.each_as_json(stopped, is_one=len(named) == 1)
    finish(*codes)


def tell(job: JobOut, what: str, *, quiet: bool = False) -> None:
    """A line about a job that something was asked of; its id alone with `quiet`."""
    if quiet:
        output.plain(job["id"])
        return
    params = job["params"]
    output.console().print(f"{job['id']}  {params['yearMonth']} in {params['prefix']}: {what}", soft_wrap=True)


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
    if job["failure"]:
        yield "failure", job["failure"]["code"]
        yield "next", next_step(job)
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
