"""Cancelling: `decision.json` settles whether the job is cancelled or published, then the run is stopped."""

import logging

from pydantic import ValidationError
from sqlmodel import Session

from api import db
from api.executors.base import ExecutorUnavailable
from api.jobs import store as jobs
from api.jobs.models import Job
from api.jobs.states import JobState
from api.reconciler.context import ACTOR, Context, Patience, log, logger, passed_over
from storage import AlreadyExists, NotFound, StorageError
from worker.contract import compute, layout
from worker.contract.documents import Decision
from worker.contract.faults import faults_of
from worker.contract.logs import JOB_ID

ACCEPTED = "accepted"
TOO_LATE = "too_late"


def act_on_cancels(context: Context) -> None:
    """Carry out what was asked to be cancelled."""
    patience = Patience()
    for page in context.sweep(JobState.SUBMITTED, JobState.RUNNING, cancelling=True):
        for job in page:
            if job.cancel_outcome == TOO_LATE:
                continue
            try:
                if job.cancel_outcome == ACCEPTED or settle_cancel(context, job) == ACCEPTED:
                    _stop_run(context, job)
            except (ExecutorUnavailable, StorageError) as error:
                logger.warning("not cancelled yet: %s", error, extra={"action": "cancel", JOB_ID: job.id})
                if not patience.lasts:
                    return
            except Exception as error:  # noqa: BLE001  logged, and the next job has its turn
                passed_over(job, "cancel", error)


def forbid_publication(context: Context, job: Job) -> Decision | None:
    """Decide for cancel; returns the decision to publish that stands instead, or None."""
    wish = Decision(action="cancel", run=job.cancel_requested_by or ACTOR, at=db.now())
    try:
        context.store.create(layout.decision_key(job.id), wish.to_json())
    except AlreadyExists:
        return publication(context, job)
    return None


def publication(context: Context, job: Job) -> Decision | None:
    """The decision to publish, if there is one.

    One that cannot be read is none: the worker goes by no such document either, but ends with STORAGE.
    """
    key = layout.decision_key(job.id)
    try:
        standing = Decision.from_json(context.store.get(key))
    except NotFound:
        return None
    except ValidationError as error:
        _tell(context, job, f"{key} cannot be read ({faults_of(error)[0][1]}), so that no run publishes by it")
        return None
    return standing if standing.action == "publish" else None


def _tell(context: Context, job: Job, reason: str) -> None:
    def decide(session: Session, row: Job) -> bool:
        jobs.note(session, row, actor=ACTOR, reason=reason, before=row.state)
        return True

    context.settle(job.id, decide)
    log(reason, job, action="decision", level=logging.WARNING)


def settle_cancel(context: Context, job: Job) -> str:
    """Whether the cancel came in time, once and for all: `ACCEPTED` or `TOO_LATE`, with an event."""
    standing = forbid_publication(context, job)
    outcome = ACCEPTED if standing is None else TOO_LATE
    reason = (
        "the cancel holds: no run may publish any more"
        if standing is None
        else f"the cancel came too late: run {standing.run} was publishing since {standing.at:%H:%M:%S} UTC"
    )

    def decide(session: Session, row: Job) -> bool:
        if row.cancel_outcome is not None:
            return True
        if not jobs.change(session, row, cancel_outcome=outcome):
            return False
        jobs.note(session, row, actor=ACTOR, reason=reason, before=row.state)
        return True

    if context.settle(job.id, decide):
        log(reason, job, action="cancel")
    return outcome


def _stop_run(context: Context, job: Job) -> None:
    """Stop the run, and again after a while: a request to stop may be lost."""
    if job.terminated_at is not None and db.now() - job.terminated_at < context.timings.terminate_again:
        return
    if job.run_ref is not None:
        context.executor.terminate(job.run_ref, f"{compute.CANCELLED} {job.cancel_requested_by}")
    context.settle(job.id, lambda session, row: jobs.change(session, row, terminated_at=db.now()))
