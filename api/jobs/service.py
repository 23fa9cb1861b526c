"""What may be asked of jobs, and by which rules."""

import hashlib
import json
import logging
from collections.abc import Callable
from typing import Any

from sqlmodel import Session

from api import db
from api.jobs import store
from api.jobs.errors import JobEnded, JobNotFound, KeyReused, NotRetryable, PartitionBusy, PrefixBound, TooManyJobs
from api.jobs.models import IdempotencyKey, Job, is_job_id, new_job_id
from api.jobs.states import JobState
from api.logs import request_id
from worker.contract.documents import DatasetBinding
from worker.contract.job import JobParams
from worker.contract.layout import default_prefix
from worker.contract.logs import JOB_ID

BindingOf = Callable[[str], DatasetBinding | None]
"""What a prefix is bound to, as far as the archive knows; asked for before the caller's transaction holds anything."""

_CANCEL_ATTEMPTS = 5

logger = logging.getLogger(__name__)


def get_job(session: Session, job_id: str) -> Job:
    """Raises `JobNotFound`."""
    # PostgreSQL refuses some characters even in a question, so what cannot be an id is not asked for.
    job = store.get(session, job_id) if is_job_id(job_id) else None
    if job is None:
        raise JobNotFound(f"There is no job {job_id!r}. GET /jobs lists those that there are.")
    return job


def put_job(
    session: Session,
    params: JobParams,
    *,
    actor: str,
    binding_of: BindingOf,
    retry_of: Job | None = None,
    max_active: int | None = None,
) -> tuple[Job, bool]:
    """Record a job; the second value says that an equal one is active and was returned instead.

    Raises:
        PartitionBusy, PrefixBound, TooManyJobs
    """
    bound_to = binding_of(params.prefix)
    # Two requests for one prefix wait for each other: the first one's job reserves the prefix, whatever its month.
    db.serialise(session, f"prefix:{params.prefix}")
    text = params.to_json().decode()
    if (active := store.active_of_partition(session, params.prefix, params.year_month)) is not None:
        _require_equal(active, text)
        return active, True
    _require_binding(session, params, bound_to)
    _require_room(session, max_active)
    job_id = new_job_id()
    job = Job(
        id=job_id,
        prefix=params.prefix,
        year_month=params.year_month,
        params=text,
        stage_id=retry_of.stage_id if retry_of else job_id,
        retry_of=retry_of.id if retry_of else None,
        created_by=actor,
        request_id=request_id.get(),
        created_at=db.now(),
    )
    store.add(session, job, actor=actor, reason=f"retry of {retry_of.id}" if retry_of else "requested")
    logger.info("job recorded", extra={"action": "put", JOB_ID: job_id, "who": actor})
    return job, False


def _require_room(session: Session, most: int | None) -> None:
    """Requests that arrive at the same moment may go beyond it by as many as they are."""
    if most is not None and (active := store.count_active(session)) >= most:
        raise TooManyJobs(
            f"{active} jobs have not ended, and the service takes {most} at a time. Wait until some have ended."
        )


def _require_equal(active: Job, text: str) -> None:
    where = f"{active.year_month} of {active.prefix}"
    if active.params != text:
        raise PartitionBusy(
            f"Job {active.id} is {active.state} for {where} with other parameters. "
            "Wait until it ends, or cancel it, then submit again.",
            jobId=active.id,
        )
    if active.cancel_requested_at is not None:
        raise PartitionBusy(
            f"Job {active.id} for {where} is being cancelled. Submit again once it has ended.", jobId=active.id
        )


def _require_binding(session: Session, params: JobParams, bound_to: DatasetBinding | None) -> None:
    wanted = DatasetBinding(bbox=params.bbox, collections=params.collections)
    by = "is bound to"
    if bound_to is None and (active := store.active_of_prefix(session, params.prefix)) is not None:
        reserved = active.request
        bound_to = DatasetBinding(bbox=reserved.bbox, collections=reserved.collections)
        by = f"is reserved by the active job {active.id} for"
    if bound_to is not None and bound_to != wanted:
        other = default_prefix(params.bbox, params.collections)
        advice = f"such as {other}" if other != params.prefix else "of your own"
        raise PrefixBound(
            f"The prefix {params.prefix} {by} {bound_to.describe()}, and this request is for {wanted.describe()}. "
            f"Ask for what the prefix holds, or name another prefix, {advice}.",
            bound={"bbox": bound_to.bbox, "collections": bound_to.collections},
        )


def cancel_job(session: Session, job_id: str, *, actor: str) -> Job:
    """Cancel at once what was never submitted; for the rest note the wish, which the reconciler carries out.

    Raises:
        JobNotFound, JobEnded
    """
    job = get_job(session, job_id)
    for _ in range(_CANCEL_ATTEMPTS):
        if job.state is JobState.CANCELLED or (job.cancel_requested_at is not None and not job.state.ended):
            return job
        if job.state.ended:
            raise JobEnded(f"Job {job.id} has {job.state} already, so there is nothing to cancel.", jobId=job.id)
        if _try_cancel(session, job, actor):
            logger.info("cancel asked for", extra={"action": "cancel", JOB_ID: job.id, "who": actor})
            return job
        session.refresh(job)
    raise JobEnded(f"Job {job.id} changed too often while it was being cancelled. Try again.", jobId=job.id)


def _try_cancel(session: Session, job: Job, actor: str) -> bool:
    wish: dict[str, Any] = {"cancel_requested_at": db.now(), "cancel_requested_by": actor}
    if job.state is JobState.PENDING and job.submitting_since is None:
        reason = "cancelled before it was submitted"
        return store.move(session, job, JobState.CANCELLED, actor=actor, reason=reason, **wish)
    if not store.change(session, job, **wish):
        return False
    store.note(session, job, actor=actor, reason="asked to cancel", before=job.state)
    return True


def retry_job(
    session: Session, job_id: str, *, actor: str, binding_of: BindingOf, max_active: int | None = None
) -> tuple[Job, bool]:
    """A new job like this one, which shares its staged days.

    Raises:
        JobNotFound, NotRetryable, PartitionBusy, PrefixBound, TooManyJobs
    """
    job = get_job(session, job_id)
    if job.state not in (JobState.FAILED, JobState.CANCELLED):
        raise NotRetryable(
            f"Job {job.id} is {job.state}; only a failed or cancelled job can be retried. "
            "To harvest the month again, submit a new job.",
            jobId=job.id,
        )
    return put_job(session, job.request, actor=actor, binding_of=binding_of, retry_of=job, max_active=max_active)


def answered(session: Session, actor: str, key: str, params: JobParams) -> IdempotencyKey | None:
    """The answer that the caller's key got before; its requests with one key wait for each other.

    Raises:
        KeyReused: the request was another one.
    """
    own = _own_key(actor, key)
    db.serialise(session, f"key:{own}")
    found = store.idempotent_answer(session, own)
    if found is not None and found.params != params.to_json().decode():
        raise KeyReused(
            f"The Idempotency-Key {key!r} came with another request before. Use a new key for a new request."
        )
    return found


def keep_answer(
    session: Session, actor: str, key: str, params: JobParams, status_code: int, answer: dict[str, Any]
) -> None:
    """Keep what the caller's request with this key was answered."""
    session.add(
        IdempotencyKey(
            key=_own_key(actor, key),
            params=params.to_json().decode(),
            status_code=status_code,
            answer=json.dumps(answer),
            created_at=db.now(),
        )
    )
    session.flush()


def _own_key(actor: str, key: str) -> str:
    """Each caller's keys are its own: another's may have the same name."""
    return hashlib.sha256(f"{actor}\n{key}".encode()).hexdigest()
