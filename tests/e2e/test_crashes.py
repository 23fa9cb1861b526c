"""The service is killed, again and again, with jobs in flight."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lives import Lives
from randomness import drawn
from services import Guard, Service, service

from sample.catalog import Catalog
from sample.server import running
from worker.contract.collections import L30
from worker.contract.compute import ATTEMPTS
from worker.contract.month import Month

_SEARCHES = 10
"""A worker has a month in its hands for at least the time of so many, one after another."""


class Jobs:
    """Jobs of one month each, of which there are always as many in flight as are wanted."""

    def __init__(self, service: Service, number: int) -> None:
        self._service, self._number = service, number
        self._months: Iterator[Month] = Month.span(Month(2014, 1), Month(2023, 12))
        self.months: dict[str, str] = {}

    def fill(self) -> None:
        while self.in_flight() < self._number:
            month = str(next(self._months))
            self.months[self._service.submit(month, collections=[L30], prefix="dataset")] = month

    def in_flight(self) -> int:
        jobs = self._service.call("GET", "/jobs", expect=200, params={"limit": 100})["jobs"]
        return sum(job["endedAt"] is None for job in jobs)

    def ended(self) -> dict[str, dict[str, Any]]:
        return {job: self._service.ended(job) for job in self.months}

    def retried(self, job: str) -> dict[str, Any]:
        """The job's end after a retry."""
        again = self._service.call("POST", f"/jobs/{job}/retry", expect=202)["id"]
        self.months[again] = self.months.pop(job)
        return self._service.ended(again)


SOAK = [pytest.mark.soak, pytest.mark.timeout(3000)]


@pytest.mark.parametrize(
    ("number", "kills", "latest", "reboot"),
    [
        pytest.param(2, 2, 2.5, False, marks=pytest.mark.timeout(240), id="service"),
        pytest.param(10, 20, 5, False, marks=SOAK, id="service, often"),
        pytest.param(10, 20, 5, True, marks=SOAK, id="machine, often"),
    ],
)
def test_a_service_that_is_killed_with_jobs_in_flight(
    lives: Lives, tmp_path: Path, number: int, kills: int, latest: float, reboot: bool
) -> None:
    """At random moments, ten jobs at a time when all is run, with its supervisors and workers when the machine goes
    down: after the restart each job ends, none ever has two live workers, none publishes twice, and each is in the
    catalogue with all its items. Those that lost all their attempts with the machine say so, and a retry ends well."""
    random = drawn()
    moments = [random.choice((random.uniform(0, 0.3), random.uniform(0, latest))) for _ in range(kills)]
    catalog = Catalog.generated(items_per_month=120)
    with (
        running(catalog) as source,
        Guard(tmp_path / "service" / "archive") as guard,
        service(lives, tmp_path, source=source.url, HLS_LOCAL_WORKERS="3") as running_service,
    ):
        jobs = Jobs(running_service, number)
        source.faults.replace([f"latency:seconds={1.2 * latest / _SEARCHES}"])  # so that no moment finds all jobs ended
        for moment in moments:
            jobs.fill()
            time.sleep(moment)
            assert jobs.in_flight() > 0
            running_service.kill(with_workers=reboot)
            running_service.start()
        source.faults.replace([])
        for job, ended in jobs.ended().items():
            if reboot and ended["status"] == "failed":
                assert (ended["failure"]["code"], len(ended["attempts"])) == ("INTERRUPTED", ATTEMPTS), ended
                ended = jobs.retried(job)
            assert ended["status"] == "succeeded", (ended["failure"], ended["logTail"], moments)
        partitions = running_service.call("GET", "/partitions", expect=200)["partitions"]
    assert guard.looks > 10
    assert not guard.doubled
    assert {path: len(seen) for path, seen in guard.files.items()} == dict.fromkeys(guard.files, 1)
    assert len(guard.files) == len(jobs.months)
    assert {row["sourceJob"]: (row["yearMonth"], row["complete"]) for row in partitions} == {
        job: (month, True) for job, month in jobs.months.items()
    }
    for row in partitions:
        assert row["items"] == sum(item["collection"] == L30 for item in catalog.month(row["yearMonth"]))
