"""Queries on the catalogue."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from api import db
from api.catalog.models import CatalogRefresh, Dataset, Partition
from api.jobs.models import Job


def partition(session: Session, prefix: str, year_month: str) -> Partition | None:
    return session.get(Partition, (prefix, year_month))


def partitions(session: Session, prefix: str | None = None) -> Sequence[Partition]:
    """Every partition, of one dataset or of all, without its detail."""
    query = select(Partition).options(defer(Partition.detail))  # type: ignore[arg-type]  # a column, which SQLModel types as its value
    if prefix is not None:
        query = query.where(Partition.prefix == prefix)
    return session.exec(query).all()


def mark(row: Partition) -> str | None:
    """The ETag of the file that the row's figures belong to; None where there are none, so that it is read again.

    What could not be read once may be readable later: the fault may have been the storage's.
    """
    return row.etag if row.unreadable is None else None


def dataset(session: Session, prefix: str) -> Dataset | None:
    return session.get(Dataset, prefix)


def datasets(session: Session, prefix: str | None = None) -> dict[str, Dataset]:
    """What is bound, by prefix: one dataset or all."""
    query = select(Dataset)
    if prefix is not None:
        query = query.where(Dataset.prefix == prefix)
    return {row.prefix: row for row in session.exec(query)}


def active_jobs(session: Session, prefix: str | None = None) -> dict[tuple[str, str], str]:
    """Prefix and month to the id of the job that is at work on them."""
    query = select(Job.prefix, Job.year_month, Job.id).where(col(Job.ended_at).is_(None))
    if prefix is not None:
        query = query.where(Job.prefix == prefix)
    return {(of, month): job_id for of, month, job_id in session.exec(query)}


def known_jobs(session: Session, prefix: str | None = None) -> set[str]:
    """Ids of jobs that partitions name and that are ours: a run straight from the queue has none."""
    query = select(Job.id).join(Partition, col(Partition.job_id) == col(Job.id))
    if prefix is not None:
        query = query.where(Partition.prefix == prefix)
    return set(session.exec(query))


def last_refresh(session: Session) -> CatalogRefresh | None:
    return session.get(CatalogRefresh, 1)


def request_refresh(session: Session) -> datetime:
    """Note that a look at the archive is wanted. Call it first in a transaction."""
    row = _refresh_row(session)
    row.requested_at = db.now()
    session.flush()
    return row.requested_at


def end_refresh(
    session: Session, *, started_at: datetime, error: str | None, ignored: list[dict[str, str]] | None
) -> None:
    """Note what a look at the archive found; without `ignored` what the one before found stays. Call it first."""
    row = _refresh_row(session)
    row.started_at, row.finished_at, row.error = started_at, db.now(), error
    if ignored is not None:
        row.ignored = ignored


def _refresh_row(session: Session) -> CatalogRefresh:
    db.serialise(session, "catalog-refresh")
    row = last_refresh(session)
    if row is None:
        row = CatalogRefresh()
        session.add(row)
    return row
