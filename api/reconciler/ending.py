"""How a job ends once its run has: by what the archive holds first, and by what the executor says only then."""

from dataclasses import dataclass
from typing import Any, Self

from sqlmodel import Session

from api.executors.base import ExecutorError, RunState, RunStatus
from api.jobs import store as jobs
from api.jobs.models import Job
from api.jobs.states import JobState
from api.reconciler.cancel import ACCEPTED, TOO_LATE, settle_cancel
from api.reconciler.context import ACTOR, TAIL_LINES, Context, attempts_of, log, logger
from api.reconciler.submit import best, stop_doubles
from worker.contract import layout
from worker.contract.exits import FAILURE_OF_EXIT, REMEDY, ExitCode, FailureCode


@dataclass(frozen=True)
class Ending:
    """What became of a run; `code` is None where it said that all went well."""

    code: FailureCode | None
    what: str
    reason: str | None = None

    @classmethod
    def of(cls, status: RunStatus) -> Self:
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
        if status.exit_code == ExitCode.CANCELLED:
            return cls(FailureCode.CONFLICT, what, status.reason)
        return cls(FAILURE_OF_EXIT.get(status.exit_code or 0, FailureCode.APP), what, status.reason)

    def message(self, executor: str) -> str:
        """What happened, what to do, and the executor's own reason."""
        if self.code is None:
            what, code = f"{self.what}, but wrote no result: nothing can be said to be published", FailureCode.APP
        else:
            what, code = self.what, self.code
        return f"{what}. {REMEDY[code]}" + (f" ({executor}: {self.reason})" if self.reason else "")


def end(context: Context, job: Job, ending: Ending, status: RunStatus | None) -> None:
    """End the job, or follow another run of it that is still under way."""
    if context.store.head(layout.result_key(job.id)) is not None:
        _succeed(context, job, ending, status)
    elif job.cancel_requested_at is not None and _cancel_holds(context, job):
        _finish(context, job, JobState.CANCELLED, status, actor=job.cancel_requested_by or ACTOR, reason=ending.what)
    elif not _follow_double(context, job, ending):
        message = ending.message(context.executor.name)
        _finish(
            context,
            job,
            JobState.FAILED,
            status,
            actor=context.executor.name,
            reason=message,
            failure_code=ending.code or FailureCode.APP,
            failure_message=message,
        )


def _cancel_holds(context: Context, job: Job) -> bool:
    return (job.cancel_outcome or settle_cancel(context, job)) == ACCEPTED


def _succeed(context: Context, job: Job, ending: Ending, status: RunStatus | None) -> None:
    try:
        with context.session() as session:
            context.catalog.register(session, job.prefix, job.request.month, job.id)
    except Exception:  # noqa: BLE001  logged
        # The partition is published whatever the catalogue makes of it; its next look at the archive takes it in.
        logger.exception("partition not registered", extra={"action": "register", "job": job.id})
    reason = "its result is there" if ending.code is None else f"its result is there, although: {ending.what}"
    _finish(context, job, JobState.SUCCEEDED, status, actor=context.executor.name, reason=reason)


def _follow_double(context: Context, job: Job, ending: Ending) -> bool:
    """Whether another run of this job, from a submission that was sent twice, is still under way: then follow it."""
    runs = [run for run in context.executor.find(job.run_name) if run.ref != job.run_ref and not run.state.ended]
    if not runs:
        return False
    other = best(runs)

    def decide(session: Session, row: Job) -> bool:
        if not jobs.change(session, row, run_ref=other.ref, definition=other.definition, missing_since=None):
            return False
        reason = f"{ending.what}; following its double {other.ref}"
        jobs.note(session, row, actor=ACTOR, reason=reason, before=row.state)
        return True

    context.settle(job.id, decide)
    stop_doubles(context, runs, other)
    return True


def _finish(
    context: Context, job: Job, state: JobState, status: RunStatus | None, *, actor: str, reason: str, **values: Any
) -> None:
    values["log_tail"] = _tail(context, status.log_ref if status else job.log_ref)
    values["missing_since"] = None
    if status is not None:
        values |= {
            "native_status": status.native_status,
            "native_reason": status.reason,
            "attempts": attempts_of(status),
            "log_ref": status.log_ref or job.log_ref,
        }

    def decide(session: Session, row: Job) -> bool:
        late = state is not JobState.CANCELLED and row.cancel_requested_at is not None and row.cancel_outcome is None
        if late and not jobs.change(session, row, cancel_outcome=TOO_LATE):
            return False
        if late:
            jobs.note(session, row, actor=ACTOR, reason="the cancel came too late: the run had ended", before=row.state)
        return jobs.move(session, row, state, actor=actor, reason=reason, **values)

    if context.settle(job.id, decide):
        log(f"{state}: {reason}", job, action="end")


def _tail(context: Context, log_ref: str | None) -> list[str] | None:
    if log_ref is None:
        return None
    try:
        return [line.text for line in context.executor.tail(log_ref, TAIL_LINES)]
    except (ExecutorError, OSError) as error:
        logger.warning("the log's last lines cannot be kept: %s", error, extra={"action": "tail"})
        return None
