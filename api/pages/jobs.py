"""Jobs: the list, and one with its progress, history and log, and what can be done about it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api import db
from api.access.callers import FormSubmitter, Visitor
from api.db import Transaction
from api.executors.base import ExecutorError
from api.jobs import cursor, service, store
from api.jobs.models import Job
from api.jobs.routes import Found
from api.jobs.schemas import EventOut, JobOut
from api.jobs.states import JobState
from api.pages import steps
from api.pages.lines import Line, readable
from api.pages.logs import Tails
from api.pages.problems import PageRoute
from api.pages.render import page, see, sign_in_first
from worker.contract.exits import REMEDY

_PAGE = 50

router = APIRouter(prefix="/ui/jobs", include_in_schema=False, route_class=PageRoute)


@router.get("")
def jobs(
    request: Request,
    session: Transaction,
    visitor: Visitor,
    status: Annotated[list[JobState] | None, Query()] = None,
    place: Annotated[str | None, Query(alias="cursor")] = None,
) -> Response:
    """Newest first, a page at a time."""
    if visitor is None:
        return sign_in_first(request)
    before = cursor.read(place) if place else None
    found = store.newest(session, limit=_PAGE + 1, before=before, states=status or ())
    shown = found[:_PAGE]
    return page(
        request,
        "jobs.html",
        caller=visitor,
        jobs=[(job, steps.brief(job)) for job in map(JobOut.of, shown)],
        counts=store.counts(session),
        chosen=status or [],
        states=list(JobState),
        next_cursor=cursor.written(shown[-1]) if len(found) > _PAGE else None,
    )


@router.get("/{job_id}")
def job(job_id: str, request: Request, session: Transaction, visitor: Visitor) -> Response:
    """One job."""
    if visitor is None:
        return sign_in_first(request)
    found = service.get_job(session, job_id)
    events = [EventOut.of(event) for event in store.events(session, job_id)]
    db.let_go(session)
    lines, reason = _log(request, found)
    shown = JobOut.of(found)
    return page(
        request,
        "job.html",
        caller=visitor,
        job=shown,
        events=events,
        lines=lines,
        log_reason=reason,
        cause=steps.cause(shown),
        remedy=REMEDY[shown.failure.code] if shown.failure else "",
        step=steps.next_step(shown),
        may_retry=steps.may_retry(shown),
        left=steps.time_left(shown),
    )


@router.post("/{job_id}/cancel")
def cancel(job_id: str, session: Transaction, caller: FormSubmitter) -> Response:
    """Stop it."""
    service.cancel_job(session, job_id, actor=caller.actor)
    return see(f"/ui/jobs/{job_id}")


@router.post("/{job_id}/retry")
def retry(caller: FormSubmitter, found: Found, request: Request, session: Transaction) -> Response:
    """Do it again, on the days that are staged."""
    state = request.app.state
    bound_to = state.binding_of(found.prefix)
    again, _ = service.retry_job(
        session,
        found.id,
        actor=caller.actor,
        binding_of=lambda _: bound_to,
        max_active=state.settings.max_active_jobs,
    )
    return see(f"/ui/jobs/{again.id}")


def _log(request: Request, found: Job) -> tuple[list[Line], str | None]:
    """The last lines, and why there are none or not all."""
    if found.log_ref is None:
        return [], "The job never ran." if found.state.ended else "The job has not started yet."
    try:
        tails: Tails = request.app.state.tails
        lines = tails.last_lines(found.log_ref, has_ended=found.state.ended)
        return [readable(line.text, line.at) for line in lines], None
    except ExecutorError as error:
        kept = [readable(text, None) for text in found.log_tail or []]
        return kept, f"The executor's log cannot be read ({error})."
