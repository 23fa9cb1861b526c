"""The states of a job, and which may follow which."""

from enum import StrEnum


class JobState(StrEnum):
    """Where a job is. The last three are ends and never change."""

    PENDING = "pending"
    SUBMITTED = "submitted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in ENDS


ENDS = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})

FOLLOWERS: dict[JobState, frozenset[JobState]] = {
    JobState.PENDING: frozenset({JobState.SUBMITTED, JobState.FAILED, JobState.CANCELLED}),
    # An executor's own retry leads back from running to submitted.
    JobState.SUBMITTED: frozenset({JobState.RUNNING}) | ENDS,
    JobState.RUNNING: frozenset({JobState.SUBMITTED}) | ENDS,
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}
