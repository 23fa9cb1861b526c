"""A generated month behind a source that misbehaves on order, and what must come of it all the same."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harvesting import Archive, digests, same_rows

from sample.catalog import Catalog
from sample.server import Running, running
from worker.contract.collections import S30
from worker.contract.exits import ExitCode
from worker.contract.result import RunResult
from worker.errors import RunError

MONTH = "202401"
DAY = "2024-01-01"
S30_OF_DAY = f"day={DAY},collection={S30}"

PASSING = {
    "errors": ["429", "500", "502", "503", "504"],
    "Retry-After": ["429:retry_after=0.1"],
    "silence": ["hang"],
    "drip": ["drip:seconds=20"],
    "broken JSON": ["broken-json"],
    "cut body": ["cut"],
    "repeated page": ["repeat"],
    "stutter": ["stutter"],
    "missing next": ["no-next"],
    "other count": ["recount"],
    "empty page": ["empty"],
    "no count": ["no-count"],
    "no geometry": ["no-geometry"],
    "no bands": ["no-bands"],
    "no id": ["no-id"],
    "no datetime": ["no-datetime"],
}
"""Misbehaviour that is gone when the request is sent again."""

EVERYTHING = [kind for kinds in PASSING.values() for kind in kinds]

IMPATIENT = {"request_timeout": 0.4}
"""So that silence and drips take no time; for requests that are otherwise answered in milliseconds."""


def fault(text: str, **conditions: object) -> str:
    kind, _, options = text.partition(":")
    return f"{kind}:{','.join([*filter(None, [options]), *(f'{name}={value}' for name, value in conditions.items())])}"


def now_and_then(kind: str) -> str:
    """At one request in twenty; one in fifty where the whole slice has to be searched again, five times at most."""
    return fault(kind, rate=0.02 if kind == "recount" else 0.05)


@dataclass(frozen=True)
class Month:
    """A served month: its source, its items by digest, and the partition that a source without faults gives."""

    source: Running
    items: dict[str, str]
    partition: Path


@contextmanager
def served(catalog: Catalog, folder: Path) -> Iterator[Month]:
    """The catalogue's month, whose partition is compared with the catalogue here once, item by item."""
    archive = Archive(folder)
    items = digests(catalog.month(MONTH))
    with running(catalog) as source:
        archive.harvest(source.url, MONTH)
        assert archive.digests(MONTH) == items
        yield Month(source, items, archive.path(MONTH))


def last_items(month: Month) -> tuple[str, str]:
    """Ids of the last two S30 items of the day, in the order in which they are served."""
    items = [item for item in month.source.catalog.month(MONTH) if item["collection"] == S30]
    of_day = [(item["properties"]["datetime"], item["id"]) for item in items]
    *_, one, other = sorted(item for item in of_day if item[0].startswith(DAY))
    return one[1], other[1]


@contextmanager
def misbehaving(month: Month, *faults: str) -> Iterator[None]:
    """The month's source with these faults and an empty log."""
    month.source.log.clear()
    month.source.faults.replace(faults)
    try:
        yield
    finally:
        month.source.faults.replace([])


def harvested(month: Month, archive: Archive, faults: Sequence[str], **settings: object) -> RunResult:
    """Harvest the month from a source with these faults, each of which has happened in the end."""
    with misbehaving(month, *faults):
        result = archive.harvest(month.source.url, MONTH, settings=IMPATIENT | settings)
    happened = {kind for record in month.source.log.records for kind in record.faults}
    assert happened == {text.partition(":")[0] for text in faults}
    assert (result.items, result.complete) == (result.matched, True)
    return result


def check_whole(month: Month, archive: Archive, faults: Sequence[str], **settings: object) -> None:
    """Everything is there, once, as it was served."""
    result = harvested(month, archive, faults, **settings)
    assert result.items == len(month.items)
    assert result.anomalies == {}
    assert same_rows(archive.path(MONTH), month.partition)


def check_refused(month: Month, archive: Archive, fault: str, code: ExitCode, message: str, **settings: Any) -> float:
    """The run ends with that code and message, leaves no thread behind and the old partition as it was. Returns how
    many seconds before its end the source had last given a right answer."""
    old = archive.path(MONTH)
    old.parent.mkdir(parents=True)
    old.write_bytes(b"what was published before")
    threads = threading.enumerate()
    with misbehaving(month, fault):
        with pytest.raises(RunError, match=message) as ended:
            archive.harvest(month.source.url, MONTH, settings=settings)
        over = time.time()
    assert ended.value.exit_code == code
    left = [thread for thread in threading.enumerate() if thread not in threads and not thread.daemon]
    for thread in left:
        thread.join(5)
    assert not [thread for thread in left if thread.is_alive()]
    assert old.read_bytes() == b"what was published before"
    well = [record for record in month.source.log.records if record.status == 200 and not record.faults]
    return over - max(record.time + (record.seconds or 0) for record in well)
