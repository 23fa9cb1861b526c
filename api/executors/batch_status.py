"""Batch's description of a job, in our words.

Reasons: AWS Batch User Guide, "Job states", "Job timeouts", "Automated job retries", "Troubleshooting".
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from api.executors.base import Attempt, RunState, RunStatus
from worker.contract import compute
from worker.contract.exits import FailureCode

_STATES = {
    "SUBMITTED": RunState.SUBMITTED,
    "PENDING": RunState.SUBMITTED,
    "RUNNABLE": RunState.SUBMITTED,
    "STARTING": RunState.RUNNING,
    "RUNNING": RunState.RUNNING,
    "SUCCEEDED": RunState.SUCCEEDED,
    "FAILED": RunState.FAILED,
}

_DEFAULT_LOG_GROUP = "/aws/batch/job"
"""Where Batch sends logs if the job definition names no group."""

_WAITED = "|".join(sorted({limit.reason.partition(":")[0] for limit in compute.WAIT_LIMITS}))

_FAILURES: tuple[tuple[FailureCode, re.Pattern[str]], ...] = (
    (FailureCode.OUT_OF_MEMORY, re.compile("OutOfMemory")),
    (FailureCode.TIMEOUT, re.compile("attempt duration exceeded timeout")),
    (FailureCode.INTERRUPTED, re.compile(r"Host EC2 .*terminated|Spot (Task|Instance).*interrupt", re.IGNORECASE)),
    (
        FailureCode.IMAGE,
        re.compile(
            "CannotPull|CannotCreateContainer|CannotStartContainer|CannotInspectContainer|ResourceInitialization"
        ),
    ),
    (FailureCode.CAPACITY, re.compile(rf"{_WAITED}|JobStateTimeLimit|\bRUNNABLE\b")),
)
"""Words of a reason to what they mean; the first that is found decides.

Batch repeats the reason of a queue's `jobStateTimeLimitActions` for a job that waited too long.
"""

_KILLED = 137


def run_status(job: Mapping[str, Any]) -> RunStatus:
    """From a job of DescribeJobs, or from the summary of ListJobs, which tells less."""
    attempts = tuple(_attempt(attempt) for attempt in job.get("attempts", ()))
    state = _STATES.get(job["status"], RunState.SUBMITTED)
    return RunStatus(
        ref=job["jobId"],
        name=job["jobName"],
        state=state,
        native_status=job["status"],
        reason="; ".join(_reasons(job)) or None,
        exit_code=_exit_code(job, state, attempts),
        failure=_failure(job) if state is RunState.FAILED else None,
        ended_by_hand=_ended_by_hand(job),
        attempts=attempts,
        log_ref=_log_ref(job),
        definition=job.get("jobDefinition"),
    )


def _attempt(attempt: Mapping[str, Any]) -> Attempt:
    container = attempt.get("container", {})
    reasons = (attempt.get("statusReason"), container.get("reason"))
    return Attempt(
        started_at=_time(attempt.get("startedAt")),
        stopped_at=_time(attempt.get("stoppedAt")),
        exit_code=container.get("exitCode"),
        reason="; ".join(reason for reason in reasons if reason) or None,
    )


def _reasons(job: Mapping[str, Any]) -> list[str]:
    """What Batch says of the job, and what ECS says of its container."""
    return [reason for reason in (job.get("statusReason"), job.get("container", {}).get("reason")) if reason]


def _exit_code(job: Mapping[str, Any], state: RunState, attempts: tuple[Attempt, ...]) -> int | None:
    if state.ended:
        code: int | None = job.get("container", {}).get("exitCode")
        return code
    return next((attempt.exit_code for attempt in reversed(attempts) if attempt.stopped_at), None)


def _failure(job: Mapping[str, Any]) -> FailureCode | None:
    """What Batch itself knows of a failure; None where the exit code tells, or where somebody ended the job."""
    said = " ".join(_reasons(job) + [attempt.reason or "" for attempt in map(_attempt, job.get("attempts", ())[-1:])])
    for code, words in _FAILURES:
        if words.search(said):
            return code
    if job.get("container", {}).get("exitCode") == _KILLED and not _ended_by_hand(job):
        # Nothing but a want of memory kills a container whose host stays and that nobody terminates.
        return FailureCode.OUT_OF_MEMORY
    return None


def _ended_by_hand(job: Mapping[str, Any]) -> bool:
    return bool(job.get("isTerminated") or job.get("isCancelled"))


def _log_ref(job: Mapping[str, Any]) -> str | None:
    """`group:stream` of the last attempt; neither may hold a colon."""
    container = job.get("container", {})
    streams = [container.get("logStreamName")]
    streams += [attempt.get("container", {}).get("logStreamName") for attempt in reversed(job.get("attempts", ()))]
    stream = next((stream for stream in streams if stream), None)
    options = container.get("logConfiguration", {}).get("options", {})
    return f"{options.get('awslogs-group', _DEFAULT_LOG_GROUP)}:{stream}" if stream else None


def _time(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
