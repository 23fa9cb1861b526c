"""Following the runs: states, progress, and what the executor does not know any more."""

from typing import Any

from api import db
from api.executors.base import ExecutorUnavailable, RunState, RunStatus
from api.jobs import store as jobs
from api.jobs.models import Job
from api.jobs.states import JobState
from api.reconciler.context import Context, attempts_of, log, logger, passed_over, state_under_way
from api.reconciler.ending import Ending, end
from api.reconciler.progress import progress_of
from worker.contract.exits import FailureCode


def watch_active(context: Context) -> None:
    """Ask the executor for every active run, a page of jobs at a time."""
    for page in context.sweep(JobState.SUBMITTED, JobState.RUNNING):
        try:
            known = context.executor.poll([job.run_ref for job in page if job.run_ref is not None])
        except ExecutorUnavailable as error:
            logger.warning("watching pauses: %s", error, extra={"action": "watch"})
            return
        for job in page:
            try:
                _observe(context, job, known.get(job.run_ref or ""))
            except Exception as error:  # noqa: BLE001  logged, and the next job has its turn
                passed_over(job, "watch", error)


def _observe(context: Context, job: Job, status: RunStatus | None) -> None:
    if status is None:
        _missing(context, job)
    elif status.state.ended:
        end(context, job, Ending.of(status), status)
    else:
        _under_way(context, job, status)


def _missing(context: Context, job: Job) -> None:
    if job.missing_since is None:
        log("the executor does not know the run", job, action="missing")
        context.settle(job.id, lambda session, row: jobs.change(session, row, missing_since=db.now()))
    elif db.now() - job.missing_since >= context.timings.lost:
        listed = [run for run in context.executor.find(job.run_name) if run.ref == job.run_ref]
        if listed:
            _observe(context, job, listed[0])
            return
        what = f"The executor has not known the run {job.run_ref} since {job.missing_since:%Y-%m-%d %H:%M:%S} UTC"
        end(context, job, Ending(code=FailureCode.LOST, what=what), None)


def _under_way(context: Context, job: Job, status: RunStatus) -> None:
    if _is_late(job, status):
        state, facts = job.state, {"missing_since": None}
    else:
        state, facts = state_under_way(status), _facts(status)
    values = {name: value for name, value in facts.items() if getattr(job, name) != value}
    if state is JobState.RUNNING:
        values |= progress_of(context, job)
    if state is job.state and not values:
        return
    with context.session() as session:
        row = jobs.get(session, job.id)
        # Who changed the row meanwhile, such as a cancel, goes first; the next pass sees both.
        if row is None or row.version != job.version:
            return
        if state is row.state:
            jobs.change(session, row, **values)
        else:
            reason = f"{status.native_status}: {status.reason}" if status.reason else status.native_status
            jobs.move(session, row, state, actor=context.executor.name, reason=reason, **values)
            log(f"is {state}", row, action="watch")


def _is_late(job: Job, status: RunStatus) -> bool:
    """Whether the job is further than this: an attempt ends before its run waits again, and none is taken back."""
    known = sum(attempt["stopped_at"] is not None for attempt in job.attempts)
    told = sum(attempt.stopped_at is not None for attempt in status.attempts)
    back = job.state is JobState.RUNNING and status.state is RunState.SUBMITTED
    return told < known or (told == known and back)


def _facts(status: RunStatus) -> dict[str, Any]:
    return {
        "native_status": status.native_status,
        "native_reason": status.reason,
        "attempts": attempts_of(status),
        "missing_since": None,
    } | {
        name: value
        for name, value in (("log_ref", status.log_ref), ("definition", status.definition))
        if value is not None
    }
