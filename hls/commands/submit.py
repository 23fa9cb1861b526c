"""Ask for months, and for jobs once more."""

import re
from collections.abc import Iterator
from typing import Annotated

import typer

from hls import output
from hls.client import Client
from hls.commands.jobs import tell
from hls.commands.watch import follow
from hls.faults import ExitCode
from hls.models import JobOut
from hls.session import JobIds, Json, Quiet, client_of, each, finish

_RANGE = re.compile(r"(\d{4})-?(\d{2})\.\.(\d{4})-?(\d{2})")
Wait = Annotated[bool, typer.Option("--wait", help="Watch each job until it has ended.")]


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
    wait: Wait = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Ask for months: one job each."""
    box, wanted = _box(bbox), list(_months(months))
    with client_of(context) as client:

        def put(month: str) -> JobOut:
            only = collections.split(",") if collections else None
            job = client.submit(month, bbox=box, prefix=prefix, collections=only, allow_shrink=allow_shrink)
            if not as_json:
                tell(job, "active already" if job["deduplicated"] else "asked for", quiet=quiet)
            return job

        jobs, code = each(wanted, put)
        _end(client, jobs, code, asked=len(wanted), wait=wait, as_json=as_json)


def retry(
    context: typer.Context, job_ids: JobIds, wait: Wait = False, quiet: Quiet = False, as_json: Json = False
) -> None:
    """Do failed or cancelled jobs again, on the days that they finished."""
    with client_of(context) as client:

        def again(job_id: str) -> JobOut:
            job = client.retry(job_id)
            if not as_json:
                tell(job, f"retries {job_id}", quiet=quiet)
            return job

        jobs, code = each(job_ids, again)
        _end(client, jobs, code, asked=len(job_ids), wait=wait, as_json=as_json)


def _end(client: Client, jobs: list[JobOut], code: ExitCode, *, asked: int, wait: bool, as_json: bool) -> None:
    """Watch the jobs where that is wished, write them as JSON where that is; `code` counts before their ends."""
    codes = [code]
    if wait:
        watched = [follow(client, job["id"]) for job in jobs]
        jobs = [job for job, _ in watched]
        codes += [end for _, end in watched]
    if as_json:
        output.each_as_json(jobs, asked=asked)
    finish(*codes)


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
