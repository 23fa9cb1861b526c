"""How a job ends once its run has: by what the archive holds first, and by what the executor says only then."""

import logging
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import ValidationError
from sqlmodel import Session

from api import db
from api.executors.base import ExecutorError, RunState, RunStatus
from api.jobs import store as jobs
from api.jobs.models import Job
from api.jobs.states import JobState
from api.reconciler.cancel import ACCEPTED, TOO_LATE, forbid_publication, settle_cancel
from api.reconciler.context import ACTOR, Context, attempts_of, log, logger, state_under_way
from api.reconciler.doubles import best, stop_doubles, under_way
from api.reconciler.last_lines import kept, last_words, with_last_words
from api.reconciler.progress import progress_of
from storage import NotFound
from worker.contract import compute, layout
from worker.contract.documents import Decision
from worker.contract.exits import FAILURE_OF_EXIT, REMEDY, ExitCode, FailureCode
from worker.contract.logs import JOB_ID

_STOPPED = (None, ExitCode.INTERRUPTED, 128 + signal.SIGKILL, 128 + signal.SIGTERM)
"""How a worker ends that was told to, or never began."""


@dataclass(frozen=True)
class Ending:
    """What became of a run; `code` is None where it said that all went well."""

    code: FailureCode | None
    what: str
    reason: str | None = None

    @classmethod
    def of(cls, status: RunStatus, executor: str) -> Self:
        """Read the executor's word; what it knows itself goes before the exit code."""
        if status.state is RunState.SUCCEEDED:
            return cls(None, f"The run {status.ref} succeeded", status.reason)
        tries = f" in the last of {len(status.attempts)} attempts" if len(status.attempts) > 1 else ""
        if status.exit_code is None:
            what = f"The run {status.ref} failed without an exit code ({status.native_status}){tries}"
        elif status.exit_code == ExitCode.CANCELLED:
            what = (
                f"The run {status.ref} stopped before publishing, because another run of this job had decided to{tries}"
            )
        else:
            what = f"The worker ended with exit code {status.exit_code}{tries}"
        if status.failure is not None:
            return cls(status.failure, what, status.reason)
        if status.ended_by_hand and status.exit_code in _STOPPED:
            return cls(
                FailureCode.INTERRUPTED, f"Somebody ended the run {status.ref} at {executor}{tries}", status.reason
            )
        if status.exit_code == ExitCode.CANCELLED:
            return cls(FailureCode.CONFLICT, what, status.reason)
        return cls(FAILURE_OF_EXIT.get(status.exit_code or 0, FailureCode.APP), what, status.reason)

    def message(self, executor: str, log_tail: Sequence[str]) -> str:
        """What happened, in the worker's own words too if it had any, what to do, and the executor's own reason."""
        if self.code is None:
            what, code = f"{self.what}, but wrote no result, so nothing is known to be published", FailureCode.APP
        else:
            what, code = self.what, self.code
        message = f"{what}. {REMEDY[code]}" + (f" ({executor}: {self.reason})" if self.reason else "")
        return with_last_words(message, code, words) if (words := last_words(log_tail)) else message


def end(context: Context, job: Job, ending: Ending, status: RunStatus | None) -> None:
    """End the job, or follow another run of it that is still under way."""
    if context.store.head(layout.result_key(job.id)) is not None:
        _register(context, job)
        _succeed(context, job, ending, status, "its result is there")
    elif job.cancel_requested_at is not None and _cancel_holds(context, job):
        _stop_doubles(context, job)
        actor = job.cancel_requested_by or ACTOR
        # How it ended does not matter, as it was told to.
        reason = ending.what if status is None else f"the run {status.ref} has stopped; nothing was published"
        _finish(context, job, JobState.CANCELLED, actor, reason, _facts(context, job, status))
    elif _is_published(context, job):
        _succeed(context, job, ending, status, "its partition is there, without a result")
    elif _follow_double(context, job, ending) or _may_still_publish(context, job, ending):
        return
    elif context.store.head(layout.result_key(job.id)) is not None:  # a double has ended since the first look
        end(context, job, ending, status)
    else:
        facts = _facts(context, job, status)
        message = ending.message(context.executor.name, facts["log_tail"] or [])
        failure = {"failure_code": ending.code or FailureCode.APP, "failure_message": message}
        _finish(context, job, JobState.FAILED, context.executor.name, message, facts | failure)


def _succeed(context: Context, job: Job, ending: Ending, status: RunStatus | None, proof: str) -> None:
    _stop_doubles(context, job)
    reason = proof if ending.code is None else f"{proof}, although: {ending.what}"
    _finish(context, job, JobState.SUCCEEDED, context.executor.name, reason, _facts(context, job, status))


def _is_published(context: Context, job: Job) -> bool:
    """Whether a run that had decided to publish did, although it could not write its result any more.

    Raises:
        StorageError: nobody can tell now; the next pass looks again.
    """
    try:
        decision = Decision.from_json(context.store.get(layout.decision_key(job.id)))
    except (NotFound, ValidationError):
        return False
    if decision.action != "publish":
        return False
    return context.catalog.register(context.session, job.prefix, job.request.month, job.id) == job.id


def _may_still_publish(context: Context, job: Job, ending: Ending) -> bool:
    """Whether a run that nobody sees, lost or a double, has decided to publish and may be at it; else none may any more."""
    lost = ending.code is FailureCode.LOST
    if not lost and job.submissions <= 1:
        return False
    standing = forbid_publication(context, job)
    if standing is not None and (lost or standing.run != job.run_ref):
        return db.now() - standing.at < compute.TIMEOUT
    if lost:
        _stop_lost(context, job)
    return False


def _stop_lost(context: Context, job: Job) -> None:
    try:
        context.executor.terminate(job.run_ref or "", "the service has given it up as lost")
    except ExecutorError as error:
        log(f"the lost run cannot be stopped: {error}", job, action="lost", level=logging.WARNING)


def _cancel_holds(context: Context, job: Job) -> bool:
    return (job.cancel_outcome or settle_cancel(context, job)) == ACCEPTED


def _stop_doubles(context: Context, job: Job) -> None:
    """A submission that was sent twice may have made a run that nobody follows."""
    if job.submissions > 1:
        stop_doubles(context, job, under_way(context.executor.find(job.run_name)))


def _register(context: Context, job: Job) -> None:
    try:
        context.catalog.register(context.session, job.prefix, job.request.month, job.id)
    except Exception:  # noqa: BLE001  logged
        # The partition is published whatever the catalogue makes of it; its next look at the archive takes it in.
        logger.exception("partition not registered", extra={"action": "register", JOB_ID: job.id})


def _follow_double(context: Context, job: Job, ending: Ending) -> bool:
    """Whether another run of this job, from a submission that was sent twice, is still under way: then follow it."""
    runs = [run for run in context.executor.find(job.run_name) if run.ref != job.run_ref and not run.state.ended]
    if not runs:
        return False
    other = best(runs)

    def decide(session: Session, row: Job) -> bool:
        # The attempts of the run that ended say nothing of how far this one is.
        values = {"run_ref": other.ref, "definition": other.definition, "attempts": attempts_of(other)}
        state, reason = state_under_way(other), f"{ending.what}; following its double {other.ref}"
        if state is not row.state:
            return jobs.move(session, row, state, actor=ACTOR, reason=reason, missing_since=None, **values)
        if not jobs.change(session, row, missing_since=None, **values):
            return False
        jobs.note(session, row, actor=ACTOR, reason=reason, before=row.state)
        return True

    context.settle(job.id, decide)
    stop_doubles(context, job, under_way(runs))
    return True


def _facts(context: Context, job: Job, status: RunStatus | None) -> dict[str, Any]:
    """What is known of the run and kept when the job ends."""
    facts: dict[str, Any] = {
        "missing_since": None,
        **kept(context, (status.log_ref if status else None) or job.log_ref),
    }
    facts |= progress_of(context, job, at_the_end=True)
    if status is not None:
        facts |= {
            "native_status": status.native_status,
            "native_reason": status.reason,
            "attempts": attempts_of(status),
        }
    return facts


def _finish(context: Context, job: Job, state: JobState, actor: str, reason: str, facts: Mapping[str, Any]) -> None:
    def decide(session: Session, row: Job) -> bool:
        late = state is not JobState.CANCELLED and row.cancel_requested_at is not None and row.cancel_outcome is None
        if late and not jobs.change(session, row, cancel_outcome=TOO_LATE):
            return False
        if late:
            jobs.note(session, row, actor=ACTOR, reason="the cancel came too late: the run had ended", before=row.state)
        return jobs.move(session, row, state, actor=actor, reason=reason, **facts)

    if context.settle(job.id, decide):
        log(f"{state}: {reason}", job, action="end")
