"""Fixtures for executors: local runs with a stand-in for the worker, and a Batch of moto's whose jobs are moved by hand."""

import os
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import boto3
import psutil
import pytest

from api.executors.base import RunStatus
from api.executors.batch import BatchExecutor
from api.executors.local import LocalExecutor
from worker.contract import compute
from worker.contract.job import RunParams

if TYPE_CHECKING:  # moto takes a second to import, and is not for whoever only collects tests
    from moto.batch.models import Job
    from moto.batch_simple.models import BatchSimpleBackend
    from mypy_boto3_logs.type_defs import InputLogEventTypeDef

T = TypeVar("T")

STAND_IN = Path(__file__).with_name("stand_in.py")


def params_of(job_id: str, destination: str = "s3://archive") -> RunParams:
    return RunParams(year_month="202401", job_id=job_id, destination=destination, parallel=True)


def until(look: Callable[[], T | None], seconds: float = 30) -> T:
    """What the look gives, as soon as it gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"nothing within {seconds} s")


class LocalLab:
    """A directory of local runs, and what its workers are told to do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.command = (sys.executable, "-S", "-E", str(STAND_IN), str(folder))
        self.executors: list[LocalExecutor] = []

    def executor(self, *, max_workers: int = 4, timeout: float = 60, grace: float = 10) -> LocalExecutor:
        executor = LocalExecutor(
            self.state,
            max_workers=max_workers,
            command=self.command,
            timeout=timedelta(seconds=timeout),
            grace=timedelta(seconds=grace),
            backoff=timedelta(seconds=0.05),
        )
        self.executors.append(executor)
        return executor

    def order(self, job_id: str, *lines: str) -> None:
        (self.folder / f"{job_id}.orders").write_text("\n".join(lines))

    def go(self, job_id: str, exit_code: int = 0) -> None:
        temporary = self.folder / f"{job_id}.going"
        temporary.write_text(str(exit_code))
        temporary.rename(self.folder / f"{job_id}.go")

    def trace(self, job_id: str) -> list[tuple[str, int]]:
        path = self.folder / f"{job_id}.trace"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(line.split()[0], int(line.split()[1])) for line in lines]

    def worker(self, job_id: str) -> int:
        """The process id of the attempt that goes on, once it is there."""

        def look() -> int | None:
            trace = self.trace(job_id)
            return trace[-1][1] if trace and trace[-1][0] == "start" and psutil.pid_exists(trace[-1][1]) else None

        return until(look)

    def supervisors(self, job_id: str) -> list[psutil.Process]:
        return [p for p in self.processes() if "api.executors.supervisor" in _command(p) and job_id in _command(p)]

    def processes(self) -> list[psutil.Process]:
        """What runs on behalf of this directory."""
        return [p for p in psutil.process_iter() if str(self.folder) in _command(p) and p.pid != os.getpid()]

    def clean(self) -> None:
        for process in self.processes():
            process.send_signal(signal.SIGKILL)
        for executor in self.executors:
            executor.close()


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()) if process.status() != psutil.STATUS_ZOMBIE else ""
    except psutil.Error:
        return ""


def ended(executor: LocalExecutor, ref: str) -> RunStatus:
    """The run's last word, while polling as the service does."""

    def look() -> RunStatus | None:
        status = executor.poll([ref])[ref]
        return status if status.state.ended else None

    return until(look)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LocalLab]:
    lab = LocalLab(tmp_path)
    yield lab
    lab.clean()


ACCOUNT, REGION = "123456789012", "us-east-1"


class MotoBatch:
    """moto's Batch with a queue and a job definition. Its jobs wait until they are moved on."""

    def __init__(self) -> None:
        self.client = boto3.client("batch")
        self.logs = boto3.client("logs")
        trust = '{"Statement": []}'
        role = boto3.client("iam").create_role(RoleName="batch", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        environment = self.client.create_compute_environment(
            computeEnvironmentName="machines", type="UNMANAGED", serviceRole=role
        )
        self.client.create_job_queue(
            jobQueueName=compute.JOB_QUEUE,
            state="ENABLED",
            priority=1,
            computeEnvironmentOrder=[{"order": 1, "computeEnvironment": environment["computeEnvironmentArn"]}],
        )
        self.register()
        self.logs.create_log_group(logGroupName="/aws/batch/job")

    def register(self) -> str:
        """Make a new revision of the job definition."""
        return self.client.register_job_definition(
            jobDefinitionName=compute.JOB_DEFINITION,
            type="container",
            containerProperties={"image": "worker", "vcpus": 2, "memory": 4096, "command": ["none"]},
        )["jobDefinitionArn"]

    def job(self, ref: str) -> "Job":
        from moto.batch.models import batch_backends

        return batch_backends[ACCOUNT][REGION]._jobs[ref]

    def start(self, ref: str) -> None:
        job = self.job(ref)
        job.job_started_at = datetime.now()  # noqa: DTZ005  as moto has it
        job.log_stream_name = job._stream_name
        job._start_attempt()
        job.status = "RUNNING"
        self.logs.create_log_stream(logGroupName="/aws/batch/job", logStreamName=job._stream_name)
        now = int(time.time() * 1000)
        events: list[InputLogEventTypeDef] = [{"timestamp": now, "message": f"line {i}"} for i in range(3)]
        self.logs.put_log_events(logGroupName="/aws/batch/job", logStreamName=job._stream_name, logEvents=events)

    def end(self, ref: str, exit_code: int) -> None:
        job = self.job(ref)
        job.exit_code = exit_code
        job._mark_stopped(success=exit_code == 0)
        job.status = "SUCCEEDED" if exit_code == 0 else "FAILED"

        def described() -> dict[str, object]:  # moto's own leaves the code out of a job that ended
            return {**type(job)._container_details(job), "exitCode": exit_code}

        vars(job)["_container_details"] = described


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(moto_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard AWS settings, pointing at an empty moto."""
    for name in ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    urllib.request.urlopen(f"{moto_server}/moto-api/reset", data=b"").close()  # noqa: S310  our own server


@pytest.fixture
def moto_batch(aws: None, monkeypatch: pytest.MonkeyPatch) -> MotoBatch:
    from moto.batch_simple.models import BatchSimpleBackend
    from moto.core.config import default_user_config

    def wait(backend: "BatchSimpleBackend", include_start_attempt: bool, job: "Job") -> None:
        backend.backend._jobs[job.job_id] = job
        job.status = "RUNNABLE"

    monkeypatch.setitem(default_user_config, "batch", {"use_docker": False})
    monkeypatch.setattr(BatchSimpleBackend, "_mark_job_as_finished", wait)
    return MotoBatch()


@pytest.fixture
def batch(moto_batch: MotoBatch) -> Iterator[BatchExecutor]:
    executor = BatchExecutor.connect()
    yield executor
    executor.close()
