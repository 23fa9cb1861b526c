"""Whatever the source does, the month is published whole, or not at all and with the reason."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from faulty_months import (
    DAY,
    EVERYTHING,
    IMPATIENT,
    MONTH,
    PASSING,
    S30_OF_DAY,
    Month,
    check_refused,
    check_whole,
    fault,
    harvested,
    last_items,
    misbehaving,
    now_and_then,
    served,
    stage_other_days,
)
from harvesting import Archive
from staged_days import run_params
from workers import published, worker

from sample.catalog import Catalog
from sample.server import running
from storage import open_store
from worker.contract.collections import S30
from worker.contract.exits import ExitCode
from worker.errors import RunError


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    """One day with items on two and three pages; the other days of the month are empty."""
    catalog = Catalog.generated(items_per_month=6200, seed=3, until=date(2024, 1, 1))
    with served(catalog, tmp_path_factory.mktemp("small")) as month:
        yield month


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


@pytest.mark.parametrize("kinds", PASSING.values(), ids=PASSING)
def test_what_passes_leaves_no_trace(kinds: list[str], small: Month, archive: Archive) -> None:
    """Each misbehaviour, some times in searches of the day that has items."""
    when = {"at": "1+4+5"} if len(kinds) == 1 else {"times": 2}
    faults = [fault(kind, day=DAY, **when) for kind in kinds]
    check_whole(small, archive, faults, stage_id=stage_other_days(small, archive))


def test_everything_at_once(small: Month, archive: Archive) -> None:
    """Every misbehaviour that passes, each now and then, and all of them once for certain, while an item
    comes and another goes."""
    came, went = last_items(small)
    certain = [fault(kind, day=DAY, times=1) for kind in EVERYTHING]
    changes = [f"ingest:id={came},{S30_OF_DAY},page=2", f"remove:id={went},{S30_OF_DAY},page=2"]
    harvested(small, archive, [*changes, *certain, *map(now_and_then, EVERYTHING)])
    assert archive.digests(MONTH) == {key: value for key, value in small.items.items() if key != went}


def test_an_outage_that_ends(small: Month, archive: Archive) -> None:
    """The run waits for as long as it takes, and then goes on."""
    check_whole(small, archive, ["outage:at=8,seconds=1.5"])


@pytest.mark.parametrize("kind", ["ingest", "remove"])
def test_what_comes_or_goes_during_the_harvest(kind: str, small: Month, archive: Archive) -> None:
    """An item that is ingested or removed while its slice is read makes the slice be searched again: the partition
    holds what the source has in the end."""
    name = next(name for name in small.items if "HLS.S30" in name)
    with misbehaving(small, f"{kind}:id={name},day={DAY},collection=HLSS30_2.0,page=2"):
        result = archive.harvest(small.source.url, MONTH, stage_id=stage_other_days(small, archive))
    expected = {key: value for key, value in small.items.items() if kind == "ingest" or key != name}
    assert result.complete
    assert archive.digests(MONTH) == expected


def test_bands_that_stay_away(small: Month, archive: Archive) -> None:
    """Items that lack bands for good are read three times, then kept as they are and counted."""
    with misbehaving(small, f"no-bands:day={DAY},collection=HLSL30_2.0,at=1,count=2,bands=2,lasting=true"):
        result = archive.harvest(small.source.url, MONTH, stage_id=stage_other_days(small, archive))
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
UNAVAILABLE, INCOMPLETE = ExitCode.SOURCE_UNAVAILABLE, ExitCode.INCOMPLETE
PATIENCE, LONGEST_ANSWER, BUSY = 1.5, 2, 3
"""Seconds: how long the run hopes, what it grants to an answer that is under way then, and what a busy machine adds."""
MOST_REQUESTS = 5 * (6 + 5)
"""For a slice of two pages: in each search the odd page six times, and all but once the page before it too."""
HOPELESS = {
    "outage": ("outage:at=20", UNAVAILABLE, r"^HLS.30_2.0 of 2024-01-\d\d, .*no new page for \d+ seconds; .*503 Serv"),
    "silence": ("hang", UNAVAILABLE, r"^HLS.30_2.0 of 2024-01-\d\d, .*: no answer for 0.4 seconds \(GET http"),
    "drip": ("drip:seconds=10", UNAVAILABLE, r"^HLS.30_2.0 of 2024-01-\d\d, .*: the answer took longer than 2 seconds"),
    "Retry-After": ("429:retry_after=600", UNAVAILABLE, r"^HLS.30_2.0 of 2024-01-\d\d, .*429 Too Many Requests"),
    "cut body": (f"cut:{S30_OF_DAY}", UNAVAILABLE, SLICE + "IncompleteRead"),
    "broken JSON": (f"broken-json:{S30_OF_DAY}", UNAVAILABLE, SLICE + "broken JSON"),
    "repeated page": (f"repeat:{S30_OF_DAY}", INCOMPLETE, SLICE + "a page came again; searched 5 times"),
    "stutter": (
        f"stutter:{S30_OF_DAY}",
        INCOMPLETE,
        SLICE + "a `next` that leads to the page that it stands on; searched 5 times",
    ),
    "other count": (
        f"recount:{S30_OF_DAY}",
        INCOMPLETE,
        SLICE + "the source's count changed from 120 to 121; searched 5 times",
    ),
    "missing next": (f"no-next:{S30_OF_DAY},page=1", INCOMPLETE, SLICE + "the last page, but 20 of 120 items have not"),
    "empty page": (f"empty:{S30_OF_DAY},page=1", INCOMPLETE, SLICE + "an empty page, but 120 of 120 items are still"),
    "no geometry": (
        f"no-geometry:{S30_OF_DAY},page=2,count=2",
        INCOMPLETE,
        SLICE + r"2 of \d+ items without geometry, such as H",
    ),
    "no id": (f"no-id:{S30_OF_DAY}", INCOMPLETE, SLICE + r"1 of \d+ items without id"),
    "no datetime": (f"no-datetime:{S30_OF_DAY}", INCOMPLETE, SLICE + r"1 of \d+ items without datetime"),
    "no count": (f"no-count:{S30_OF_DAY},page=1", INCOMPLETE, SLICE + "a search without a count"),
}


@pytest.mark.parametrize(("kind", "code", "message"), HOPELESS.values(), ids=HOPELESS)
def test_what_never_passes_ends_the_run(
    kind: str, code: ExitCode, message: str, small: Month, archive: Archive
) -> None:
    """The run ends in time with the right code, names the slice and the cause, leaves no thread behind and the old
    partition as it was. Where all requests meet it, three days are under way."""
    settings: dict[str, Any] = {"no_progress_timeout": PATIENCE} if code == UNAVAILABLE else {}
    if kind.startswith(("hang", "drip")):
        settings |= IMPATIENT
    if DAY in kind:
        settings["stage_id"] = stage_other_days(small, archive)
    silent = check_refused(small, archive, kind, code, message, **settings)
    if code == INCOMPLETE:
        asked = small.source.log.searches(collections=S30)
        assert sum(record.parameters["datetime"].startswith(DAY) for record in asked) <= MOST_REQUESTS
    else:
        assert silent < PATIENCE + LONGEST_ANSWER + BUSY
        assert silent > PATIENCE or "retry_after" in kind  # which says that waiting is in vain


@pytest.mark.parametrize("name", ["outage", "repeated page"])
def test_the_process_says_so_last(name: str, small: Month, tmp_path: Path) -> None:
    """`python -m worker` exits with the code, and the message with slice and cause is the last line of its log."""
    kind, code, message = HOPELESS[name]
    params = run_params((tmp_path / "archive").as_uri(), parallel=True)
    hurried = {"NO_PROGRESS_TIMEOUT": str(PATIENCE), "RETRY_WAIT_MAX": "0.05"}
    with (
        misbehaving(small, kind),
        worker(params, source=small.source.url, temp_dir=tmp_path / "temporary", environment=hurried) as process,
    ):
        assert process.wait() == code
    assert re.match(message, process.message)
    assert process.lines[-1]["action"] == "end"
    assert published(open_store(params.destination), params) is None


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
