"""HTTP of the jobs."""

import json
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlmodel import Session

from api.access.callers import Reader, Submitter
from api.access.errors import Forbidden, TooManyRequests
from api.db import Transaction
from api.errors import BadRequest, BodyTooLarge, NotJson, Unauthorized, Unavailable, documented
from api.executors.base import ExecutorUnavailable
from api.executors.capped import CappedLogs
from api.jobs import cursor, service, store
from api.jobs.errors import (
    BadCursor,
    JobEnded,
    JobNotFound,
    KeyReused,
    NotRetryable,
    PartitionBusy,
    PrefixBound,
    TooManyJobs,
)
from api.jobs.models import Job
from api.jobs.schemas import EventOut, EventsOut, JobFilter, JobOut, JobRequest, JobsOut, LogsOut
from api.settings import MAX_LOG_LINES, Settings

router = APIRouter(
    tags=["jobs"], responses=documented(Unauthorized, Forbidden, BadRequest, TooManyRequests, Unavailable)
)

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="A name of your own for this request: sent again, it gets the same answer and makes no second job",
        examples=["nightly-202402"],
    ),
]
JobId = Annotated[str, Path(description="Id of the job, as `POST /jobs` answers it", examples=["0123456789abcdef"])]


def _found(job_id: JobId, request: Request) -> Job:
    with Session(request.app.state.engine, expire_on_commit=False) as session:
        return service.get_job(session, job_id)


Found = Annotated[Job, Depends(_found)]
"""The job of the path, read by itself: what is asked of others then holds no connection of the database's.

A route names its caller first, so that who may not ask is not told whether there is such a job.
"""
_LOG_LINES = 1000
_LOCATION = {
    "Location": {
        "description": "Address of the job",
        "schema": {"type": "string", "examples": ["/jobs/0123456789abcdef"]},
    }
}
_LISTED: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"Link": {"description": "The next page, as rel=next", "schema": {"type": "string"}}}}
}
_REFUSED = (PartitionBusy, PrefixBound, BodyTooLarge, TooManyRequests, TooManyJobs)
_SUBMITTED: dict[int | str, dict[str, Any]] = {
    200: {"model": JobOut, "description": "An equal job is active already; this is it", "headers": _LOCATION},
    202: {"headers": _LOCATION},
}


@router.post(
    "/jobs",
    operation_id="submitJob",
    summary="Ask for a month",
    status_code=202,
    response_model=JobOut,
    responses=_SUBMITTED | documented(*_REFUSED, BadRequest, NotJson, KeyReused),
)
def submit_job(
    params: JobRequest, request: Request, session: Transaction, caller: Submitter, idempotency_key: Key = None
) -> Response:
    """Record a job that harvests one month into one dataset; the reconciler submits it within seconds.

    Where an equal job is active, that one is returned with status 200 and `deduplicated: true`.
    """
    bound_to = request.app.state.binding_of(params.prefix)  # before the key's lock is held
    if idempotency_key and (kept := service.answered(session, caller.actor, idempotency_key, params)):
        return _job_reply(json.loads(kept.answer), kept.status_code, {"Idempotency-Replayed": "true"})
    job, deduplicated = service.put_job(
        session,
        params,
        actor=caller.actor,
        binding_of=lambda _: bound_to,
        max_active=_settings(request).max_active_jobs,
    )
    status_code, body = _answer(job, deduplicated)
    if idempotency_key:
        service.keep_answer(session, caller.actor, idempotency_key, params, status_code, body)
    return _job_reply(body, status_code)


def _answer(job: Job, deduplicated: bool) -> tuple[int, dict[str, Any]]:
    return 200 if deduplicated else 202, JobOut.of(job, deduplicated=deduplicated).to_json()


def _job_reply(body: dict[str, Any], status_code: int, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(body, status_code, headers={"Location": body["links"]["self"]} | (headers or {}))


@router.get(
    "/jobs",
    operation_id="listJobs",
    summary="List jobs",
    responses=_LISTED | documented(BadRequest, BadCursor),
)
def list_jobs(
    which: Annotated[JobFilter, Query()], request: Request, response: Response, session: Transaction, _: Reader
) -> JobsOut:
    """Jobs, newest first. Pages stay stable while jobs arrive: new ones stand before the first page."""
    size = _page_size(which, _settings(request).max_page_size)
    found = store.newest(
        session,
        limit=size + 1,
        before=cursor.read(which.cursor) if which.cursor else None,
        states=which.status,
        year_month=which.year_month,
        prefix=which.prefix,
    )
    page = found[:size]
    next_cursor = cursor.written(page[-1]) if len(found) > size else None
    if next_cursor:
        query = [pair for pair in request.query_params.multi_items() if pair[0] != "cursor"]
        response.headers["Link"] = f'</jobs?{urlencode([*query, ("cursor", next_cursor)])}>; rel="next"'
    return JobsOut(jobs=[JobOut.of(job) for job in page], next_cursor=next_cursor)


@router.get("/jobs/{job_id}", operation_id="getJob", summary="Show a job", responses=documented(JobNotFound))
def get_job(job_id: JobId, session: Transaction, _: Reader) -> JobOut:
    """A job as the database has it, so that it answers when the executor does not."""
    return JobOut.of(service.get_job(session, job_id))


@router.get(
    "/jobs/{job_id}/events",
    operation_id="listJobEvents",
    summary="Tell a job's history",
    responses=documented(JobNotFound),
)
def list_events(job_id: JobId, session: Transaction, _: Reader) -> EventsOut:
    """Every change of state: when, from, to, who, why."""
    service.get_job(session, job_id)
    return EventsOut(events=[EventOut.of(event) for event in store.events(session, job_id)])


@router.get(
    "/jobs/{job_id}/logs",
    operation_id="readJobLogs",
    summary="Read a job's log",
    responses=documented(JobNotFound, BadRequest),
)
def read_logs(
    _: Reader,
    job: Found,
    request: Request,
    token: Annotated[str | None, Query(description="`nextToken` of the page before", examples=["0"])] = None,
    limit: Annotated[
        int | None, Query(ge=1, le=MAX_LOG_LINES, description="Most lines of the page; 1000 if absent", examples=[100])
    ] = None,
) -> LogsOut:
    """A page of the log of the job's last attempt, from its beginning."""
    if job.log_ref is None:
        reason = "The job never ran." if job.state.ended else "The job has not started yet."
        return LogsOut(lines=[], next_token=None, reason=reason)
    logs: CappedLogs = request.app.state.logs
    most = _settings(request).max_log_lines
    _check_size(limit, most, "lines; follow `nextToken` for more")
    try:
        page = logs.logs(job.log_ref, token, min(limit or _LOG_LINES, most))
    except ValueError as error:
        raise BadRequest(f"token: {error}", errors=[{"field": "token", "message": str(error)}]) from error
    except ExecutorUnavailable as error:
        if job.log_tail is None:
            raise
        return LogsOut.kept(job.log_tail, f"The executor's log cannot be read ({error}); these are its last lines.")
    return LogsOut.of(page.lines, page.next_token)


@router.post(
    "/jobs/{job_id}/cancel",
    operation_id="cancelJob",
    summary="Cancel a job",
    status_code=202,
    responses=documented(JobNotFound, JobEnded),
)
def cancel_job(job_id: JobId, session: Transaction, caller: Submitter) -> JobOut:
    """Stop a job. It ends as cancelled, unless it was about to publish: then it succeeds, and an event says so."""
    return JobOut.of(service.cancel_job(session, job_id, actor=caller.actor))


@router.post(
    "/jobs/{job_id}/retry",
    operation_id="retryJob",
    summary="Retry a job",
    status_code=202,
    response_model=JobOut,
    responses=_SUBMITTED | documented(*_REFUSED, JobNotFound, NotRetryable),
)
def retry_job(caller: Submitter, found: Found, request: Request, session: Transaction) -> Response:
    """A new job like this failed or cancelled one; it goes on from the days that are staged already."""
    bound_to = request.app.state.binding_of(found.prefix)
    job, deduplicated = service.retry_job(
        session,
        found.id,
        actor=caller.actor,
        binding_of=lambda _: bound_to,
        max_active=_settings(request).max_active_jobs,
    )
    status_code, body = _answer(job, deduplicated)
    return _job_reply(body, status_code)


def _page_size(which: JobFilter, most: int) -> int:
    _check_size(which.limit if "limit" in which.model_fields_set else None, most, "jobs; follow `nextCursor` for more")
    return min(which.limit, most)


def _check_size(asked: int | None, most: int, of_what: str) -> None:
    if asked is not None and asked > most:
        fault = f"a page has at most {most} {of_what}"
        raise BadRequest(f"limit: {fault}", errors=[{"field": "limit", "message": fault}])


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings
