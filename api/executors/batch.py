"""Runs as jobs of AWS Batch."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from api.executors.base import (
    ExecutorError,
    ExecutorUnavailable,
    LogLine,
    LogPage,
    RunStatus,
    Submission,
    SubmissionRefused,
)
from api.executors.batch_faults import AWS_FAULTS, submission_fault, unavailable
from api.executors.batch_logs import LogReader
from api.executors.batch_status import run_status
from api.executors.pacing import Pacer
from worker.contract import compute
from worker.contract.job import RunParams

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_batch.type_defs import JobDetailTypeDef, JobSummaryTypeDef
    from mypy_boto3_logs import CloudWatchLogsClient

_DESCRIBED_AT_ONCE = 100
_LONGEST_REASON = 1024
_CALLS_PER_SECOND = 40  # Batch takes 50 submissions a second
_DEFINITION_SECONDS = 60
_NO_JOB = "hls-none"
"""Name and id of no job."""
_PINNED = re.compile(r".+:\d+")


class NotOurs(ExecutorError):
    """The job was not submitted by this service, so it is left alone."""


class BatchExecutor:
    """Jobs of one queue and the newest revision of one job definition.

    The submitting client must not send a call twice (`total_max_attempts` of 1): SubmitJob has no idempotency token.
    Every other call may be sent again.
    """

    name = "batch"

    def __init__(
        self,
        submitter: "BatchClient",
        client: "BatchClient",
        logs_client: "CloudWatchLogsClient",
        *,
        queue: str = compute.JOB_QUEUE,
        definition: str = compute.JOB_DEFINITION,
    ) -> None:
        self._submitter = submitter
        self._client = client
        self._logs_client = logs_client
        self._queue = queue
        self._definition = _Definition(client, definition)
        self._logs = LogReader(logs_client)
        self._pacer = Pacer(_CALLS_PER_SECOND)

    @classmethod
    def connect(cls, *, queue: str = compute.JOB_QUEUE, definition: str = compute.JOB_DEFINITION) -> "BatchExecutor":
        """With clients of the standard AWS settings (credentials, region, endpoint).

        Raises:
            ExecutorUnavailable: the settings make no client.
        """
        once = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=5, read_timeout=30)
        again = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=5, read_timeout=10)
        try:
            submitter, batch = boto3.client("batch", config=once), boto3.client("batch", config=again)
            logs = boto3.client("logs", config=again)
        except (BotoCoreError, ValueError) as error:
            raise ExecutorUnavailable(f"the AWS settings make no Batch client: {error}") from error
        return cls(submitter, batch, logs, queue=queue, definition=definition)

    def submit(self, params: RunParams) -> Submission:
        try:
            parameters = params.to_parameters()
        except ValueError as error:
            raise SubmissionRefused(str(error)) from error
        with self._call("look up the job definition"):
            definition = self._definition.pinned()
        self._pacer.wait()
        try:
            reply = self._submitter.submit_job(
                jobName=compute.job_name(params.year_month, params.job_id),
                jobQueue=self._queue,
                jobDefinition=definition,
                parameters=parameters,
                tags={compute.JOB_TAG: params.job_id},
            )
        except AWS_FAULTS as error:
            fault = submission_fault(error)
            if isinstance(fault, ExecutorUnavailable):
                self._definition.forget()
            raise fault from error
        return Submission(ref=reply["jobId"], definition=definition)

    def find(self, name: str) -> Sequence[RunStatus]:
        # With a filter ListJobs gives jobs of every status. Its match ignores case, hence the exact comparison.
        pages = self._client.get_paginator("list_jobs").paginate(
            jobQueue=self._queue, filters=[{"name": "JOB_NAME", "values": [name]}]
        )
        listed: list[JobSummaryTypeDef] = []
        with self._call("list the jobs"):
            self._pacer.wait()
            for page in pages:
                listed += [job for job in page["jobSummaryList"] if job["jobName"] == name]
                self._pacer.wait()
        listed.sort(key=lambda job: job["createdAt"])
        described = self._describe([job["jobId"] for job in listed])
        # Only the description tells tags; what has not ours is somebody else's, whatever its name.
        foreign = {ref for ref, job in described.items() if compute.JOB_TAG not in job.get("tags", {})}
        return [run_status(described.get(job["jobId"], job)) for job in listed if job["jobId"] not in foreign]

    def poll(self, refs: Sequence[str]) -> Mapping[str, RunStatus]:
        return {ref: run_status(job) for ref, job in self._describe(refs).items()}

    def terminate(self, ref: str, reason: str) -> None:
        """Stop the job by TerminateJob, because CancelJob does nothing to a job that has started.

        Raises:
            NotOurs: the job does not carry the tag of the service's own jobs.
        """
        job = self._describe([ref]).get(ref)
        if job is None or run_status(job).state.ended:
            return
        if compute.JOB_TAG not in job.get("tags", {}):
            raise NotOurs(f"job {ref} has no tag {compute.JOB_TAG}: it was submitted by somebody else")
        self._pacer.wait()
        with self._call(f"terminate job {ref}"):
            self._client.terminate_job(jobId=ref, reason=reason[:_LONGEST_REASON])

    def logs(self, log_ref: str, token: str | None, limit: int) -> LogPage:
        return self._logs.page(log_ref, token, limit)

    def tail(self, log_ref: str, limit: int) -> Sequence[LogLine]:
        return self._logs.tail(log_ref, limit)

    def check(self) -> None:
        with self._call(f"look at the job queue {self._queue}"):
            self._pacer.wait()
            queues = self._client.describe_job_queues(jobQueues=[self._queue])["jobQueues"]
        if not queues:
            raise ExecutorUnavailable(f"there is no job queue {self._queue} in this account and region")
        state, status = queues[0]["state"], queues[0].get("status", "VALID")
        if (state, status) != ("ENABLED", "VALID"):
            why = queues[0].get("statusReason", "enable it to go on")
            raise ExecutorUnavailable(f"the job queue {self._queue} is {state} and {status}: {why}")
        with self._call("look up the job definition"):
            self._definition.pinned()
        # With neither of these no job can be followed, nor a submission looked up.
        self._describe([_NO_JOB])
        self.find(_NO_JOB)

    def close(self) -> None:
        self._submitter.close()
        self._client.close()
        self._logs_client.close()

    def _describe(self, refs: Sequence[str]) -> "dict[str, JobDetailTypeDef]":
        found: dict[str, JobDetailTypeDef] = {}
        for start in range(0, len(refs), _DESCRIBED_AT_ONCE):
            with self._call("describe the jobs"):
                self._pacer.wait()
                jobs = self._client.describe_jobs(jobs=refs[start : start + _DESCRIBED_AT_ONCE])["jobs"]
            found |= {job["jobId"]: job for job in jobs}
        return found

    @contextmanager
    def _call(self, action: str) -> Iterator[None]:
        try:
            yield
        except AWS_FAULTS as error:
            raise unavailable(action, error) from error


class _Definition:
    """The newest active revision of a job definition, looked up now and then."""

    def __init__(self, client: "BatchClient", name: str) -> None:
        self._client = client
        self._name = name
        self._found: tuple[float, str] | None = None
        self._lock = Lock()

    def pinned(self) -> str:
        """The definition with its revision. Raises `ExecutorUnavailable` where none is active, and AWS's faults."""
        if _PINNED.fullmatch(self._name):
            return self._name
        with self._lock:
            if self._found is None or time.monotonic() - self._found[0] > _DEFINITION_SECONDS:
                self._found = (time.monotonic(), self._newest())
            return self._found[1]

    def forget(self) -> None:
        self._found = None

    def _newest(self) -> str:
        pages = self._client.get_paginator("describe_job_definitions").paginate(
            jobDefinitionName=self._name, status="ACTIVE"
        )
        active = [definition for page in pages for definition in page["jobDefinitions"]]
        if not active:
            raise ExecutorUnavailable(f"the job definition {self._name} has no active revision: deploy it first")
        return max(active, key=lambda definition: definition["revision"])["jobDefinitionArn"]
