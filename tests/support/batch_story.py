"""What must hold once every job of a Batch stand-in has ended, whatever happened meanwhile."""

from collections import Counter
from typing import Any

import httpx
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
    assert sorted((job["params"]["prefix"], job["params"]["yearMonth"]) for job in jobs) == sorted(wanted)
    assert [job["failure"] for job in jobs if job["status"] != "succeeded"] == []
    runs = list(stand_in.runs.values())
    assert [run.ref for run in runs if not run.ended] == []
    keys = [layout.partition_key(prefix, Month.parse(month)) for prefix, month in wanted]
    assert Counter(key for run in runs for key in run.publications) == Counter(keys)
    store = S3Store(runs[0].parameters["s3Bucket"])
    assert sorted(stat.key for stat in store.scan() if stat.key.endswith("data.parquet")) == sorted(keys)
    for run in runs:
        assert run.publications or run.stop.is_set() or run.exit_code == ExitCode.CANCELLED, run
    for job in jobs:
        mine = {run.ref for run in runs if run.job_id == job["id"]}
        assert job["native"]["ref"] in mine, job


def check_told_once(url: str, jobs: list[dict[str, Any]]) -> None:
    """Each job's changes of state follow one from another, each is told once, and there is one end."""
    with httpx.Client(base_url=url, timeout=60) as client:
        for job in jobs:
            events = client.get(job["links"]["events"]).raise_for_status().json()["events"]
            changes = [(event["from"], event["to"]) for event in events if event["from"] != event["to"]]
            states = [to for _, to in changes]
            assert [before for before, _ in changes] == [None, *states[:-1]], changes
            assert states.count("submitted") == 1, changes
            assert (states[0], states[-1]) == ("pending", job["status"])
