"""Jobs as the API speaks of them, camelCase in JSON."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, ConfigDict, Field

from api.executors.base import LogLine
from api.jobs.models import Job, JobEvent
from api.jobs.states import JobState
from api.jobs.words import situation
from api.schemas import Out
from api.settings import MAX_PAGE_SIZE
from worker.contract.documents import Progress
from worker.contract.exits import FailureCode
from worker.contract.job import JobParams
from worker.contract.layout import DEFAULT_PREFIX, Prefix
from worker.contract.month import Month


class FailureOut(Out):
    """Why a job failed."""

    code: FailureCode = Field(description="What kind of failure it is; stable, for programs")
    message: str = Field(description="What happened and what to do")


class NativeOut(Out):
    """The run as its executor tells it."""

    ref: str | None = Field(description="The executor's id of the run")
    status: str | None = Field(description="The executor's own word, such as RUNNABLE")
    reason: str | None = Field(description="The executor's own reason, such as why a job waits or has ended")
    definition: str | None = Field(description="What it runs with: the pinned revision of the job definition")


class AttemptOut(Out):
    """One attempt of a run."""

    started_at: datetime | None = Field(description="When it began, in UTC")
    stopped_at: datetime | None = Field(description="When it ended, in UTC; null while it runs")
    exit_code: int | None = Field(description="The worker's exit code; null if it has none yet, or was not told")
    reason: str | None = Field(description="Why it ended, in the executor's words")


class JobOut(Out):
    """A job, from the database alone."""

    id: str = Field(description="Id of the job: 16 hexadecimal digits")
    status: JobState = Field(description="Where the job is; succeeded, failed and cancelled are ends and never change")
    message: str = Field(description="Where the job is now, and what it waits for")
    params: JobParams = Field(description="What was asked for, with every default filled in")
    deduplicated: bool = Field(default=False, description="An equal job was active already; this is it")
    progress: Progress | None = Field(description="How far the worker is; null before its first report")
    attempts: list[AttemptOut] = Field(description="The run's attempts, the first one first")
    failure: FailureOut | None = Field(description="Why the job failed; null unless it did")
    native: NativeOut = Field(description="The run as its executor tells it")
    log_tail: list[str] | None = Field(
        description="The last lines of the log, kept when the job ended; for five minutes more where they come late"
    )
    stage_id: str = Field(description="Whose staged days the job shares")
    retry_of: str | None = Field(description="The job that this one does again")
    created_by: str | None = Field(description="Who asked for it: the name of a key, with its id")
    request_id: str | None = Field(description="The request that asked for it, to find it in the logs")
    cancel_requested_at: datetime | None = Field(description="When somebody asked to cancel it, in UTC")
    created_at: datetime = Field(description="When it was asked for, in UTC")
    submitted_at: datetime | None = Field(description="When the executor took it, in UTC")
    started_at: datetime | None = Field(description="When it was first seen to run, in UTC")
    ended_at: datetime | None = Field(description="When its end was seen, in UTC; null until then")
    links: dict[str, str] = Field(description="Addresses of what can be read or done next, by name")

    @classmethod
    def of(cls, job: Job, *, deduplicated: bool = False) -> Self:
        return cls(
            id=job.id,
            status=job.state,
            message=situation(job),
            params=job.request,
            deduplicated=deduplicated,
            progress=Progress.model_validate(job.progress) if job.progress else None,
            attempts=[AttemptOut.model_validate(attempt) for attempt in job.attempts],
            failure=_failure(job),
            native=NativeOut(
                ref=job.run_ref, status=job.native_status, reason=job.native_reason, definition=job.definition
            ),
            log_tail=job.log_tail,
            stage_id=job.stage_id,
            retry_of=job.retry_of,
            created_by=job.created_by,
            request_id=job.request_id,
            cancel_requested_at=job.cancel_requested_at,
            created_at=job.created_at,
            submitted_at=job.submitted_at,
            started_at=job.started_at,
            ended_at=job.ended_at,
            links=_links(job),
        )

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True)


def _failure(job: Job) -> FailureOut | None:
    if job.failure_code is None:
        return None
    return FailureOut(code=FailureCode(job.failure_code), message=job.failure_message or "")


def _links(job: Job) -> dict[str, str]:
    self = f"/jobs/{job.id}"
    links = {"self": self, "events": f"{self}/events", "logs": f"{self}/logs"}
    if not job.state.ended:
        links["cancel"] = f"{self}/cancel"
    elif job.state is JobState.SUCCEEDED:
        links["partition"] = f"/partitions/{job.year_month}?prefix={job.prefix}"
    else:
        links["retry"] = f"{self}/retry"
    return links


class JobsOut(Out):
    """A page of jobs, newest first."""

    jobs: list[JobOut] = Field(description="The jobs of this page, newest first")
    next_cursor: str | None = Field(description="Give it as `cursor` for the jobs that follow; null on the last page")


class EventOut(Out):
    """One change of a job's state; where `from` equals `to` the state stayed."""

    at: datetime = Field(description="When, in UTC")
    from_state: JobState | None = Field(alias="from", description="Null for the job's first event")
    to_state: JobState = Field(alias="to", description="The state since then")
    who: str = Field(description="Who did it: a caller's name, or the reconciler")
    why: str = Field(description="Why, in words")

    @classmethod
    def of(cls, event: JobEvent) -> Self:
        return cls(at=event.at, from_state=event.from_state, to_state=event.to_state, who=event.actor, why=event.reason)


class EventsOut(Out):
    """Every event of a job, oldest first."""

    events: list[EventOut] = Field(description="The events, oldest first")


class LogLineOut(Out):
    """One line of a log."""

    at: datetime | None = Field(description="When it was written, in UTC; null where the line does not tell")
    text: str = Field(description="The line")


class LogsOut(Out):
    """A page of a job's log."""

    lines: list[LogLineOut] = Field(description="The lines of this page, oldest first")
    next_token: str | None = Field(description="Give it as `token` for the lines that follow; null: none for now")
    reason: str | None = Field(default=None, description="Why there are no lines, or not all of them")

    @classmethod
    def of(cls, lines: Iterable[LogLine], next_token: str | None = None, reason: str | None = None) -> Self:
        return cls(
            lines=[LogLineOut(at=line.at, text=line.text) for line in lines], next_token=next_token, reason=reason
        )

    @classmethod
    def kept(cls, texts: Iterable[str], reason: str) -> Self:
        return cls(lines=[LogLineOut(at=None, text=text) for text in texts], next_token=None, reason=reason)


def _month(text: str) -> str:
    return str(Month.parse(text))


class JobRequest(JobParams):
    """What a caller asks for, camelCase and nothing else."""

    model_config = ConfigDict(validate_by_name=False, validate_by_alias=True)


CURSOR = "WyIyMDk5LTAxLTAxVDAwOjAwOjAwKzAwOjAwIiwgIjAxMjM0NTY3ODlhYmNkZWYiXQ"
"""An example: a place in a far future, behind which every job follows."""


class JobFilter(Out):
    """Which jobs to list."""

    model_config = ConfigDict(extra="forbid")

    status: list[JobState] = Field(
        default_factory=list, description="One or more states; the default is all", examples=[["failed", "cancelled"]]
    )
    year_month: Annotated[str, AfterValidator(_month)] | None = Field(
        default=None, description="Month as YYYYMM", examples=["202401"]
    )
    prefix: Prefix | None = Field(
        default=None, description="Prefix of a dataset; the default is all", examples=[DEFAULT_PREFIX]
    )
    limit: int = Field(default=50, ge=1, le=MAX_PAGE_SIZE, description="Most jobs of the page", examples=[20])
    cursor: str | None = Field(default=None, description="`nextCursor` of the page before", examples=[CURSOR])
