"""The whole chain on AWS Batch without containers: the service, moto's Batch with its logs, S3, and the real worker."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import httpx
import pytest
from batch_account import deploy
from batch_machine import Machine
from batch_service import service
from lives import Lives
from months import described, finished

from hls.client import Client, ServiceError
from sample.catalog import Catalog
from sample.server import Running, running
from worker.contract import compute
from worker.contract.bbox import BBox
from worker.contract.exits import ExitCode
from worker.contract.layout import decision_key, partition_key, result_key
from worker.contract.month import Month

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_batch.type_defs import JobDetailTypeDef
    from mypy_boto3_s3 import S3Client

    from tests.conftest import S3Server

T = TypeVar("T")

ITEMS = 300
MONTH = Month(2024, 1)
AREA = BBox(-130, 25, -100, 50)
BOX = BBox.parse("-124.7,32.5,-114.1,42.0")


@dataclass(frozen=True)
class Chain:
    """Everything at work, and a look behind the service's back at each part."""

    client: Client
    http: httpx.Client
    source: Running
    machine: Machine
    bucket: str
    s3: "S3Client"
    batch: "BatchClient"

    def submit_straight(self, **parameters: str) -> str:
        """As a user does who does not know of the service; gives Batch's id of the job."""
        return self.batch.submit_job(
            jobName=f"by-hand-{MONTH}",
            jobQueue=compute.JOB_QUEUE,
            jobDefinition=compute.JOB_DEFINITION,
            parameters={"yearMonth": f"{MONTH}", "s3Bucket": self.bucket, **parameters},
        )["jobId"]

    def running(self, job_id: str) -> str | None:
        """Batch's id of the job once it runs and has asked the source."""
        job = self.client.job(job_id)
        is_running = job["status"] == "running" and self.source.log.searches()
        return str(job["native"]["ref"]) if is_running else None

    def matched(self, box: BBox) -> int:
        """How many of the month's items the source has in the box."""
        search = {"bbox": f"{box}", "datetime": "2024-01-01T00:00:00Z/2024-01-31T23:59:59.999Z", "limit": "1"}
        return int(httpx.get(f"{self.source.url}/search", params=search).json()["context"]["matched"])

    def described(self, ref: str) -> "JobDetailTypeDef":
        [job] = self.batch.describe_jobs(jobs=[ref])["jobs"]
        return job

    def partition(self, prefix: str) -> "dict[str, Any] | None":
        """The month as the catalogue knows it, once it does."""
        try:
            return described(self.client, f"{MONTH}", prefix)
        except ServiceError as error:
            if error.status != 404:
                raise
            return None

    def cancel(self, job_id: str) -> int:
        return self.http.post(f"/jobs/{job_id}/cancel").status_code

    def body(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def has(self, key: str) -> bool:
        return self.s3.list_objects_v2(Bucket=self.bucket, Prefix=key)["KeyCount"] > 0


def until(look: Callable[[], T | None]) -> T:
    """What the look gives, as soon as it gives something."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("nothing within a minute")


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def machine(
    s3_server: "S3Server", tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch
) -> Iterator[Machine]:
    """Batch and CloudWatch by moto in this process, and a machine that runs the jobs; S3 stays the real one."""
    from moto.batch_simple.models import BatchSimpleBackend  # slow, and not for whoever only collects tests
    from moto.core.config import default_user_config
    from moto.server import ThreadedMotoServer

    machine = Machine(tmp_path_factory.mktemp("machine"))
    patch.setitem(default_user_config, "batch", {"use_docker": False})
    patch.setattr(BatchSimpleBackend, "_mark_job_as_finished", machine.taking())
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    httpx.post(f"http://{host}:{port}/moto-api/reset").raise_for_status()  # of other tests in this process
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL_S3"):
        patch.delenv(name, raising=False)
    for name, value in s3_server.environment.items():
        patch.setenv(name, value)
    for name in ("BATCH", "CLOUDWATCH_LOGS", "IAM"):
        patch.setenv(f"AWS_ENDPOINT_URL_{name}", f"http://{host}:{port}")
    patch.setattr("boto3.DEFAULT_SESSION", None)
    yield machine
    machine.close()
    moto.stop()


@pytest.fixture(scope="module")
def chain(
    s3_server: "S3Server", machine: Machine, lives: Lives, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chain]:
    """The service on Batch, with a job definition made from the contract. Each test has prefixes of its own."""
    folder, bucket = tmp_path_factory.mktemp("chain"), s3_server.make_bucket()
    with running(Catalog.generated(items_per_month=ITEMS, area=AREA)) as source:
        worker = {"STAC_API_URL": source.url, "TEMP_DIR": str(folder / "temporary"), "RETRY_WAIT_MAX": "0.2"}
        deploy(image="worker", environment=s3_server.environment | worker)
        settings = {
            "HLS_EXECUTOR": "batch",
            "HLS_ARCHIVE": f"s3://{bucket}",
            "HLS_DATA_DIR": str(folder / "service"),
            "HLS_PORT": "0",
            "HLS_RECONCILE_SECONDS": "0.2",
            "HLS_PROGRESS_SECONDS": "0.2",
            "HLS_REFRESH_SECONDS": "0.2",
        }
        with service(lives, settings, folder / "service.log") as started:
            started.start()
            with Client(started.url()) as client, httpx.Client(base_url=client.url) as http:
                s3, batch = boto3.client("s3"), boto3.client("batch")
                until(client.ready)
                yield Chain(client, http, source, machine, bucket, s3, batch)
                s3.close()
                batch.close()


@pytest.fixture
def stalled(chain: Chain) -> Iterator[Chain]:
    """The chain with a source that answers no search, so that a job runs for as long as a test likes."""
    chain.source.log.clear()
    chain.source.faults.replace(["503:on=search"])
    yield chain
    chain.source.faults.replace([])


def test_a_month_over_http(stalled: Chain) -> None:
    """Submitted over HTTP, run by Batch on a machine that is taken back, tried again by Batch, published to S3,
    catalogued; the job says with what it ran and what it said."""
    job: dict[str, Any] = {**stalled.client.submit(f"{MONTH}", prefix="http")}
    ref = until(lambda: stalled.running(job["id"]))
    stalled.machine.processes[ref].send_signal(signal.SIGTERM)
    stalled.source.faults.replace([])
    job = finished(stalled.client, job["id"])
    assert job["status"] == "succeeded", (job["failure"], job["logTail"])
    assert job["native"]["definition"].endswith(f"{compute.JOB_DEFINITION}:1")
    assert [attempt["exitCode"] for attempt in job["attempts"]] == [ExitCode.INTERRUPTED, ExitCode.DONE]
    assert any("the partition is published" in line for line in job["logTail"])
    states = [event["to"] for event in stalled.http.get(f"/jobs/{job['id']}/events").json()["events"]]
    assert sorted(set(states), key=states.index) == ["pending", "submitted", "running", "succeeded"]
    partition = stalled.client.partition(f"{MONTH}", "http")
    assert (partition["state"], partition["items"], partition["sourceJob"]) == ("ready", ITEMS, job["id"])
    assert stalled.has(partition_key("http", MONTH))


def test_straight_to_the_queue(chain: Chain) -> None:
    """What was submitted behind the service's back shows up in the catalogue by itself, with a box and without.
    A box on the prefix of a dataset without one is refused by the worker, with 64, and spoils nothing."""
    counts = {"straight": ITEMS, "straight-box": chain.matched(BOX)}
    assert 0 < counts["straight-box"] < ITEMS
    refs = {
        "straight": chain.submit_straight(s3Prefix="straight", parallel="true"),
        "straight-box": chain.submit_straight(s3Prefix="straight-box", boundingBox=str(BOX)),
    }
    for prefix, ref in refs.items():
        partition = until(partial(chain.partition, prefix))
        assert (partition["state"], partition["items"]) == ("ready", counts[prefix])
        assert json.loads(chain.body(result_key(ref)))["key"] == partition_key(prefix, MONTH)
    ref = chain.submit_straight(s3Prefix="straight", boundingBox=str(BOX))
    until(lambda: chain.described(ref)["status"] == "FAILED")
    assert chain.described(ref)["container"]["exitCode"] == ExitCode.BAD_PARAMETERS
    assert chain.client.partition(f"{MONTH}", "straight")["items"] == ITEMS


def test_a_job_is_cancelled(stalled: Chain) -> None:
    """A running job's worker is told to stop and stops in order; nothing is published, and the job stays so."""
    job: dict[str, Any] = {**stalled.client.submit(f"{MONTH}", prefix="cancelled")}
    ref = until(lambda: stalled.running(job["id"]))
    assert stalled.cancel(job["id"]) == 202
    job = finished(stalled.client, job["id"])
    assert (job["status"], job["failure"]) == ("cancelled", None)
    assert stalled.machine.processes[ref].wait(30) == ExitCode.INTERRUPTED
    assert stalled.has(decision_key(job["id"]))
    assert not stalled.has("cancelled/")
