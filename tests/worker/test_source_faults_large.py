"""What a misbehaving source is forgiven, and what not, at the size of a real month."""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from faulty_months import (
    EVERYTHING,
    MONTH,
    S30_OF_DAY,
    Month,
    check_refused,
    check_whole,
    harvested,
    last_items,
    misbehaving,
    now_and_then,
    served,
)
from harvesting import Archive, rows

from sample.catalog import Catalog, Query
from sample.source import Entry, milliseconds
from worker.contract.collections import COLLECTIONS
from worker.contract.exits import ExitCode

pytestmark = pytest.mark.soak

PATIENT: dict[str, Any] = {"request_timeout": 2, "no_progress_timeout": 120}
"""Patience is sixty time-outs, as by default."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    catalog = Catalog.generated(items_per_month=50_000, seed=3)
    with served(catalog, tmp_path_factory.mktemp("large")) as month:
        yield month


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


@pytest.mark.parametrize("kind", EVERYTHING)
def test_each_that_passes(kind: str, large: Month, archive: Archive) -> None:
    """Each misbehaviour by itself, now and then."""
    check_whole(large, archive, [now_and_then(kind)], **PATIENT)


def test_an_outage_of_a_minute(large: Month, archive: Archive) -> None:
    """In the middle of the month nothing for a minute."""
    check_whole(large, archive, ["outage:at=100,seconds=60"], **PATIENT, retry_wait_max=10)


def test_everything_at_once(large: Month, archive: Archive) -> None:
    """All that passes together, each now and then, while an item comes and another goes: those two are
    there or not, as their slice was searched before or after, and every other is."""
    changed = last_items(large)
    faults = [f"{kind}:id={name},{S30_OF_DAY},page=2" for kind, name in zip(("ingest", "remove"), changed, strict=True)]
    harvested(large, archive, [*faults, *map(now_and_then, EVERYTHING)], **PATIENT)
    assert large.items.keys() - _check_rows(large, archive) <= set(changed)


@pytest.mark.parametrize("kind", ["ingest", "remove"])
def test_many_items_that_come_or_go(kind: str, large: Month, archive: Archive) -> None:
    """A hundredth of the month's items, all at once in the middle: the partition has what the source had of each slice
    when it was last asked for it."""
    with misbehaving(large, f"{kind}:at=150"):
        entries = _entries(large)
        first = {entry.id for entry in large.source.faults.visible(entries)}
        result = archive.harvest(large.source.url, MONTH, settings=PATIENT)
        last = {entry.id for entry in large.source.faults.visible(entries)}
    assert result.complete
    slices = _Slices(large, kind)
    expected = {entry.id for entry in entries if entry.id in (last if slices.asked_after(entry) else first)}
    assert first != expected != last
    assert _check_rows(large, archive) == expected


def _check_rows(month: Month, archive: Archive) -> set[str]:
    """Ids of what was published, each once and as it was served."""
    ids = archive.ids(MONTH)
    assert len(ids) == len(set(ids))
    assert rows(archive.path(MONTH), ids).equals(rows(month.partition, ids))
    return set(ids)


class _Slices:
    """The slices of time that were searched, and in which of them the source was asked after its change."""

    def __init__(self, month: Month, kind: str) -> None:
        records = month.source.log.records
        change = next(record.number for record in records if kind in record.faults)
        self._asked: dict[tuple[str, int, int], bool] = {}
        for record in month.source.log.searches():
            start, end = (_milliseconds(text) for text in record.parameters["datetime"].split("/"))
            key = record.parameters["collections"], start, end
            self._asked[key] = record.number >= change

    def asked_after(self, entry: Entry) -> bool:
        """By the narrowest slice that the item's time falls in: wider ones were only asked how much they hold."""
        of_item = [key for key in self._asked if key[0] == entry.collection and key[1] <= entry.start < key[2]]
        return self._asked[min(of_item, key=lambda key: key[2] - key[1])]


def _entries(month: Month) -> list[Entry]:
    first, last = milliseconds(date(2024, 1, 1)), milliseconds(date(2024, 2, 1))
    found = month.source.catalog.search(Query(COLLECTIONS, (first, last - 1)))
    return [entry for entry in found if first <= entry.start]  # without those that only end in the month


def _milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def test_lasting_bands(large: Month, archive: Archive) -> None:
    """Items that lack bands for good are kept as they are and counted, and no other is touched."""
    result = harvested(large, archive, ["no-bands:at=100,count=5,bands=2,lasting=true"], **PATIENT)
    spoilt = {name for record in large.source.log.records for name in record.spoilt}
    assert sum(result.anomalies.values()) == len(spoilt) == 5
    assert set(archive.ids(MONTH)) == large.items.keys()
    others = large.items.keys() - spoilt
    assert rows(archive.path(MONTH), others).equals(rows(large.partition, others))
    for name in spoilt:
        assert not rows(archive.path(MONTH), [name]).equals(rows(large.partition, [name]))


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        ("outage:at=100", ExitCode.SOURCE_UNAVAILABLE, r"^HLS.30_2.0 of 2024-01-\d\d, .*no new page for .*503 Serv"),
        (
            "repeat:day=2024-01-20,collection=HLSS30_2.0",
            ExitCode.INCOMPLETE,
            r"^HLSS30_2.0 of 2024-01-\d\d, \d\d:.*: a page came again; searched 5 times",
        ),
    ],
    ids=["outage", "repeated page"],
)
def test_what_never_passes_ends_the_run(
    kind: str, code: ExitCode, message: str, large: Month, archive: Archive
) -> None:
    """In the middle of the month: the right code, the slice and the cause, and the old partition as it was."""
    check_refused(large, archive, kind, code, message, **(PATIENT | {"no_progress_timeout": 5}))
