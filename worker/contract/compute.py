"""How a run is executed, by Batch or on this machine: size, time limit, attempts and what is tried again."""

from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase

from worker.contract.exits import ExitCode

MODULE = "worker"
"""`python -m worker` is what runs; in the image it is the entry point."""

VCPU = 2
MEMORY_MIB = 4096
TIMEOUT = timedelta(hours=12)
ATTEMPTS = 3

USER = "10001:10001"
"""User and group of the worker in its image."""

SCRATCH = "/tmp"  # noqa: S108  the one place where the image may write, a volume
"""Below this the worker keeps its files; a disk is mounted there."""

JOB_DEFINITION = "hls-stac-parquet-monthly"
JOB_QUEUE = "HlsBatchStack-HlsBatchJobQueue"
LOG_GROUP = "/aws/batch/hls-stac-parquet"

JOB_TAG = "hls-job-id"
"""Tag of every job that the service submits, so that it may terminate those and no others."""

CANCELLED = "cancelled by"
DOUBLED = "another run does this job"
"""How the reasons begin with which the service ends a run on purpose: Batch calls that FAILED too."""


@dataclass(frozen=True)
class RetryRule:
    """One rule of Batch's `evaluateOnExit`; patterns may end with '*'. The first rule that matches decides."""

    retry: bool
    on_exit_code: str | None = None
    on_reason: str | None = None
    on_status_reason: str | None = None


RETRY_RULES: tuple[RetryRule, ...] = (
    RetryRule(retry=True, on_status_reason="Host EC2*"),  # a Spot machine was taken back
    RetryRule(retry=True, on_reason="CannotPull*"),
    RetryRule(retry=True, on_exit_code=str(int(ExitCode.INTERRUPTED))),
    RetryRule(retry=True, on_exit_code=str(int(ExitCode.SOURCE_UNAVAILABLE))),
    RetryRule(retry=False, on_reason="*"),  # Batch retries what no rule matches, so the last one ends it
)
"""At most five, Batch's limit."""


@dataclass(frozen=True)
class WaitLimit:
    """How long the job at the head of the queue may be RUNNABLE for a reason that Batch gives, before Batch ends it."""

    reason: str
    longest: timedelta


WAIT_LIMITS: tuple[WaitLimit, ...] = (
    WaitLimit("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY", timedelta(hours=12)),  # no machine, neither Spot nor on demand
    WaitLimit("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE", timedelta(hours=1)),
    WaitLimit("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT", timedelta(hours=1)),
)
"""The queue's `jobStateTimeLimitActions`; without them RUNNABLE may last for ever."""


def is_retried(exit_code: int) -> bool:
    """Whether a run that ended with this exit code is tried again while attempts are left."""
    for rule in RETRY_RULES:
        if rule.on_exit_code is not None and fnmatchcase(str(exit_code), rule.on_exit_code):
            return rule.retry
    return False


def job_name(year_month: str, job_id: str) -> str:
    """The deterministic name by which a submission is found again; at most 128 characters for Batch."""
    return f"hls-{year_month}-{job_id}"
