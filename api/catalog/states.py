"""In which state a month of a dataset is."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from worker.contract.month import Month

SETTLING = timedelta(days=14)
"""For so long after a month's end granules of it still arrive at the source."""


class MonthState(StrEnum):
    """How far a month of a dataset can be relied on."""

    READY = "ready"
    UNKNOWN = "unknown"
    PARTIAL = "partial"
    STALE = "stale"
    UNREADABLE = "unreadable"
    RUNNING = "running"
    MISSING = "missing"


@dataclass(frozen=True)
class SeenFile:
    """What the state of a month depends on, of its file."""

    modified_at: datetime
    harvested_at: datetime | None
    """Null in a file that our worker did not write."""
    complete: bool | None
    has_days_missing: bool
    is_readable: bool = True


def month_state(month: Month, file: SeenFile | None, *, now: datetime, is_running: bool) -> MonthState:
    """The state that says most: an active job first, then what is wrong with the file, the worst first.

    A file of another program does not say when it was harvested, but not later than it was last written.
    """
    if is_running:
        return MonthState.RUNNING
    if file is None:
        return MonthState.MISSING
    if not file.is_readable:
        return MonthState.UNREADABLE
    harvested_at = file.harvested_at or file.modified_at
    is_foreign = file.harvested_at is None
    if min(harvested_at, now) < month.end or file.complete is False or (is_foreign and file.has_days_missing):
        return MonthState.PARTIAL
    if harvested_at < month.end + SETTLING:
        return MonthState.STALE
    return MonthState.READY if file.complete else MonthState.UNKNOWN
