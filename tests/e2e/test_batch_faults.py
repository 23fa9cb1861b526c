"""The service is killed again and again while jobs are submitted to a Batch that answers badly, and some cancelled."""

import math
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from batch_runs import Plan
from batch_service import Service, batch_environment, cancel, ended_jobs, jobs_that_are, service, submit
from batch_stand_in import BatchStandIn, Faults
from batch_story import check_cancels, check_published_once, check_told_once, months, partition_of
from lives import Lives

if TYPE_CHECKING:
    from tests.conftest import S3Server

FAULTS = Faults(
    throttled=0.03, late=0.04, late_seconds=0.3, hung_up=0.1, failed_after=0.05, forgotten=0.03, list_lag=10.0
)
"""Lists lag behind the time after which a submission is sent again, and behind that between two lives, so that doubles
happen."""
CERTAIN = ("throttled", "late", "hung_up", "failed_after", "forgotten")
SLOW = Plan(seconds=1.5)
"""For some of the jobs, so that a cancel finds them under way."""


@dataclass
class Wishes:
    """Some of the jobs are to be cancelled: at a random moment after they were asked for, or once they are seen under
    way."""

    random: Random
    due: dict[str, float] = field(default_factory=dict)
    """The moment by the job's id, on the monotonic clock; infinity for one that is to be seen under way."""
    answers: dict[str, int] = field(default_factory=dict)

    def draw(self, job: dict[str, Any]) -> None:
        if self.random.random() < 0.25:
            soon = time.monotonic() + self.random.uniform(0, 1)
            self.due[job["id"]] = self.random.choice((soon, math.inf))

    def carry_out(self, url: str) -> None:
        """Those whose moment has come; what got no answer stays to do."""
        waiting = {job_id for job_id, moment in self.due.items() if moment > time.monotonic()}
        if math.inf in self.due.values():
            waiting -= {job["id"] for job in jobs_that_are(url, "submitted", "running", "succeeded", "failed")}
        for job_id in self.due.keys() - waiting:
            if (status := cancel(url, job_id)) is not None:
                self.answers[job_id] = status
                del self.due[job_id]


@pytest.mark.parametrize(
    ("count", "kills"),
    [
        pytest.param(10, 3, marks=pytest.mark.timeout(240)),
        pytest.param(200, 100, marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
    ],
)
def test_killed_at_random_moments(count: int, kills: int, s3_server: "S3Server", lives: Lives, tmp_path: Path) -> None:
    """Every job ends and succeeds unless it is cancelled, every partition is published once or cancelled and never
    published, and of a double one run publishes and the others are terminated or give way; no state is told twice."""
    stand_in, wanted, moments = BatchStandIn(FAULTS), months(count), Random(count)
    stand_in.plans["set1"] = SLOW
    early, last = wanted[: -count // 20], wanted[-count // 20 :]
    wishes = Wishes(moments)
    with batch_environment(stand_in, s3_server.environment, s3_server.make_bucket()) as environment:
        environment["HLS_DATA_DIR"] = str(tmp_path)
        with service(lives, environment, tmp_path / "log") as killed:
            left = iter(early)
            todo: list[tuple[str, str]] = []
            for _ in range(kills):
                todo += islice(left, -(-len(early) // kills))
                _one_life(killed, todo, wishes, moments.uniform(0, 0.8))
            if count >= 200:  # each of the few takes as long as the service waits for an answer
                stand_in.faults = replace(FAULTS, silent=0.02)
            killed.start()
            url = killed.url()
            for prefix, month in [*todo, *last]:
                job = submit(url, prefix, month)
                assert job
                wishes.draw(job)
            while wishes.due:
                wishes.carry_out(url)
                time.sleep(0.02)
            jobs = ended_jobs(url)
            check_told_once(url, jobs)
            cancels = check_cancels(url, jobs, wishes.answers)
        assert sorted(map(partition_of, jobs)) == sorted(wanted)
        succeeded = [job for job in jobs if job["status"] != "cancelled"]
        check_published_once(stand_in, succeeded, [partition_of(job) for job in succeeded])
    doubles = sum(runs > 1 for runs in Counter(run.job_id for run in stand_in.runs.values()).values())
    print(  # noqa: T201  shown by pytest -s
        f"{len(stand_in.runs)} runs of {count} jobs, {doubles} jobs doubled; {len(wishes.answers)} asked to cancel, "
        f"{dict(cancels)}; {dict(stand_in.counts)}"
    )
    assert [fault for fault in CERTAIN if not stand_in.counts[fault]] == []
    if count >= 200:  # then only timings that are far off leave one of these out
        assert doubles
        assert min(cancels[outcome] for outcome in ("not submitted", "stopped", "too late")) > 0
        assert stand_in.counts["list_lag"]
        assert killed.printed.count("Read timeout") >= stand_in.counts["silent"] > 0


def _one_life(killed: Service, todo: list[tuple[str, str]], wishes: Wishes, seconds: float) -> None:
    """Start, submit and cancel what is to do, and kill it after so much time; what got no answer stays to do."""
    killed.start()
    url = killed.url()
    killed.says('"leads"')  # from here on it submits, which is when a kill may hurt
    timer = threading.Timer(seconds, killed.kill)
    timer.start()
    try:
        while todo and (job := submit(url, *todo[0])):
            todo.pop(0)
            wishes.draw(job)
        while timer.is_alive():
            wishes.carry_out(url)
            time.sleep(0.02)
    finally:
        timer.join()
