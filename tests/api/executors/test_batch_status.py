"""Batch's words for a job, as the User Guide has them, in ours."""

from datetime import UTC, datetime
from typing import Any

import pytest

from api.executors.base import RunState
from api.executors.batch_status import run_status
from worker.contract.exits import FailureCode

ESSENTIAL = "Essential container in task exited"
HOST = "Host EC2 (instance i-0123456789abcdef0) terminated."


def job(status: str = "FAILED", **more: Any) -> dict[str, Any]:
    return {"jobId": "id-1", "jobName": "hls-202401-a", "status": status, "jobDefinition": "arn:definition:3", **more}


def attempt(exit_code: int | None = None, reason: str | None = None, status: str = ESSENTIAL) -> dict[str, Any]:
    container: dict[str, Any] = {"logStreamName": "worker/default/one"}
    if exit_code is not None:
        container["exitCode"] = exit_code
    if reason is not None:
        container["reason"] = reason
    return {"container": container, "startedAt": 1704067200000, "stoppedAt": 1704067260500, "statusReason": status}


@pytest.mark.parametrize(
    ("native", "state"),
    [
        ("SUBMITTED", RunState.SUBMITTED),
        ("PENDING", RunState.SUBMITTED),
        ("RUNNABLE", RunState.SUBMITTED),
        ("STARTING", RunState.RUNNING),
        ("RUNNING", RunState.RUNNING),
        ("SUCCEEDED", RunState.SUCCEEDED),
        ("FAILED", RunState.FAILED),
        ("A_STATE_OF_NEXT_YEAR", RunState.SUBMITTED),
    ],
)
def test_states(native: str, state: RunState) -> None:
    """Each of Batch's states is one of ours, and one that is not known yet has not ended."""
    status = run_status(job(native))
    assert (status.state, status.native_status, status.definition) == (state, native, "arn:definition:3")


@pytest.mark.parametrize(
    ("reason", "container", "failure"),
    [
        (
            ESSENTIAL,
            {"exitCode": 137, "reason": "OutOfMemoryError: Container killed due to memory usage"},
            FailureCode.OUT_OF_MEMORY,
        ),
        (ESSENTIAL, {"exitCode": 137}, FailureCode.OUT_OF_MEMORY),
        ("Job attempt duration exceeded timeout", {"exitCode": 137}, FailureCode.TIMEOUT),
        (HOST, {}, FailureCode.INTERRUPTED),
        ("Your Spot Task was interrupted.", {}, FailureCode.INTERRUPTED),
        (
            "Task failed to start",
            {"reason": "CannotPullContainerError: Error response from daemon: manifest unknown"},
            FailureCode.IMAGE,
        ),
        ("ResourceInitializationError: unable to pull secrets or registry auth", {}, FailureCode.IMAGE),
        ("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - no instance is free", {}, FailureCode.CAPACITY),
        ("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - too large", {}, FailureCode.CAPACITY),
        (ESSENTIAL, {"exitCode": 75}, None),
        (ESSENTIAL, {"exitCode": 1}, None),
    ],
)
def test_failures_that_batch_knows_of(reason: str, container: dict[str, Any], failure: FailureCode | None) -> None:
    """Each reason is the failure that it means, and the exit code speaks where Batch knows no more."""
    status = run_status(job(statusReason=reason, container=container))
    assert (status.failure, status.exit_code) == (failure, container.get("exitCode"))
    assert status.reason == "; ".join(text for text in (reason, container.get("reason")) if text)


def test_a_job_that_somebody_ended_is_no_failure_of_memory() -> None:
    """137 after TerminateJob is the kill that follows its grace period."""
    status = run_status(job(statusReason="cancelled by anna", isTerminated=True, container={"exitCode": 137}))
    assert (status.failure, status.reason) == (None, "cancelled by anna")


@pytest.mark.parametrize("word", ["isTerminated", "isCancelled"])
def test_a_job_that_somebody_ended_says_so(word: str) -> None:
    """Batch tells of a TerminateJob and a CancelJob that were not the service's own."""
    assert run_status(job() | {word: True}).ended_by_hand
    assert not run_status(job() | {word: False}).ended_by_hand


def test_the_last_attempt_tells_the_failure() -> None:
    """Where the job itself says nothing, its last attempt does; an earlier one does not."""
    out_of_memory = attempt(137, "OutOfMemoryError: Container killed due to memory usage")
    assert run_status(job(attempts=[attempt(75), out_of_memory])).failure is FailureCode.OUT_OF_MEMORY
    assert run_status(job(attempts=[attempt(None, None, HOST), attempt(65)])).failure is None


def test_a_retry_leads_back_to_submitted() -> None:
    """A RUNNABLE job after an attempt is submitted again, with the attempt, its code, and its log."""
    status = run_status(job("RUNNABLE", attempts=[attempt(75)], statusReason=HOST))
    assert (status.state, status.exit_code, status.failure) == (RunState.SUBMITTED, 75, None)
    [first] = status.attempts
    assert first.started_at == datetime(2024, 1, 1, tzinfo=UTC)
    assert first.stopped_at == datetime(2024, 1, 1, 0, 1, 0, 500_000, tzinfo=UTC)
    assert (first.exit_code, first.reason) == (75, ESSENTIAL)
    assert status.log_ref == "/aws/batch/job:worker/default/one"


def test_why_a_job_waits() -> None:
    """Batch's reason for a job that is stuck in RUNNABLE is handed on, and is no failure yet."""
    status = run_status(job("RUNNABLE", statusReason="MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"))
    assert (status.reason, status.failure) == ("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE", None)


def test_the_log_group_is_the_definitions() -> None:
    """The job's own log configuration says in which group its stream is."""
    configuration = {"logDriver": "awslogs", "options": {"awslogs-group": "/hls/worker"}}
    container = {"logStreamName": "worker/default/two", "logConfiguration": configuration}
    status = run_status(job("RUNNING", container=container, attempts=[attempt(75)]))
    assert status.log_ref == "/hls/worker:worker/default/two"


def test_a_summary_of_list_jobs_is_enough() -> None:
    """What ListJobs tells of a job that DescribeJobs does not give makes a status too."""
    status = run_status(
        {"jobId": "id-1", "jobName": "n", "status": "FAILED", "createdAt": 1, "container": {"exitCode": 65}}
    )
    assert (status.state, status.exit_code, status.attempts, status.log_ref) == (RunState.FAILED, 65, (), None)
