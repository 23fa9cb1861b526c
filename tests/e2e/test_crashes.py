"""The service is killed, again and again, with jobs in flight."""

import time
from pathlib import Path

import pytest
from randomness import drawn
from services import Guard, service

from sample.catalog import Catalog
from sample.server import running
from worker.contract.collections import L30


@pytest.mark.parametrize(
    ("jobs", "kills"),
    [
        pytest.param(3, 2, marks=pytest.mark.timeout(240)),
        pytest.param(10, 20, marks=[pytest.mark.soak, pytest.mark.timeout(3000)]),
    ],
)
def test_a_service_that_is_killed_with_jobs_in_flight(tmp_path: Path, jobs: int, kills: int) -> None:
    """At random moments, ten jobs at a time when all is run: after the restart each job ends well, none ever has two
    live workers, none publishes twice, and each is in the catalogue with all its items."""
    random = drawn()
    catalog = Catalog.generated(items_per_month=120)
    moments = [random.choice((random.uniform(0, 0.3), random.uniform(0, 5))) for _ in range(kills)]
    with running(catalog) as source:
        for first in range(0, kills, 4):
            folder = tmp_path / f"batch-{first}"
            folder.mkdir()
            _batch(folder, source.url, moments[first : first + 4], catalog, jobs)


def _batch(folder: Path, source: str, moments: list[float], catalog: Catalog, number: int) -> None:
    months = [f"2020{month:02d}" for month in range(1, number + 1)]
    with (
        Guard(folder / "service" / "archive") as guard,
        service(folder, source=source, HLS_LOCAL_WORKERS="3") as running_service,
    ):
        jobs = [running_service.submit(month, collections=[L30], prefix="dataset") for month in months]
        for moment in moments:
            time.sleep(moment)
            running_service.kill()
            running_service.start()
        for job in jobs:
            ended = running_service.ended(job)
            assert ended["status"] == "succeeded", (ended["failure"], ended["logTail"], moments)
        partitions = running_service.call("GET", "/partitions", expect=200)["partitions"]
    assert guard.looks > 10
    assert not guard.doubled
    assert {path: len(seen) for path, seen in guard.files.items()} == dict.fromkeys(guard.files, 1)
    assert len(guard.files) == number
    assert [(row["yearMonth"], row["complete"], row["sourceJob"]) for row in partitions] == [
        (month, True, job) for month, job in zip(months, jobs, strict=True)
    ]
    for row in partitions:
        assert row["items"] == sum(item["collection"] == L30 for item in catalog.month(row["yearMonth"]))
