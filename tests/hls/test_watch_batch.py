"""`hls watch` of a job that AWS Batch has queued: it says what Batch says."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from batch_runs import Plan
from batch_service import batch_environment
from batch_stand_in import BatchStandIn
from terminals import on_a_terminal, plain

from hls.client import Client
from hls.faults import ExitCode
from hls.processes import server

if TYPE_CHECKING:
    from tests.conftest import S3Server

WAITS = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - The job asks for more than the environment has."


@pytest.fixture
def batch_url(s3_server: "S3Server", tmp_path: Path) -> Iterator[str]:
    """A service whose jobs wait in RUNNABLE."""
    stand_in, bucket = BatchStandIn(), s3_server.make_bucket()
    stand_in.plans = {"waits": Plan(waits_because=WAITS)}
    with batch_environment(stand_in, s3_server.environment, bucket) as settings:
        environment = {**settings, "HLS_DATA_DIR": str(tmp_path / "data")}
        with server("api", log=tmp_path / "log", environment=environment) as url:
            yield url
    s3_server.remove_bucket(bucket)


def test_what_batch_says_while_the_job_waits(environment: dict[str, str], batch_url: str) -> None:
    """Its word and its reason stand over the bar before there is any progress; cancelled, the job ends the watch."""
    with Client(batch_url) as client:
        job_id = client.submit("202401", prefix="waits")["id"]

        def cancel(text: str) -> None:
            if WAITS in plain(text) and client.job(job_id)["status"] == "submitted":
                client.cancel(job_id)

        command = [sys.executable, "-m", "hls", "watch", job_id, "--url", batch_url]
        code, text = on_a_terminal(command, environment, width=240, seen=cancel)
    assert code == ExitCode.JOB_FAILED, text
    assert f"Queued at the executor (RUNNABLE): waiting for room to run. {WAITS}" in plain(text)
    assert f"Job {job_id} cancelled" in plain(text)
