"""What the archive holds."""

from collections.abc import Iterator
from itertools import groupby
from typing import Annotated

import typer

from hls import output
from hls.client import Client
from hls.models import MonthState, PartitionDetailOut, PartitionOut, PartitionsOut
from hls.session import Json, Month, client_of, words_like, words_of

_COLUMNS = ("month", "state", "items", "matched", "complete", "days", "size", "harvested", "prefix")
_REASONS = {
    "partial": "with items or days missing",
    "stale": "harvested within 14 days of the month's end, when granules still arrive",
    "unknown": "the source stated no count",
}
_EARLY = "harvested before the month was over: once it is,"
WORLD = "hls-data"
"""The dataset without a box."""


def partitions(
    context: typer.Context,
    prefix: Annotated[str | None, typer.Option(help="Only this dataset.")] = None,
    first: Annotated[
        str | None, typer.Option("--from", help="First month, as YYYYMM; those without a file are shown.")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last month, as YYYYMM.")] = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATE", help=f"{words_of(MonthState)}; may be repeated.", autocompletion=words_like(MonthState)
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Write the months alone, for `hls submit`.")] = False,
    as_json: Json = False,
) -> None:
    """List the months of each dataset, the missing ones too."""
    with client_of(context) as client:
        found = client.partitions(prefix=prefix, first=first, last=last, state=state)
    if as_json:
        output.as_json(found)
    elif quiet:
        for row in found["partitions"]:
            output.plain(row["yearMonth"])
    else:
        output.table(_COLUMNS, map(_row, found["partitions"]), right=("items", "matched", "complete", "days", "size"))
        output.say(_totals(found))


def partition(
    context: typer.Context,
    month: Month,
    prefix: Annotated[str | None, typer.Option(help="Dataset; needed where several have the month.")] = None,
    as_json: Json = False,
) -> None:
    """Show one month of a dataset in depth."""
    with client_of(context) as client:
        found = client.partition(month, prefix or _only_dataset(client, month))
    if as_json:
        output.as_json(found)
    else:
        output.fields(_facts(found))


def _only_dataset(client: Client, month: str) -> str:
    """The dataset that has the month, or the one of the whole world."""
    rows = client.partitions(first=month, last=month)["partitions"]
    having = [row["prefix"] for row in rows if row["path"] is not None]
    if len(having) > 1 and WORLD not in having:
        raise typer.BadParameter(
            f"several datasets have {month}: choose one of {', '.join(having)}", param_hint="--prefix"
        )
    return having[0] if len(having) == 1 else WORLD


def refresh(context: typer.Context, as_json: Json = False) -> None:
    """Have the service look at the archive, for files that others wrote or removed."""
    with client_of(context) as client:
        asked = client.refresh()
    if as_json:
        output.as_json(asked)
    else:
        output.say(asked["message"])


def _row(row: PartitionOut) -> tuple[str, ...]:
    return (
        row["yearMonth"],
        row["state"],
        output.count(row["items"]),
        output.count(row["matched"]),
        _completeness(row),
        "" if row["daysPresent"] is None else str(row["daysPresent"]),
        output.size(row["bytes"]),
        output.moment(row["harvestedAt"])[:10],
        row["prefix"],
    )


def _completeness(row: PartitionOut) -> str:
    """Share of the items that the source stated; empty where it stated none, or could not yet state all."""
    if row["items"] is None or row["matched"] is None or _is_early(row):
        return ""
    return "100 %" if row["complete"] else f"{100 * row['items'] / max(row['matched'], 1):.2f} %"


def _is_early(row: PartitionOut) -> bool:
    """Whether it was harvested before its month was over."""
    return row["harvestedAt"] is not None and row["harvestedAt"][:7].replace("-", "") <= row["yearMonth"]


def _totals(found: PartitionsOut) -> str:
    totals, rows = found["totals"], found["partitions"]
    if not rows:
        return "No months here. `hls submit 202401` asks for one; --from and --to show those without a file."
    states = ", ".join(f"{number} {state}" for state, number in totals["states"].items())
    lines = [f"{totals['items']:,} items, {output.size(totals['bytes'])}; months: {states}."]
    for prefix, group in groupby(rows, key=lambda row: row["prefix"]):
        if missing := [row["yearMonth"] for row in group if row["state"] == "missing"]:
            lines.append(f"Missing in {prefix}: {', '.join(_runs(missing))}.")
    return "\n".join(lines)


def _runs(months: list[str]) -> Iterator[str]:
    """Neighbouring months as a range, in the way that `hls submit` takes it."""
    number = {month: int(month[:4]) * 12 + int(month[4:]) for month in months}
    for _, group in groupby(enumerate(months), key=lambda pair: number[pair[1]] - pair[0]):
        run = [month for _, month in group]
        yield run[0] if len(run) == 1 else f"{run[0]}..{run[-1]}"


def _facts(row: PartitionDetailOut) -> Iterator[tuple[str, object]]:
    cloud, tiles, missing = row["cloudCover"], row["tiles"], row["daysMissing"]
    yield "month", row["yearMonth"]
    yield "dataset", row["prefix"]
    yield "state", row["state"]
    if (reason := _REASONS.get(row["state"])) is not None:
        again = f"`hls submit {row['yearMonth']} --prefix {row['prefix']}` harvests it again"
        yield "", f"{_EARLY} {again}" if _is_early(row) else f"{reason}; {again}"
    yield "items", f"{output.count(row['items'])} of {output.count(row['matched']) or 'an unknown number'}"
    told = {True: "yes", False: "no", None: "not known: the source states no count"}
    yield "complete", "not yet" if _is_early(row) else told[row["complete"]]
    yield "collections", ", ".join(f"{name}: {number:,}" for name, number in (row["collections"] or {}).items())
    yield "days", f"{row['daysPresent']} with items" + (f"; without: {', '.join(missing)}" if missing else "")
    yield "first, last", f"{output.moment(row['firstDatetime'])}, {output.moment(row['lastDatetime'])}"
    yield "extent", ", ".join(f"{degrees:.4f}" for degrees in row["extent"] or [])
    if cloud and cloud["mean"] is not None:
        yield "cloud cover", f"mean {cloud['mean']:.1f} %, {cloud['nulls']} items without"
    if tiles:
        top = ", ".join(f"{tile['tile']}: {tile['items']}" for tile in tiles["top"][:5])
        yield "tiles", f"{tiles['number']:,}; most items: {top}"
    yield "size", output.size(row["bytes"])
    yield "harvested", output.moment(row["harvestedAt"])
    yield "job", row["sourceJob"]
    yield "unreadable", row["unreadable"]
    yield "notes", "; ".join(row["notes"])
    yield "file", row["path"]
