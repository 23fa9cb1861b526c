"""Cancelling at any moment, the last one included."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from lives import Lives
from randomness import drawn
from services import Service, service

from sample.catalog import Catalog
from sample.server import running
from worker.contract.collections import L30
from worker.contract.layout import partition_key
from worker.contract.month import Month

AT_ONCE = 2


@pytest.mark.parametrize(
    "cancels",
    [
        pytest.param(2, marks=pytest.mark.timeout(240)),
        pytest.param(50, marks=[pytest.mark.soak, pytest.mark.timeout(3000)]),
    ],
)
def test_a_cancel_at_a_random_moment(lives: Lives, tmp_path: Path, cancels: int) -> None:
    """Either cancelled and nothing published, or published and the caller was told that the cancel came too late:
    by an event, or at once where the job had ended. Never both, never neither."""
    random = drawn()
    months = [str(month) for month in Month.span(Month(2015, 12), Month(2020, 2))][:cancels]
    with (
        running(Catalog.generated(items_per_month=120)) as source,
        service(lives, tmp_path, source=source.url, HLS_LOCAL_WORKERS=str(AT_ONCE)) as running_service,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        draws = [Random(random.random()) for _ in months]
        outcomes = dict(zip(months, pool.map(partial(_cancel, running_service), months, draws), strict=True))
        time.sleep(1)
        published = {month for month in months if _exists(tmp_path / "service" / "archive", _partition(month))}
    assert published == {month for month, outcome in outcomes.items() if outcome == "succeeded"}, "published later"
    if cancels >= 50:  # then only a timing that is far off leaves one of the two out
        assert set(outcomes.values()) == {"cancelled", "succeeded"}


def _cancel(service: Service, month: str, random: Random) -> str:
    days = len(Month.parse(month).days())
    # Half of them at the end, where it is decided: around the lines that merging, verifying and publishing log.
    line = random.choice((random.randint(0, days + 1), random.randint(days + 2, days + 5)))
    job_id = service.submit(month, collections=[L30], prefix="dataset")
    while service.log_lines(job_id) < line:
        time.sleep(0.002)
    time.sleep(random.choice((0, random.uniform(0, 0.05))))
    reply = service.call("POST", f"/jobs/{job_id}/cancel")
    job = service.ended(job_id)
    events = service.call("GET", f"/jobs/{job_id}/events", expect=200)["events"]
    too_late = [event for event in events if "too late" in event["why"]]
    told = f"{month} after {line} lines: {reply.status_code}, {json.dumps(job)}, {json.dumps(events)}"
    archive = service.folder / "service" / "archive"
    published = _exists(archive, _partition(month))
    assert _exists(archive, f"_jobs/{job_id}/result.json") == published, told
    if job["status"] == "cancelled":
        assert not published, told
        assert not too_late, told
        assert reply.status_code == 202, told
    else:
        assert job["status"] == "succeeded", told
        assert published, told
        assert (reply.status_code == 409) != bool(too_late), told
    return str(job["status"])


def _partition(month: str) -> str:
    return partition_key("dataset", Month.parse(month))


def _exists(archive: Path, key: str) -> Any:
    return (archive / key).exists()
