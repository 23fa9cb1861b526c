"""The catalogue as it is asked for: months of datasets and their states, from the database alone."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus

from sqlmodel import Session

from api.catalog import store
from api.catalog.models import Partition
from api.catalog.states import MonthState, SeenFile, month_state
from api.errors import Problem
from worker.contract.month import Month


class PartitionNotFound(Problem):
    """There is no such partition."""

    status = HTTPStatus.NOT_FOUND
    slug = "partition-not-found"


@dataclass(frozen=True)
class MonthView:
    """One month of a dataset, with or without a file."""

    prefix: str
    year_month: str
    state: MonthState
    partition: Partition | None
    source_job: str | None
    """The job that wrote the file, if it is one of ours."""
    active_job: str | None


def months(
    session: Session,
    *,
    now: datetime,
    prefix: str | None = None,
    first: str | None = None,
    last: str | None = None,
    states: Collection[MonthState] = (),
) -> list[MonthView]:
    """Every month from the first known or asked for to the last, by prefix and month; those missing between too."""
    files = {(row.prefix, row.year_month): row for row in store.partitions(session, prefix)}
    active = store.active_jobs(session, prefix)
    ours = store.known_jobs(session, prefix)
    known: dict[str, list[str]] = {of: [] for of in store.datasets(session, prefix)}
    for of, year_month in files.keys() | active.keys():
        known.setdefault(of, []).append(year_month)
    views = (
        _view(of, year_month, files.get((of, year_month)), active.get((of, year_month)), ours, now)
        for of in sorted(known)
        for year_month in _span(known[of], first, last)
    )
    return [view for view in views if not states or view.state in states]


def month(session: Session, prefix: str, year_month: str, *, now: datetime) -> tuple[MonthView, Partition]:
    """One month that has a file, and its row. Raises `PartitionNotFound`."""
    row = store.partition(session, prefix, year_month)
    active = store.active_jobs(session, prefix).get((prefix, year_month))
    if row is None:
        hint = f"Job {active} is at work on it." if active else "POST /jobs harvests it; GET /partitions lists what is."
        raise PartitionNotFound(f"The dataset {prefix} has no partition for {year_month}. {hint}")
    return _view(prefix, year_month, row, active, store.known_jobs(session, prefix), now), row


def _span(known: list[str], first: str | None, last: str | None) -> Sequence[str]:
    low, high = first or min(known, default=None), last or max(known, default=None)
    return () if low is None or high is None else _between(low, high)


@lru_cache(maxsize=64)
def _between(low: str, high: str) -> tuple[str, ...]:
    """Kept, because many datasets begin and end alike."""
    return tuple(map(str, Month.span(Month.parse(low), Month.parse(high))))


def _view(
    prefix: str, year_month: str, row: Partition | None, active: str | None, ours: Collection[str], now: datetime
) -> MonthView:
    state = month_state(_parsed(year_month), _seen(row) if row else None, now=now, is_running=active is not None)
    source_job = row.job_id if row and row.job_id in ours else None
    return MonthView(prefix, year_month, state, row, source_job, active)


_parsed = lru_cache(maxsize=512)(Month.parse)


def _seen(row: Partition) -> SeenFile:
    return SeenFile(
        modified_at=row.modified_at,
        harvested_at=row.harvested_at,
        complete=row.complete,
        has_days_missing=bool((row.summary or {}).get("days_missing")),
        is_readable=row.unreadable is None,
    )
