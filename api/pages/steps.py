"""A job for people: where it is in a few words, how long it may take, and what can be done once it has failed."""

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from api.jobs.schemas import JobOut
from api.jobs.states import JobState
from worker.contract.exits import REMEDY, FailureCode


@dataclass(frozen=True)
class Step:
    """A way to the form, filled in as the job was."""

    words: str
    address: str


_AGAIN = {
    FailureCode.WOULD_SHRINK: "Submit again, and allow fewer items",
    FailureCode.CONFLICT: "Submit again",
    FailureCode.BAD_REQUEST: "Correct it and submit again",
}


def next_step(job: JobOut) -> Step | None:
    """What goes before another try of the same, where that would end as this one did."""
    if job.failure is None or job.failure.code not in _AGAIN:
        return None
    query = {"like": job.id} | ({"allowShrink": "true"} if job.failure.code is FailureCode.WOULD_SHRINK else {})
    return Step(_AGAIN[job.failure.code], f"/ui/submit?{urlencode(query)}")


def may_retry(job: JobOut) -> bool:
    """What the worker refused it will refuse again."""
    refused = job.failure is not None and job.failure.code is FailureCode.BAD_REQUEST
    return job.status in (JobState.FAILED, JobState.CANCELLED) and not refused


def cause(job: JobOut) -> str:
    """What happened, without what to do and without the executor's own reason, which stand elsewhere on the page."""
    if job.failure is None:
        return ""
    text = job.failure.message.replace(REMEDY[job.failure.code], "")
    if job.native.reason and text.endswith(f": {job.native.reason})"):
        text = text[: text.rindex(" (")]
    return " ".join(text.split())


def brief(job: JobOut) -> str:
    """A sentence for a list."""
    return REMEDY[job.failure.code].partition(". ")[0] + "." if job.failure else job.message


def time_left(job: JobOut) -> timedelta | None:
    """At the pace of this attempt so far; None where nothing can be said yet, or all days are done."""
    progress = job.progress
    if job.status is not JobState.RUNNING or progress is None or not 0 < progress.days_done < progress.days_total:
        return None
    began = next((attempt.started_at for attempt in reversed(job.attempts) if attempt.started_at), job.started_at)
    if began is None or progress.updated_at <= began:
        return None
    return (progress.updated_at - began) / progress.days_done * (progress.days_total - progress.days_done)
