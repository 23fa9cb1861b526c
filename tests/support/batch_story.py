"""What must hold once every job of a Batch stand-in has ended, whatever happened meanwhile."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from batch_runs import Run
from batch_stand_in import BatchStandIn

from storage.s3 import S3Store
from worker.contract import layout
from worker.contract.exits import ExitCode
from worker.contract.month import Month


def months(count: int) -> list[tuple[str, str]]:
    """So many partitions: prefix and month."""
    names = [str(month) for month in Month.span(Month(2014, 1), Month(2023, 12))]
    return [(f"set{number // len(names)}", names[number % len(names)]) for number in range(count)]


def check_published_once(stand_in: BatchStandIn, jobs: list[dict[str, Any]], wanted: list[tuple[str, str]]) -> None:
    """One job and one publication for each partition; of doubled runs one published, and the others gave way."""
    assert sorted(map(partition_of, jobs)) == sorted(wanted)
    assert [job["failure"] for job in jobs if job["status"] != "succeeded"] == []
    runs = _ended_runs(stand_in)
    keys = [layout.partition_key(prefix, Month.parse(month)) for prefix, month in wanted]
    assert Counter(key for run in runs for key in run.publications) == Counter(keys)
    store = S3Store(runs[0].parameters["s3Bucket"])
    assert sorted(stat.key for stat in store.scan() if stat.key.endswith("data.parquet")) == sorted(keys)
    for run in runs:
        assert run.publications or run.stop.is_set() or run.exit_code == ExitCode.CANCELLED, run
    for job in jobs:
        mine = {run.ref for run in runs if run.job_id == job["id"]}
        assert job["native"]["ref"] in mine, job


def partition_of(job: dict[str, Any]) -> tuple[str, str]:
    return job["params"]["prefix"], job["params"]["yearMonth"]


def _ended_runs(stand_in: BatchStandIn) -> list[Run]:
    """Every run, once all have ended: a double that no list shows yet gives way by itself."""
    deadline = time.monotonic() + 30
    while left := [run.ref for run in stand_in.runs.values() if not run.ended]:
        assert time.monotonic() < deadline, f"runs do not end: {left}"
        time.sleep(0.05)
    return list(stand_in.runs.values())


def check_told_once(url: str, jobs: list[dict[str, Any]]) -> None:
    """Each job's changes of state follow one from another, each is told once, and there is one end."""
    with _events_of(url) as events_of:
        for job in jobs:
            changes = [(event["from"], event["to"]) for event in events_of(job) if event["from"] != event["to"]]
            states = [to for _, to in changes]
            assert [before for before, _ in changes] == [None, *states[:-1]], changes
            assert states.count("submitted") == 1 or states == ["pending", "cancelled"], changes
            assert (states[0], states[-1]) == ("pending", job["status"])


def check_cancels(url: str, jobs: list[dict[str, Any]], asked: Mapping[str, int]) -> Counter[str]:
    """What came of the jobs that were asked to cancel, with the status of the answer by id.

    Each was cancelled, or it succeeded and the caller was told that the cancel came too late: by an event, or at once
    where it had ended. No other job was cancelled.
    """
    outcomes: Counter[str] = Counter()
    with _events_of(url) as events_of:
        for job in jobs:
            whys = [event["why"] for event in events_of(job)]
            noted = any("asked to cancel" in why for why in whys)
            too_late = sum("too late" in why for why in whys)
            if job["status"] == "cancelled":
                assert (asked.get(job["id"]), too_late) == (202, 0), whys
                held = any("the cancel holds" in why for why in whys)
                outcomes["stopped" if held else "not submitted"] += 1
            else:
                assert too_late == noted, whys
                assert noted or asked.get(job["id"]) in (None, 409), whys
                outcomes["too late"] += noted
    return outcomes


@contextmanager
def _events_of(url: str) -> Iterator[Callable[[dict[str, Any]], list[dict[str, Any]]]]:
    with httpx.Client(base_url=url, timeout=60) as client:
        yield lambda job: client.get(job["links"]["events"]).raise_for_status().json()["events"]
