"""Submission that neither loses a job nor doubles it.

The row is marked before the executor is called and unmarked by what comes of it. A mark that stands says that the
submission may have happened: the run is then looked up by its name, and sent again only after a time without finding it.
"""

import logging
from collections.abc import Iterator
from datetime import datetime

from sqlmodel import Session

from api import db
from api.executors.base import (
    ExecutorUnavailable,
    SubmissionRefused,
    SubmissionUncertain,
    Throttled,
)
from api.jobs import store as jobs
from api.jobs.models import Job
from api.jobs.states import JobState
from api.reconciler.cancel import forbid_publication, publication
from api.reconciler.context import ACTOR, Context, Decide, log, logger, passed_over
from api.reconciler.doubles import best, stop_doubles, under_way
from storage import StorageError
from worker.contract.documents import Decision
from worker.contract.exits import REMEDY, FailureCode
from worker.contract.job import RunParams
from worker.contract.logs import JOB_ID


class LookUpFailed(Exception):
    """Nobody can tell now what became of the submission."""


def submit_pending(context: Context) -> None:
    """End what was cancelled before it was sent, then submit what is pending, oldest first, until a call fails.

    What cannot be looked up holds back nothing else. Why it pauses is kept for every job that waits.
    """
    _end_cancelled(context)
    looks_up = True
    for job in _pending(context):
        try:
            if job.submitting_since is None:
                _send(context, job)
            elif looks_up:
                _look_up(context, job)
        except (LookUpFailed, StorageError) as error:
            looks_up = False  # once more would take as long
            logger.warning("looking up pauses: %s", error, extra={"action": "submit", JOB_ID: job.id})
        except (Throttled, ExecutorUnavailable, SubmissionUncertain) as error:
            logger.warning("submission pauses: %s", error, extra={"action": "submit", JOB_ID: job.id})
            with context.session() as session:
                jobs.explain_wait(session, str(error))
            return
        except Exception as error:  # noqa: BLE001  logged, and the next job has its turn
            passed_over(job, "submit", error)


def _pending(context: Context, *, cancelling: bool = False) -> Iterator[Job]:
    for page in context.sweep(JobState.PENDING, cancelling=cancelling):
        for job in page:
            if not context.goes_on():
                return
            yield job


def _end_cancelled(context: Context) -> None:
    for job in _pending(context, cancelling=True):
        if job.submitting_since is None:
            _end_unsubmitted(context, job)


def _send(context: Context, job: Job) -> None:
    """Mark, submit, record.

    Raises:
        Throttled, ExecutorUnavailable: not sent, and the mark is as it was before.
        SubmissionUncertain: the mark stands.
    """
    mark = db.now()
    with context.session() as session:
        row = session.merge(job, load=False)
        sent = {"submissions": job.submissions + 1, "native_reason": None}
        marked = jobs.change(session, row, submitting_since=mark, **sent)
    if not marked:
        return
    try:
        submission = context.executor.submit(_run_params(context, job))
    except (Throttled, ExecutorUnavailable):
        # A submission before this one may have arrived all the same, and goes on being looked for.
        before = {"submitting_since": job.submitting_since, "submissions": job.submissions}
        context.settle(job.id, _while_marked(mark, lambda session, row: jobs.change(session, row, **before)))
        raise
    except SubmissionRefused as error:
        # Should a submission before this one have arrived, its run must not publish for a job that failed.
        if job.submissions == 0 or not _follow_publisher(context, job, forbid_publication(context, job)):
            _refuse(context, job, mark, error)
    else:
        adopt(context, job, submission.ref, submission.definition, reason=f"submitted to {context.executor.name}")


def _run_params(context: Context, job: Job) -> RunParams:
    return RunParams(
        **job.request.model_dump(),
        job_id=job.id,
        stage_id=job.stage_id,
        request_id=job.request_id,
        destination=context.destination,
        parallel=True,
    )


def adopt(context: Context, job: Job, ref: str, definition: str | None, *, reason: str) -> None:
    """Make this run the job's; where the job has another by now, or has ended, stop this one."""

    def decide(session: Session, row: Job) -> bool:
        if row.state is not JobState.PENDING:
            return row.run_ref == ref
        return jobs.move(
            session,
            row,
            JobState.SUBMITTED,
            actor=ACTOR,
            reason=f"{reason} as {ref}",
            run_ref=ref,
            definition=definition,
            submitting_since=None,
            native_reason=None,
        )

    if context.settle(job.id, decide):
        log(f"{reason} as {ref}", job, action="submit")
    else:
        stop_doubles(context, job, [ref])


def _look_up(context: Context, job: Job) -> None:
    """Raises `LookUpFailed`, and what `_send` does."""
    try:
        runs = context.executor.find(job.run_name)
    except ExecutorUnavailable as error:
        raise LookUpFailed(str(error)) from error
    if runs:
        chosen = best(runs)
        adopt(context, job, chosen.ref, chosen.definition, reason="found the submission by its name")
        stop_doubles(context, job, under_way(runs))
    elif job.submitting_since is not None and db.now() - job.submitting_since >= context.timings.lookup:
        _give_up(context, job)


def _give_up(context: Context, job: Job) -> None:
    """The submission was not found: send it again or end the job, unless its run has decided to publish already."""
    if job.cancel_requested_at is not None:
        # Should the submission arrive after all, its run must not publish.
        if not _follow_publisher(context, job, forbid_publication(context, job)):
            _end_unsubmitted(context, job)
    elif not _follow_publisher(context, job, publication(context, job)):
        log("the submission did not arrive and is sent again", job, action="submit", level=logging.WARNING)
        _send(context, job)


def _follow_publisher(context: Context, job: Job, decision: Decision | None) -> bool:
    """Follow the run that has decided to publish, which names itself there; false where none has."""
    if decision is None:
        return False
    adopt(context, job, decision.run, None, reason="found the submission by its decision to publish")
    return True


def _end_unsubmitted(context: Context, job: Job) -> None:
    def decide(session: Session, row: Job) -> bool:
        actor, reason = row.cancel_requested_by or ACTOR, "cancelled before it was submitted"
        return jobs.move(session, row, JobState.CANCELLED, actor=actor, reason=reason, submitting_since=None)

    context.settle(job.id, _while_marked(job.submitting_since, decide))


def _refuse(context: Context, job: Job, mark: datetime, error: SubmissionRefused) -> None:
    message = f"The executor refused the job: {error}. {REMEDY[FailureCode.BAD_REQUEST]}"
    failure = {"failure_code": FailureCode.BAD_REQUEST, "failure_message": message, "submitting_since": None}

    def decide(session: Session, row: Job) -> bool:
        return jobs.move(session, row, JobState.FAILED, actor=context.executor.name, reason=message, **failure)

    context.settle(job.id, _while_marked(mark, decide))


def _while_marked(mark: datetime | None, decide: Decide) -> Decide:
    """Decides only while the job waits under this mark: another leader may have sent or ended it meanwhile."""

    def guarded(session: Session, row: Job) -> bool:
        return row.state is not JobState.PENDING or row.submitting_since != mark or decide(session, row)

    return guarded
