"""Following the runs: states, progress, and what the executor does not know any more."""

from typing import Any

from api import db
from api.executors.base import ExecutorUnavailable, RunState, RunStatus
from api.jobs import store as jobs
from api.jobs.models import Job
from api.jobs.states import JobState
from api.reconciler.context import Context, Patience, attempts_of, log, logger, passed_over, state_under_way
from api.reconciler.ending import Ending, end
from api.reconciler.progress import progress_of
from storage import StorageError
from worker.contract.exits import FailureCode
from worker.contract.logs import JOB_ID


def watch_active(context: Context) -> bool:
    """Ask the executor for every active run, a page of jobs at a time; false where it did not tell of them all."""
    patience, told = Patience(), True
    look = _Look(context, patience)
    for page in context.sweep(JobState.SUBMITTED, JobState.RUNNING):
        try:
            known = context.executor.poll([job.run_ref for job in page if job.run_ref is not None])
        except ExecutorUnavailable as error:
            told = False
            logger.warning("jobs are not followed: %s", error, extra={"action": "watch"})
            if not patience.lasts:
                break
            continue
        for job in page:
            look.observe(job, known.get(job.run_ref or ""))
    return told


class _Look:
    """One look at the active jobs.

    An archive that fails is left alone for the rest of it, as it may hang each time: then states are followed, and no
    job ends.
    """

    def __init__(self, context: Context, patience: Patience) -> None:
        self._context = context
        self._patience = patience
        self._archive_away = False
        self._ends_wait = False

    def observe(self, job: Job, status: RunStatus | None) -> None:
        try:
            if status is None:
                self._missing(job)
            elif status.state.ended:
                self._end(job, Ending.of(status, self._context.executor.name), status)
            else:
                self._under_way(job, status)
        except ExecutorUnavailable as error:
            logger.warning("not ended yet: %s", error, extra={"action": "watch", JOB_ID: job.id})
            self._ends_wait = self._ends_wait or not self._patience.lasts
        except Exception as error:  # noqa: BLE001  logged, and the next job has its turn
            passed_over(job, "watch", error)

    def _end(self, job: Job, ending: Ending, status: RunStatus | None) -> None:
        if self._archive_away or self._ends_wait:
            return
        try:
            end(self._context, job, ending, status)
        except StorageError as error:
            self._leave_archive(job, error)

    def _missing(self, job: Job) -> None:
        context = self._context
        if job.missing_since is None:
            log("the executor does not know the run", job, action="missing")
            context.settle(job.id, lambda session, row: jobs.change(session, row, missing_since=db.now()))
        elif db.now() - job.missing_since >= context.timings.lost and not self._ends_wait:
            listed = [run for run in context.executor.find(job.run_name) if run.ref == job.run_ref]
            if listed:
                self.observe(job, listed[0])
                return
            what = f"The executor has not known the run {job.run_ref} since {job.missing_since:%Y-%m-%d %H:%M:%S} UTC"
            self._end(job, Ending(code=FailureCode.LOST, what=what), None)

    def _under_way(self, job: Job, status: RunStatus) -> None:
        if _is_late(job, status):
            state, facts = job.state, {"missing_since": None}
        else:
            state, facts = state_under_way(status), _facts(status)
        values = {name: value for name, value in facts.items() if getattr(job, name) != value}
        if state is JobState.RUNNING:
            values |= self._progress(job)
        if state is job.state and not values:
            return
        with self._context.session() as session:
            row = jobs.get(session, job.id)
            # Who changed the row meanwhile, such as a cancel, goes first; the next pass sees both.
            if row is None or row.version != job.version:
                return
            if state is row.state:
                jobs.change(session, row, **values)
            else:
                reason = f"{status.native_status}: {status.reason}" if status.reason else status.native_status
                jobs.move(session, row, state, actor=self._context.executor.name, reason=reason, **values)
                log(f"is {state}", row, action="watch")

    def _progress(self, job: Job) -> dict[str, Any]:
        if self._archive_away:
            return {}
        try:
            return progress_of(self._context, job)
        except StorageError as error:
            self._leave_archive(job, error)
            return {}

    def _leave_archive(self, job: Job, error: StorageError) -> None:
        self._archive_away = True
        logger.warning("the archive is left alone: %s", error, extra={"action": "watch", JOB_ID: job.id})


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
