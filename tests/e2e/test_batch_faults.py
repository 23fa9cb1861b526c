"""The service is killed again and again while jobs are submitted to a Batch that answers badly."""

import random
import threading
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from batch_service import Service, batch_environment, ended_jobs, service, submit
from batch_stand_in import BatchStandIn, Faults
from batch_story import check_published_once, check_told_once, months
from lives import Lives

if TYPE_CHECKING:
    from tests.conftest import S3Server

FAULTS = Faults(
    throttled=0.03, late=0.04, late_seconds=0.3, hung_up=0.1, failed_after=0.05, forgotten=0.03, list_lag=1.0
)
"""Lists lag behind the time after which a submission is sent again, so that doubles happen."""


@pytest.mark.parametrize(
    ("count", "kills"), [(10, 3), pytest.param(200, 100, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
)
def test_killed_at_random_moments(count: int, kills: int, s3_server: "S3Server", lives: Lives, tmp_path: Path) -> None:
    """Every job ends and succeeds, every partition is published once, and of a double one run publishes and the
    others are terminated or give way; no state is told twice."""
    stand_in, wanted, moments = BatchStandIn(FAULTS), months(count), random.Random(count)
    with batch_environment(stand_in, s3_server.environment, s3_server.make_bucket()) as environment:
        environment["HLS_DATA_DIR"] = str(tmp_path)
        with service(lives, environment, tmp_path / "log") as killed:
            left = iter(wanted)
            todo: list[tuple[str, str]] = []
            for _ in range(kills):
                todo += islice(left, -(-count // kills))
                _one_life(killed, todo, moments.uniform(0, 0.8))
            killed.start()
            url = killed.url()
            for prefix, month in [*todo, *left]:
                assert submit(url, prefix, month)
            jobs = ended_jobs(url)
            check_told_once(url, jobs)
        check_published_once(stand_in, jobs, wanted)
    print(f"{len(stand_in.runs)} runs of {count} jobs; {dict(stand_in.counts)}")  # noqa: T201  shown by pytest -s


def _one_life(killed: Service, todo: list[tuple[str, str]], seconds: float) -> None:
    """Start, submit what is to do, and kill it after so much time; what got no answer stays to do."""
    killed.start()
    url = killed.url()
    killed.says('"leads"')  # from here on it submits, which is when a kill may hurt
    timer = threading.Timer(seconds, killed.kill)
    timer.start()
    try:
        while todo and submit(url, *todo[0]):
            todo.pop(0)
    finally:
        timer.join()
