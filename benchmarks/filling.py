"""A database as a service has it after some years: ended jobs, and a catalogue of every month of HLS."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from sqlalchemy import Engine
from sqlmodel import Session

from api import db, migrate
from api.catalog.models import Dataset, Partition
from api.catalog.statistics import CloudCover, Summary
from api.jobs.models import Job, JobEvent, new_job_id
from api.jobs.states import JobState
from api.settings import Settings
from worker.contract import layout
from worker.contract.collections import COLLECTIONS
from worker.contract.job import JobParams
from worker.contract.month import Month

LAST_MONTH = Month(2026, 5)
MONTHS = list(Month.span(Month(2013, 4), LAST_MONTH))
"""The 158 months of the archive."""
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_AT_ONCE = 1000


@contextmanager
def migrated(database_url: str) -> Iterator[Engine]:
    """An engine on the database, at this release's schema."""
    engine = db.make_engine(Settings(database_url=database_url).database)
    try:
        migrate.upgrade(engine)
        yield engine
    finally:
        engine.dispose()


def fill_history(engine: Engine, jobs: int) -> list[str]:
    """Jobs that have succeeded, and the partitions that the newest of them wrote; returns the jobs' ids."""
    made = [_ended(number) for number in range(jobs)]
    _add(engine, made)
    _add(engine, [event for job in made for event in _events(job)])
    collections = list(COLLECTIONS)
    _add(engine, [Dataset(prefix=layout.DEFAULT_PREFIX, collections=collections, etag="e", seen_at=_BEGIN)])
    _add(engine, [_partition(month, job.id) for month, job in zip(MONTHS, reversed(made), strict=False)])
    return [job.id for job in made]


def fill_active(engine: Engine, jobs: int) -> None:
    """Jobs that are queued at Batch, as the reconciler has submitted them."""
    made = [_requested(number, prefix=f"set{number // len(MONTHS)}") for number in range(jobs)]
    for number, job in enumerate(made):
        job.state, job.submitted_at, job.submissions = JobState.SUBMITTED, _BEGIN, 1
        job.run_ref, job.definition = f"00000000-0000-0000-0000-{number:012}", "hls:1"
    _add(engine, made)


def _add(engine: Engine, rows: list[Job] | list[JobEvent] | list[Dataset] | list[Partition]) -> None:
    for start in range(0, len(rows), _AT_ONCE):
        with Session(engine, expire_on_commit=False) as session, session.begin():
            session.add_all(rows[start : start + _AT_ONCE])


def _requested(number: int, *, prefix: str = layout.DEFAULT_PREFIX) -> Job:
    params, job_id = JobParams(year_month=str(MONTHS[number % len(MONTHS)]), prefix=prefix), new_job_id()
    return Job(
        id=job_id,
        prefix=params.prefix,
        year_month=params.year_month,
        params=params.to_json().decode(),
        stage_id=job_id,
        created_at=_BEGIN + timedelta(minutes=number),
    )


def _ended(number: int) -> Job:
    """With what stays of a job: two attempts, the last progress, twenty lines of its log."""
    job = _requested(number)
    began, ended = job.created_at + timedelta(minutes=2), job.created_at + timedelta(minutes=50)
    days = Month.parse(job.year_month).days()
    job.state, job.version, job.submissions = JobState.SUCCEEDED, 9, 1
    job.submitted_at, job.started_at, job.ended_at = job.created_at, began, ended
    job.run_ref, job.definition = f"run-{job.id}", "hls-stac-parquet-monthly:7"
    job.native_status, job.native_reason = "SUCCEEDED", "Essential container in task exited"
    attempt = {"started_at": began.isoformat(), "stopped_at": ended.isoformat(), "reason": job.native_reason}
    job.attempts = [attempt | {"exit_code": 75}, attempt | {"exit_code": 0}]
    job.log_ref = f"/aws/batch/job:worker/{job.id}"
    line = {"time": ended.isoformat(), "level": "info", "message": "day done", "items": 15000, "itemsPerSecond": 812.5}
    job.log_tail = [json.dumps(line | {"day": str(day)}) for day in days][-20:]
    return job


def _events(job: Job) -> list[JobEvent]:
    way = (JobState.PENDING, JobState.SUBMITTED, JobState.RUNNING, JobState.SUCCEEDED)
    return [
        JobEvent(job_id=job.id, at=job.created_at, from_state=before, to_state=after, actor="batch", reason="moved on")
        for before, after in pairwise((None, *way))
        if after
    ]


def _partition(month: Month, job_id: str) -> Partition:
    summary = Summary(
        collections=dict.fromkeys(COLLECTIONS, 180_000),
        days_present=len(month.days()),
        days_missing=[],
        first_datetime=month.start,
        last_datetime=month.end,
        extent=(-180, -60.5, 180, 83.6),
        cloud_cover=CloudCover(
            count=360_000, nulls=0, min=0, mean=47.25, max=100, percentiles=dict.fromkeys(("p25", "p50", "p75"), 50.0)
        ),
    )
    return Partition(
        prefix=layout.DEFAULT_PREFIX,
        year_month=str(month),
        key=layout.partition_key(layout.DEFAULT_PREFIX, month),
        etag="e",
        bytes=190_000_000,
        modified_at=_BEGIN,
        seen_at=_BEGIN,
        items=360_000,
        matched=360_000,
        complete=True,
        harvested_at=_BEGIN,
        job_id=job_id,
        summary=summary.model_dump(mode="json"),
    )
