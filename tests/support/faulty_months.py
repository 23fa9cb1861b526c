"""A generated month behind a source that misbehaves on order, and what must come of it all the same."""

import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harvesting import Archive, digests, same_rows
from watched_store import WatchedStore

from sample.catalog import Catalog
from sample.server import Running, running
from storage import StorageError, open_store
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
    """A served month: its source, its items by digest, and the partition that a source without faults gives, with its
    staged days."""

    source: Running
    items: dict[str, str]
    partition: Path
    staged: Path


@contextmanager
def served(catalog: Catalog, folder: Path) -> Iterator[Month]:
    """The catalogue's month, whose partition is compared with the catalogue here once, item by item."""
    archive = Archive(folder)
    items = digests(catalog.month(MONTH))
    with running(catalog) as source:
        archive.harvest(source.url, MONTH, job_id="whole", on=WatchedStore(open_store(folder.as_uri()), before=_keep))
        assert archive.digests(MONTH) == items
        yield Month(source, items, archive.path(MONTH), folder / "_jobs/whole/days")


def _keep(_number: int, name: str, _key: str) -> None:
    if name == "delete":
        raise StorageError("staged days are wanted still")


def stage_other_days(month: Month, archive: Archive) -> str:
    """Leave `DAY` alone to be harvested, as an attempt does that was stopped by it. Returns the stage id."""
    others = shutil.ignore_patterns(f"{DAY}.*")
    shutil.copytree(month.staged, archive.folder / "_jobs/other-days/days", ignore=others)
    return "other-days"


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


def harvested(
    month: Month, archive: Archive, faults: Sequence[str], *, stage_id: str = "fresh", **settings: object
) -> RunResult:
    """Harvest the month from a source with these faults, each of which has happened in the end."""
    with misbehaving(month, *faults):
        result = archive.harvest(month.source.url, MONTH, settings=IMPATIENT | settings, stage_id=stage_id)
    happened = {kind for record in month.source.log.records for kind in record.faults}
    assert happened == {text.partition(":")[0] for text in faults}
    assert (result.items, result.complete) == (result.matched, True)
    return result


def check_whole(
    month: Month, archive: Archive, faults: Sequence[str], *, stage_id: str = "fresh", **settings: object
) -> None:
    """Everything is there, once, as it was served."""
    result = harvested(month, archive, faults, stage_id=stage_id, **settings)
    assert result.items == len(month.items)
    assert result.anomalies == {}
    assert same_rows(archive.path(MONTH), month.partition)


def check_refused(
    month: Month,
    archive: Archive,
    fault: str,
    code: ExitCode,
    message: str,
    *,
    stage_id: str = "fresh",
    **settings: Any,
) -> float:
    """The run ends with that code and message, leaves no thread behind and the old partition as it was. Returns how
    many seconds before its end the source had last given a right page, or the run had begun."""
    old = archive.path(MONTH)
    old.parent.mkdir(parents=True)
    old.write_bytes(b"what was published before")
    threads = threading.enumerate()
    with misbehaving(month, fault):
        begun = time.time()
        with pytest.raises(RunError, match=message) as ended:
            archive.harvest(month.source.url, MONTH, settings=settings, stage_id=stage_id)
        over = time.time()
    assert ended.value.exit_code == code
    left = [thread for thread in threading.enumerate() if thread not in threads and not thread.daemon]
    for thread in left:
        thread.join(5)
    assert not [thread for thread in left if thread.is_alive()]
    assert old.read_bytes() == b"what was published before"
    well = [record for record in month.source.log.searches() if record.status == 200 and not record.faults]
    return over - max([begun, *(record.time + (record.seconds or 0) for record in well)])
