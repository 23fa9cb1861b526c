"""Whatever the source does, the month is published whole, or not at all and with the reason."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from harvesting import Archive, digests, same_rows

from sample.catalog import Catalog
from sample.server import Running, running
from worker.contract.exits import ExitCode
from worker.errors import RunError

MONTH = "202401"
DAY = "2024-01-01"

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


PATIENT = {"request_timeout": 2, "no_progress_timeout": 120}
"""For large months: patience is sixty time-outs, as by default."""


def fault(text: str, **conditions: object) -> str:
    kind, _, options = text.partition(":")
    return f"{kind}:{','.join([*filter(None, [options]), *(f'{name}={value}' for name, value in conditions.items())])}"


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


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    """One day with items on two and three pages; the other days of the month are empty."""
    catalog = Catalog.generated(items_per_month=6200, seed=3, until=date(2024, 1, 1))
    with served(catalog, tmp_path_factory.mktemp("small")) as month:
        yield month


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    catalog = Catalog.generated(items_per_month=50_000, seed=3)
    with served(catalog, tmp_path_factory.mktemp("large")) as month:
        yield month


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


@contextmanager
def misbehaving(month: Month, *faults: str) -> Iterator[None]:
    """The month's source with these faults and an empty log."""
    month.source.log.clear()
    month.source.faults.replace(faults)
    try:
        yield
    finally:
        month.source.faults.replace([])


def check_whole(month: Month, archive: Archive, faults: list[str], **settings: object) -> None:
    """Harvest the month from a source with these faults: everything is there, once, as it was served."""
    with misbehaving(month, *faults):
        result = archive.harvest(month.source.url, MONTH, settings=IMPATIENT | settings)
    happened = {kind for record in month.source.log.records for kind in record.faults}
    assert happened == {text.partition(":")[0] for text in faults}
    assert (result.items, result.matched, result.complete) == (len(month.items), len(month.items), True)
    assert result.anomalies == {}
    assert same_rows(archive.path(MONTH), month.partition)


@pytest.mark.parametrize("kinds", PASSING.values(), ids=PASSING)
def test_what_passes_leaves_no_trace(kinds: list[str], small: Month, archive: Archive) -> None:
    """Each misbehaviour, some times in searches of the day that has items."""
    when = {"at": "1+4+5"} if len(kinds) == 1 else {"times": 2}
    check_whole(small, archive, [fault(kind, day=DAY, **when) for kind in kinds])


def test_everything_at_once(small: Month, archive: Archive) -> None:
    """Every misbehaviour that passes, each at one request in twenty, and all of them once for certain."""
    certain = [fault(kind, day=DAY, times=1) for kind in EVERYTHING]
    check_whole(small, archive, [*certain, *(fault(kind, rate=0.05) for kind in EVERYTHING)])


def test_an_outage_that_ends(small: Month, archive: Archive) -> None:
    """The run waits for as long as it takes, and then goes on."""
    check_whole(small, archive, ["outage:at=8,seconds=1.5"])


@pytest.mark.soak
@pytest.mark.parametrize("kinds", PASSING.values(), ids=PASSING)
def test_a_large_month_under_what_passes(kinds: list[str], large: Month, archive: Archive) -> None:
    """50,000 items, each misbehaviour at one request in twenty."""
    check_whole(large, archive, [fault(kind, rate=0.05) for kind in kinds], **PATIENT)


@pytest.mark.soak
def test_a_large_month_with_everything_at_once(large: Month, archive: Archive) -> None:
    """50,000 items, all misbehaviours together, each at one request in twenty."""
    check_whole(large, archive, [fault(kind, rate=0.05) for kind in EVERYTHING], **PATIENT)


@pytest.mark.soak
def test_a_large_month_with_an_outage_of_a_minute(large: Month, archive: Archive) -> None:
    """50,000 items, and in the middle of them nothing for a minute."""
    check_whole(large, archive, ["outage:at=100,seconds=60"], **PATIENT, retry_wait_max=10)


@pytest.mark.parametrize("kind", ["ingest", "remove"])
def test_what_comes_or_goes_during_the_harvest(kind: str, small: Month, archive: Archive) -> None:
    """An item that is ingested or removed while its slice is read makes the slice be searched again: the partition
    holds what the source has in the end."""
    name = next(name for name in small.items if "HLS.S30" in name)
    with misbehaving(small, f"{kind}:id={name},day={DAY},collection=HLSS30_2.0,page=2"):
        result = archive.harvest(small.source.url, MONTH)
    expected = {key: value for key, value in small.items.items() if kind == "ingest" or key != name}
    assert result.complete
    assert archive.digests(MONTH) == expected


def test_bands_that_stay_away(small: Month, archive: Archive) -> None:
    """Items that lack bands for good are read three times, then kept as they are and counted."""
    with misbehaving(small, f"no-bands:day={DAY},collection=HLSL30_2.0,at=1,count=2,bands=2,lasting=true"):
        result = archive.harvest(small.source.url, MONTH)
    assert result.anomalies == {"HLSL30_2.0 without B01,B02": 2}
    assert result.complete
    readings = [record.spoilt for record in small.source.log.records if record.spoilt]
    (spoilt,) = {tuple(names) for names in readings}
    assert len(readings) == 3
    found = archive.digests(MONTH)
    assert {name for name in found if found[name] != small.items[name]} == set(spoilt)


def test_a_source_without_counts(small: Month, archive: Archive) -> None:
    """It is harvested, and its partition says that nobody knows whether it is complete."""
    with misbehaving(small, "no-count", "empty:at=1", "repeat:at=1"):
        result = archive.harvest(small.source.url, MONTH)
    assert (result.items, result.matched, result.complete) == (len(small.items), None, None)
    assert archive.digests(MONTH) == small.items


def test_a_month_without_items(archive: Archive) -> None:
    """With a stated count of 0 it is an empty partition that is complete; without a count it is INCOMPLETE."""
    with running(Catalog.from_items([])) as source:
        source.faults.replace(["no-count"])
        with pytest.raises(RunError, match="gave no items for 202401 and states no count") as ended:
            archive.harvest(source.url, MONTH)
        assert ended.value.exit_code == ExitCode.INCOMPLETE
        assert not archive.path(MONTH).exists()
        source.faults.replace([])
        result = archive.harvest(source.url, MONTH)
    assert (result.items, result.matched, result.complete) == (0, 0, True)
    assert archive.ids(MONTH) == []


SLICE = r"^HLSS30_2.0 of 2024-01-01, 00:00:00 to 24:00:00: .*"
AT_S30 = f"day={DAY},collection=HLSS30_2.0"
UNAVAILABLE, INCOMPLETE = ExitCode.SOURCE_UNAVAILABLE, ExitCode.INCOMPLETE
HOPELESS = {
    "outage": ("outage:at=20", UNAVAILABLE, r"^HLS.30_2.0 of 2024-01-\d\d, .*no new page for \d+ seconds; .*503 Serv"),
    "silence": ("hang", UNAVAILABLE, r"^HLS.30_2.0 of 2024-01-\d\d, .*: no answer for 0.4 seconds \(GET http"),
    "drip": ("drip:seconds=10", UNAVAILABLE, r"^HLS.30_2.0 of 2024-01-\d\d, .*: the answer took longer than 2 seconds"),
    "Retry-After": ("429:retry_after=600", UNAVAILABLE, r"^HLS.30_2.0 of 2024-01-\d\d, .*429 Too Many Requests"),
    "cut body": (f"cut:{AT_S30}", UNAVAILABLE, SLICE + "IncompleteRead"),
    "broken JSON": (f"broken-json:{AT_S30}", UNAVAILABLE, SLICE + "broken JSON"),
    "repeated page": (f"repeat:{AT_S30}", INCOMPLETE, SLICE + "a page came again; searched 5 times"),
    "stutter": (f"stutter:{AT_S30}", INCOMPLETE, SLICE + "searched 5 times"),
    "missing next": (f"no-next:{AT_S30},page=1", INCOMPLETE, SLICE + "the last page, but 20 of 120 items have not"),
    "empty page": (f"empty:{AT_S30},page=1", INCOMPLETE, SLICE + "an empty page, but 120 of 120 items are still"),
    "no geometry": (
        f"no-geometry:{AT_S30},page=2,count=2",
        INCOMPLETE,
        SLICE + r"2 of \d+ items without geometry, such as H",
    ),
    "no id": (f"no-id:{AT_S30}", INCOMPLETE, SLICE + r"1 of \d+ items without id"),
    "no datetime": (f"no-datetime:{AT_S30}", INCOMPLETE, SLICE + r"1 of \d+ items without datetime"),
    "no count": (f"no-count:{AT_S30},page=1", INCOMPLETE, SLICE + "a search without a count"),
}


@pytest.mark.parametrize(("kind", "code", "message"), HOPELESS.values(), ids=HOPELESS)
def test_what_never_passes_ends_the_run(
    kind: str, code: ExitCode, message: str, small: Month, archive: Archive
) -> None:
    """The run ends in time with the right code, names the slice and the cause, leaves no thread behind and the old
    partition as it was."""
    old = archive.path(MONTH)
    old.parent.mkdir(parents=True)
    old.write_bytes(b"what was published before")
    before = threading.enumerate()
    settings: dict[str, Any] = {"no_progress_timeout": 1.5} if code == UNAVAILABLE else {}
    if kind.startswith(("hang", "drip")):
        settings |= IMPATIENT
    with misbehaving(small, kind):
        began = time.monotonic()
        with pytest.raises(RunError, match=message) as ended:
            archive.harvest(small.source.url, MONTH, settings=settings)
        took = time.monotonic() - began
    assert ended.value.exit_code == code
    assert took < 20
    left = [thread for thread in threading.enumerate() if thread not in before and not thread.daemon]
    for thread in left:
        thread.join(5)
    assert not [thread for thread in left if thread.is_alive()]
    assert old.read_bytes() == b"what was published before"


def test_a_retry_after_an_outage_goes_on_where_it_stopped(small: Month, archive: Archive) -> None:
    """Days that were finished before the source went away are not searched again."""
    with misbehaving(small, "outage:at=50"), pytest.raises(RunError) as ended:
        archive.harvest(small.source.url, MONTH, settings={"no_progress_timeout": 1}, stage_id="first")
    assert ended.value.exit_code == UNAVAILABLE
    staged = {path.stem for path in archive.folder.glob("_jobs/first/days/*.json")}
    assert len(staged) > 5
    with misbehaving(small):
        assert archive.harvest(small.source.url, MONTH, stage_id="first").complete
        searched = {record.parameters["datetime"][:10] for record in small.source.log.searches()}
    assert searched.isdisjoint(staged)
    assert len(searched | staged) == 31
    assert archive.digests(MONTH) == small.items
