"""Queries on jobs. A change names the version of the row that it was decided on, and happens only if that still stands."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, func, or_, update
from sqlmodel import Session, col, select

from api.db import now
from api.jobs.models import IdempotencyKey, Job, JobEvent, ServiceMark
from api.jobs.states import FOLLOWERS, JobState


def add(session: Session, job: Job, *, actor: str, reason: str) -> None:
    """Insert a job and its first event. Raises `sqlalchemy.exc.IntegrityError` where its partition has an active one."""
    session.add(job)
    session.flush()
    note(session, job, actor=actor, reason=reason, before=None)


def get(session: Session, job_id: str) -> Job | None:
    return session.get(Job, job_id)


def change(session: Session, job: Job, **values: Any) -> bool:
    """Set columns of the job as it was read; false where somebody else changed it since. Refreshes the object."""
    statement = (
        update(Job)
        .where(col(Job.id) == job.id, col(Job.version) == job.version)
        .values(version=job.version + 1, **values)
        .execution_options(synchronize_session=False)
    )
    if session.connection().execute(statement).rowcount != 1:
        return False
    session.refresh(job)
    return True


def move(session: Session, job: Job, state: JobState, *, actor: str, reason: str, **values: Any) -> bool:
    """Change the state, with its event, in the caller's transaction; false where somebody else changed the job since.

    Raises:
        ValueError: that state cannot follow.
    """
    before = job.state
    if state not in FOLLOWERS[before]:
        raise ValueError(f"a job that is {before} does not become {state}")
    at = now()
    if state.ended:
        values["ended_at"] = at
    if state is JobState.SUBMITTED and job.submitted_at is None:
        values["submitted_at"] = at
    if state is JobState.RUNNING and job.started_at is None:
        values["started_at"] = at
    if not change(session, job, state=state, **values):
        return False
    note(session, job, actor=actor, reason=reason, before=before)
    return True


def explain_wait(session: Session, reason: str) -> None:
    """Tell every job that is not submitted yet why it waits; words alone, which disturb no change of the row."""
    waiting = col(Job.state) == JobState.PENDING
    other = or_(col(Job.native_reason).is_(None), col(Job.native_reason) != reason)
    session.connection().execute(update(Job).where(waiting, other).values(native_reason=reason))


def note(session: Session, job: Job, *, actor: str, reason: str, before: JobState | None) -> None:
    """Record an event; with `before` equal to the job's state it is one that changed none."""
    session.add(JobEvent(job_id=job.id, at=now(), from_state=before, to_state=job.state, actor=actor, reason=reason))
    session.flush()


def events(session: Session, job_id: str) -> Sequence[JobEvent]:
    return session.exec(select(JobEvent).where(JobEvent.job_id == job_id).order_by(col(JobEvent.id))).all()


def active_of_partition(session: Session, prefix: str, year_month: str) -> Job | None:
    return session.exec(
        select(Job).where(Job.prefix == prefix, Job.year_month == year_month, col(Job.ended_at).is_(None))
    ).first()


def active_of_prefix(session: Session, prefix: str) -> Job | None:
    """Any active job of the dataset; all of them ask for the same box and collections."""
    return session.exec(select(Job).where(Job.prefix == prefix, col(Job.ended_at).is_(None)).limit(1)).first()


def newest(
    session: Session,
    *,
    limit: int,
    before: tuple[datetime, str] | None = None,
    states: Sequence[JobState] = (),
    year_month: str | None = None,
    prefix: str | None = None,
) -> Sequence[Job]:
    """Jobs from the newest on, those after the given place in that order."""
    query = select(Job).order_by(col(Job.created_at).desc(), col(Job.id).desc()).limit(limit)
    if before is not None:
        at, job_id = before
        query = query.where(or_(col(Job.created_at) < at, and_(col(Job.created_at) == at, col(Job.id) < job_id)))
    if states:
        query = query.where(col(Job.state).in_(states))
    if year_month is not None:
        query = query.where(Job.year_month == year_month)
    if prefix is not None:
        query = query.where(Job.prefix == prefix)
    return session.exec(query).all()


def sweep(
    session: Session,
    states: Sequence[JobState],
    *,
    after: tuple[datetime, str] | None,
    limit: int,
    cancelling: bool = False,
) -> Sequence[Job]:
    """Jobs in these states from the oldest on, those behind the given place: one page."""
    query = select(Job).where(col(Job.state).in_(states)).order_by(col(Job.created_at), col(Job.id)).limit(limit)
    if cancelling:
        query = query.where(col(Job.cancel_requested_at).is_not(None))
    if after is not None:
        at, job_id = after
        query = query.where(or_(col(Job.created_at) > at, and_(col(Job.created_at) == at, col(Job.id) > job_id)))
    return session.exec(query).all()


def with_log_due(session: Session, *, limit: int) -> Sequence[Job]:
    """Jobs whose log is to be read again by now, those that have waited longest first."""
    due = select(Job).where(col(Job.log_due_at) <= now()).order_by(col(Job.log_due_at))
    return session.exec(due.limit(limit)).all()


def counts(session: Session) -> dict[JobState, int]:
    """Jobs by state, those without any left out."""
    found = session.exec(select(Job.state, func.count()).group_by(col(Job.state)))
    return {JobState(state): count for state, count in found}


def count_active(session: Session) -> int:
    return session.exec(select(func.count()).select_from(Job).where(col(Job.ended_at).is_(None))).one()


def ids_in_use(session: Session) -> set[str]:
    """Ids and stage ids of the jobs that have not ended."""
    active = session.exec(select(Job.id, Job.stage_id).where(col(Job.ended_at).is_(None)))
    return {name for names in active for name in names}


def failures(session: Session) -> dict[str, int]:
    """Failed jobs by failure code."""
    query = select(Job.failure_code, func.count()).where(Job.state == JobState.FAILED)
    return {code or "": count for code, count in session.exec(query.group_by(col(Job.failure_code)))}


def oldest_active(session: Session) -> datetime | None:
    return session.exec(select(func.min(Job.created_at)).where(col(Job.ended_at).is_(None))).one()


def oldest_waiting(session: Session) -> datetime | None:
    """Since when the job that has waited longest for its first attempt waits."""
    waiting = select(func.min(Job.submitted_at)).where(Job.state == JobState.SUBMITTED, col(Job.started_at).is_(None))
    return session.exec(waiting).one()


def idempotent_answer(session: Session, key: str) -> IdempotencyKey | None:
    return session.get(IdempotencyKey, key)


def forget_answers(session: Session, *, older_than: datetime) -> None:
    session.connection().execute(delete(IdempotencyKey).where(col(IdempotencyKey.created_at) < older_than))


def mark(session: Session, name: str) -> None:
    session.merge(ServiceMark(name=name, at=now()))


def marked(session: Session, name: str) -> datetime | None:
    found = session.get(ServiceMark, name)
    return found.at if found else None
