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
from worker.contract.documents import Progress
from worker.contract.exits import FailureCode
from worker.contract.job import JobParams
from worker.contract.layout import Prefix
from worker.contract.month import Month

MAX_PAGE = 500


class FailureOut(Out):
    """Why a job failed."""

    code: FailureCode
    message: str = Field(description="What happened and what to do")


class NativeOut(Out):
    """The run as its executor tells it."""

    ref: str | None = Field(description="The executor's id of the run")
    status: str | None = Field(description="The executor's own word, such as RUNNABLE")
    reason: str | None
    definition: str | None = Field(description="What it runs with: the pinned revision of the job definition")


class AttemptOut(Out):
    """One attempt of a run."""

    started_at: datetime | None
    stopped_at: datetime | None
    exit_code: int | None
    reason: str | None


class JobOut(Out):
    """A job, from the database alone."""

    id: str
    status: JobState
    message: str = Field(description="Where the job is now, and what it waits for")
    params: JobParams
    deduplicated: bool = Field(default=False, description="An equal job was active already; this is it")
    progress: Progress | None
    attempts: list[AttemptOut]
    failure: FailureOut | None
    native: NativeOut
    log_tail: list[str] | None = Field(description="The last lines of the log, kept when the job ended")
    stage_id: str = Field(description="Whose staged days the job shares")
    retry_of: str | None
    cancel_requested_at: datetime | None
    created_at: datetime
    submitted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    links: dict[str, str]

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

    jobs: list[JobOut]
    next_cursor: str | None = Field(description="Give it as `cursor` for the jobs that follow; null on the last page")


class EventOut(Out):
    """One change of a job's state; where `from` equals `to` the state stayed."""

    at: datetime
    from_state: JobState | None = Field(alias="from", description="Null for the job's first event")
    to_state: JobState = Field(alias="to")
    who: str
    why: str

    @classmethod
    def of(cls, event: JobEvent) -> Self:
        return cls(at=event.at, from_state=event.from_state, to_state=event.to_state, who=event.actor, why=event.reason)


class EventsOut(Out):
    """Every event of a job, oldest first."""

    events: list[EventOut]


class LogLineOut(Out):
    """One line of a log."""

    at: datetime | None
    text: str


class LogsOut(Out):
    """A page of a job's log."""

    lines: list[LogLineOut]
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


class JobFilter(Out):
    """Which jobs to list."""

    model_config = ConfigDict(extra="forbid")

    status: list[JobState] = Field(default_factory=list, description="One or more states; the default is all")
    year_month: Annotated[str, AfterValidator(_month)] | None = Field(default=None, description="Month as YYYYMM")
    prefix: Prefix | None = Field(default=None)
    limit: int = Field(default=50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(default=None, description="`nextCursor` of the page before")
