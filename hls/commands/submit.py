"""Ask for months."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from hls import output
from hls.client import Client, ServiceError
from hls.commands.jobs import tell
from hls.commands.watch import Wait, conclude
from hls.faults import ExitCode
from hls.models import JobOut
from hls.session import Json, Quiet, client_of, each

_RANGE = re.compile(r"(\d{4})-?(\d{2})\.\.(\d{4})-?(\d{2})")


def submit(
    context: typer.Context,
    months: Annotated[
        list[str] | None, typer.Argument(metavar="MONTH", help="Months as YYYYMM, or 202401..202406 for several.")
    ] = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="The months of --prefix without a file, instead of months by name.")
    ] = False,
    first: Annotated[str | None, typer.Option("--from", help="With --missing: first month, as YYYYMM.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="With --missing: last month, as YYYYMM.")] = None,
    bbox: Annotated[
        str | None,
        typer.Option(
            metavar="W,S,E,N", help="Box in degrees, such as --bbox=-124.7,32.5,-114.1,42.0; W > E crosses 180°."
        ),
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option(help="Dataset to write to, and its box if it has one; the service names one otherwise."),
    ] = None,
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
    wishes = {
        "bbox": _box(bbox),
        "prefix": prefix,
        "collections": collections.split(",") if collections else None,
        "allow_shrink": allow_shrink,
    }
    named = list(_months(months or []))
    if (named and missing) or ((first or last) and not missing):
        raise typer.BadParameter("name the months, or take those that are missing with --missing, --from and --to")
    with client_of(context) as client:
        wanted = _missing(client, prefix, first, last) if missing else named
        if not wanted:
            output.say("No month is missing." if missing else "No month was named, so none is asked for.")

        def put(month: str) -> JobOut:
            job = _submitted(client, month, wishes)
            if not as_json:
                tell(job, "active already" if job["deduplicated"] else "asked for", quiet=quiet)
            return job

        jobs, code = each(wanted, put)
        conclude(client, jobs, code, is_one=len(named) == 1, wait=wait, as_json=as_json)


def _missing(client: Client, prefix: str | None, first: str | None, last: str | None) -> list[str]:
    """The months of a dataset without a file.

    Raises:
        typer.Exit: there is no such dataset.
    """
    if prefix is None:
        raise typer.BadParameter("--missing needs the dataset: --prefix", param_hint="--prefix")
    rows = client.partitions(prefix=prefix, first=first, last=last)["partitions"]
    if not rows:
        output.say(f"The archive has no dataset {prefix} yet: name its months and, if it is to have one, its box.")
        raise typer.Exit(ExitCode.NOT_FOUND)
    return [row["yearMonth"] for row in rows if row["state"] == "missing"]


def _submitted(client: Client, month: str, wishes: dict[str, Any]) -> JobOut:
    """The job. What the dataset is bound to fills the wishes where they are silent, from then on."""
    try:
        return client.submit(month, **wishes)
    except ServiceError as fault:
        bound = fault.problem.get("bound")
        silent = [name for name in ("bbox", "collections") if wishes[name] is None]
        if bound is None or not silent or wishes["prefix"] is None:
            raise
        wishes.update((name, bound[name]) for name in silent)
        box = ",".join(map(str, bound["bbox"])) if bound["bbox"] else "the whole world"
        output.say(f"{wishes['prefix']} holds {', '.join(bound['collections'])} of {box}, which is asked for.")
        return client.submit(month, **wishes)


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
