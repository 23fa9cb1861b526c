"""Each failure code, caused at a Batch stand-in or in the archive, as the job's body explains it over HTTP."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from batch_runs import Plan
from batch_service import batch_environment, ended_jobs, service, submit
from batch_stand_in import AwsFault, BatchStandIn
from lives import Lives
from staged_days import partition_file, provenance_of

from storage import StorageError
from storage.s3 import S3Store
from worker.contract import layout
from worker.contract.exits import REMEDY, FailureCode
from worker.contract.job import RunParams
from worker.errors import Incomplete, SourceUnavailable
from worker.publish import Publisher

if TYPE_CHECKING:
    from tests.conftest import S3Server

MONTH = "202401"
EXITED = "Essential container in task exited"
SPOT = "Host EC2 (instance i-0123456789abcdef0) terminated."
FULL = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - The job waited longer than the queue allows."
WAITS = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - The job asks for more than the environment has."


def published_elsewhere(store: S3Store, params: RunParams, items: int = 3) -> int:
    """Another run puts the partition while this one harvests."""
    other = params.model_copy(update={"job_id": f"other-{items}"})
    provenance = provenance_of(other, items=items)
    publisher = Publisher(S3Store(store.bucket), other, "elsewhere")
    with TemporaryDirectory() as folder:
        path = partition_file(Path(folder) / "data.parquet", provenance)
        publisher.publish(publisher.begin(), path, provenance, row_groups=1, now=datetime.now(UTC))
    return 3


def bound_elsewhere(store: S3Store, params: RunParams) -> int:
    """Another run binds the prefix to other collections while this one harvests."""
    store.create(layout.dataset_key(params.prefix), b'{"bbox": null, "collections": ["HLSL30_2.0"]}')
    return 3


def source_away(_store: S3Store, _params: RunParams) -> int:
    raise SourceUnavailable("no progress for 60 minutes; 503 for HLSS30_2.0 of 2024-01-07")


def source_short(_store: S3Store, _params: RunParams) -> int:
    raise Incomplete("the source stated 4000 items of HLSL30_2.0 for 2024-01-07 and served 3900")


def archive_away(_store: S3Store, _params: RunParams) -> int:
    raise StorageError("could not write data.parquet: AccessDenied")


def broken(_store: S3Store, _params: RunParams) -> int:
    raise KeyError("assets")


@dataclass(frozen=True)
class Case:
    """What causes a failure, the words that tell it, and how many attempts Batch makes."""

    code: FailureCode
    plan: Plan
    words: tuple[str, ...]
    attempts: int = 1


CASES = {
    "out-of-memory": Case(
        FailureCode.OUT_OF_MEMORY,
        Plan(
            ends_because=EXITED,
            container_reason="OutOfMemoryError: Container killed due to memory usage",
            exit_code=137,
        ),
        ("exit code 137", "OutOfMemoryError"),
    ),
    "killed-without-a-word": Case(
        FailureCode.OUT_OF_MEMORY, Plan(ends_because=EXITED, exit_code=137), ("exit code 137",)
    ),
    "timeout": Case(
        FailureCode.TIMEOUT,
        Plan(ends_because="Job attempt duration exceeded timeout", exit_code=137),
        ("exceeded timeout",),
    ),
    "interrupted": Case(FailureCode.INTERRUPTED, Plan(ends_because=SPOT), (SPOT, "in the last of 3 attempts"), 3),
    "image": Case(
        FailureCode.IMAGE,
        Plan(
            ends_because="Task failed to start",
            container_reason="CannotPullContainerError: manifest unknown for worker:1",
        ),
        ("manifest unknown", "in the last of 3 attempts"),
        3,
    ),
    "capacity": Case(FailureCode.CAPACITY, Plan(ends_because=FULL), (FULL,)),
    "source": Case(
        FailureCode.SOURCE_UNAVAILABLE,
        Plan(harvest=source_away),
        ("503 for HLSS30_2.0 of 2024-01-07", "exit code 69 in the last of 3 attempts"),
        3,
    ),
    "incomplete": Case(
        FailureCode.INCOMPLETE, Plan(harvest=source_short), ("stated 4000 items", "served 3900", "exit code 65")
    ),
    "would-shrink": Case(FailureCode.WOULD_SHRINK, Plan(), ("has 5 items", "only 3", "allowShrink", "exit code 66")),
    "conflict": Case(FailureCode.CONFLICT, Plan(harvest=published_elsewhere), ("exit code 67", "its file was kept")),
    "storage": Case(FailureCode.STORAGE, Plan(harvest=archive_away), ("AccessDenied", "exit code 74")),
    "bound": Case(FailureCode.BAD_REQUEST, Plan(harvest=bound_elsewhere), ("is bound to", "exit code 64")),
    "refused": Case(FailureCode.BAD_REQUEST, Plan(), ("The executor refused the job", "parameters are too long"), 0),
    "lost": Case(FailureCode.LOST, Plan(forgotten=True, waits_because="gone"), ("has not known the run",), 0),
    "broken": Case(FailureCode.APP, Plan(harvest=broken), ("KeyError: 'assets'", "exit code 1")),
}


@dataclass(frozen=True)
class Told:
    """Every case's job as the service tells it after its end, by its prefix, and one that waits."""

    jobs: dict[str, dict[str, Any]]
    events: dict[str, list[dict[str, Any]]]
    waiting: dict[str, Any]


@pytest.fixture(scope="module")
def told(s3_server: "S3Server", lives: Lives, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """All the cases side by side in one service, which is what keeps this short."""
    stand_in, bucket, folder = BatchStandIn(), s3_server.make_bucket(), tmp_path_factory.mktemp("service")
    stand_in.plans = {prefix: case.plan for prefix, case in CASES.items()}
    stand_in.plans["waits"] = Plan(waits_because=WAITS)
    stand_in.refusals["refused"] = AwsFault(400, "ClientException", "the parameters are too long")
    with (
        batch_environment(stand_in, s3_server.environment, bucket) as environment,
        service(
            lives, {**environment, "HLS_DATA_DIR": str(folder), "HLS_LOST_SECONDS": "1"}, folder / "log"
        ) as running,
    ):
        standing = RunParams(year_month=MONTH, prefix="would-shrink", job_id="before", destination=f"s3://{bucket}")
        published_elsewhere(S3Store(bucket), standing, items=5)
        running.start()
        url = running.url()
        waiting = _waits(url)
        for prefix in CASES:
            assert submit(url, prefix, MONTH)
        jobs = {job["params"]["prefix"]: job for job in ended_jobs(url)}
        with httpx.Client(base_url=url) as client:
            events = {prefix: client.get(job["links"]["events"]).json()["events"] for prefix, job in jobs.items()}
        yield Told(jobs, events, waiting)


def _waits(url: str) -> dict[str, Any]:
    """A job that Batch has in RUNNABLE, once the service knows why; cancelled then, so that all jobs end."""
    job = submit(url, "waits", MONTH)
    assert job
    with httpx.Client(base_url=url) as client:
        deadline = time.monotonic() + 60
        while client.get(job["links"]["self"]).json()["native"]["reason"] is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        waiting: dict[str, Any] = client.get(job["links"]["self"]).json()
        assert client.post(f"{job['links']['self']}/cancel").status_code == 202
    return waiting


@pytest.mark.parametrize("prefix", CASES)
def test_a_failure_is_explained(told: Told, prefix: str) -> None:
    """The code, what happened in the words of Batch or the worker, what to do, and the way to a retry."""
    case, job = CASES[prefix], told.jobs[prefix]
    assert (job["status"], job["failure"]["code"]) == ("failed", case.code), job
    message = job["failure"]["message"]
    for words in (*case.words, REMEDY[case.code]):
        assert words in message
    assert job["message"] == message
    assert len(job["attempts"]) == case.attempts
    assert job["links"]["retry"] == f"/jobs/{job['id']}/retry"
    assert told.events[prefix][-1]["why"] == message


def test_every_code_is_reached() -> None:
    """No code of the contract goes without a test that causes it."""
    assert {case.code for case in CASES.values()} == set(FailureCode)


def test_a_queued_job_says_why_it_waits(told: Told) -> None:
    """Batch's own reason for a job that stays in RUNNABLE stands in the job's message; cancelled, it ends."""
    assert told.waiting["status"] == "submitted"
    assert told.waiting["native"]["status"] == "RUNNABLE"
    assert told.waiting["message"] == f"Queued at the executor (RUNNABLE): waiting for room to run. {WAITS}"
    assert told.jobs["waits"]["status"] == "cancelled"
