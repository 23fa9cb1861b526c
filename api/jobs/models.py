"""Tables of the jobs."""

import re
import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Enum, Index, String, Text, text
from sqlmodel import Field, SQLModel

from api.db import UtcDateTime
from api.jobs.states import JobState
from worker.contract import compute
from worker.contract.job import JobParams

_ACTIVE = text("ended_at IS NULL")
_LOG_DUE = text("log_due_at IS NOT NULL")
_STATE = Enum(
    JobState, native_enum=False, create_constraint=False, length=16, values_callable=lambda states: [*map(str, states)]
)
_OPTIONAL_JSON = JSON(none_as_null=True)


_ID = re.compile(r"[0-9a-f]{16}")


def new_job_id() -> str:
    return secrets.token_hex(8)


def is_job_id(value: object) -> bool:
    """Whether a job may have this id."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


class Job(SQLModel, table=True):
    """One request to harvest one month into one dataset."""

    __tablename__ = "jobs"
    __table_args__ = (
        # Covers every state that has not ended, whatever its name: one active job for a partition, and no more.
        Index(
            "uq_jobs_active_partition",
            "prefix",
            "year_month",
            unique=True,
            sqlite_where=_ACTIVE,
            postgresql_where=_ACTIVE,
        ),
        Index("ix_jobs_newest", "created_at", "id"),
        Index("ix_jobs_state", "state", "created_at", "id"),
        Index("ix_jobs_log_due", "log_due_at", sqlite_where=_LOG_DUE, postgresql_where=_LOG_DUE),
    )

    id: str = Field(primary_key=True, max_length=16)
    version: int = Field(default=0, description="Grows with every change: a change names the version that it saw")
    state: JobState = Field(default=JobState.PENDING, sa_column=Column(_STATE, nullable=False))
    prefix: str = Field(max_length=128)
    year_month: str = Field(max_length=6)
    params: str = Field(sa_type=Text, description="JobParams as JSON; equal requests have equal text")
    stage_id: str = Field(max_length=64)
    retry_of: str | None = Field(default=None, max_length=16)
    created_by: str | None = Field(default=None, max_length=128, description="None: before there were keys")
    request_id: str | None = Field(default=None, max_length=64, description="Of the request that made it")

    submitting_since: datetime | None = Field(
        default=None, sa_type=UtcDateTime, description="A submission was begun and not yet confirmed"
    )
    submissions: int = Field(default=0, description="How often it was sent: more than once may have made doubles")
    run_ref: str | None = Field(default=None, sa_type=String(256), description="The executor's id of the run")
    definition: str | None = Field(default=None, sa_type=String(256))
    native_status: str | None = Field(default=None, sa_type=String(64))
    native_reason: str | None = Field(default=None, sa_type=Text)
    attempts: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    log_ref: str | None = Field(default=None, sa_type=Text)
    log_tail: list[str] | None = Field(default=None, sa_column=Column(_OPTIONAL_JSON))
    log_due_at: datetime | None = Field(
        default=None,
        sa_type=UtcDateTime,
        description="When the log of a job that has ended is read again: its end is late",
    )
    missing_since: datetime | None = Field(
        default=None, sa_type=UtcDateTime, description="Since when the executor does not know the run"
    )

    progress: dict[str, Any] | None = Field(default=None, sa_column=Column(_OPTIONAL_JSON))
    progress_read_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    cancel_requested_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    cancel_requested_by: str | None = Field(default=None, sa_type=String(128))
    cancel_outcome: str | None = Field(
        default=None, max_length=16, description="accepted: no run may publish any more; too_late: one already did"
    )
    terminated_at: datetime | None = Field(
        default=None, sa_type=UtcDateTime, description="When the executor was last asked to stop the run"
    )

    failure_code: str | None = Field(default=None, max_length=32)
    failure_message: str | None = Field(default=None, sa_type=Text)

    created_at: datetime = Field(sa_type=UtcDateTime)
    submitted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    @property
    def request(self) -> JobParams:
        return JobParams.from_json(self.params)

    @property
    def run_name(self) -> str:
        return compute.job_name(self.year_month, self.id)


class JobEvent(SQLModel, table=True):
    """One change of a job's state, or a fact worth telling that changed none."""

    __tablename__ = "job_events"
    __table_args__ = (Index("ix_job_events_job", "job_id", "id"),)

    id: int | None = Field(default=None, primary_key=True)
    job_id: str = Field(foreign_key="jobs.id", max_length=16)
    at: datetime = Field(sa_type=UtcDateTime)
    from_state: JobState | None = Field(default=None, sa_column=Column(_STATE))
    to_state: JobState = Field(sa_column=Column(_STATE, nullable=False))
    actor: str = Field(max_length=128)
    reason: str = Field(sa_type=Text)


class IdempotencyKey(SQLModel, table=True):
    """The answer that a caller's request with its `Idempotency-Key` got."""

    __tablename__ = "idempotency_keys"

    key: str = Field(primary_key=True, max_length=255, description="Digest of the caller and the key")
    params: str = Field(sa_type=Text, description="The request, as in `jobs.params`")
    status_code: int
    answer: str = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=UtcDateTime, index=True)


class ServiceMark(SQLModel, table=True):
    """When something of the whole service last happened, for every replica to see."""

    __tablename__ = "service_marks"

    name: str = Field(primary_key=True, max_length=64)
    at: datetime = Field(sa_type=UtcDateTime)
