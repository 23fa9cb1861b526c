"""The state of a month, case by case."""

from datetime import UTC, datetime, timedelta

import pytest

from api.catalog.states import MonthState, SeenFile, month_state
from worker.contract.month import Month

MONTH = Month(2024, 1)
END = MONTH.end
SETTLED = END + timedelta(days=14)
TICK = timedelta(microseconds=1)
LATER = datetime(2025, 1, 1, tzinfo=UTC)


def _ours(harvested_at: datetime, complete: bool | None = True) -> SeenFile:
    return SeenFile(modified_at=LATER, harvested_at=harvested_at, complete=complete, has_days_missing=True)


def _foreign(modified_at: datetime, *, has_days_missing: bool = False) -> SeenFile:
    return SeenFile(modified_at=modified_at, harvested_at=None, complete=None, has_days_missing=has_days_missing)


CASES: dict[str, tuple[SeenFile | None, MonthState]] = {
    "no file": (None, MonthState.MISSING),
    "harvested two weeks after the end": (_ours(SETTLED), MonthState.READY),
    "a moment before": (_ours(SETTLED - TICK), MonthState.STALE),
    "at the end": (_ours(END), MonthState.STALE),
    "a moment before the end": (_ours(END - TICK), MonthState.PARTIAL),
    "the source stated no count": (_ours(SETTLED, None), MonthState.UNKNOWN),
    "no count and too early": (_ours(END, None), MonthState.STALE),
    "no count and before the end": (_ours(END - TICK, None), MonthState.PARTIAL),
    "fewer items than stated": (_ours(SETTLED, False), MonthState.PARTIAL),
    "foreign with every day": (_foreign(LATER), MonthState.UNKNOWN),
    "foreign with days missing": (_foreign(LATER, has_days_missing=True), MonthState.PARTIAL),
    "foreign, written before the end": (_foreign(END - TICK), MonthState.PARTIAL),
    "foreign, written soon after": (_foreign(END), MonthState.STALE),
    "unreadable": (
        SeenFile(modified_at=LATER, harvested_at=None, complete=None, has_days_missing=False, is_readable=False),
        MonthState.UNREADABLE,
    ),
}


@pytest.mark.parametrize(("file", "state"), CASES.values(), ids=CASES)
def test_state(file: SeenFile | None, state: MonthState) -> None:
    """Each file is in the state that the table says, and in RUNNING whatever it is while a job is at work."""
    assert month_state(MONTH, file, now=LATER, is_running=False) is state
    assert month_state(MONTH, file, now=LATER, is_running=True) is MonthState.RUNNING


def test_a_month_that_is_not_over_is_never_ready() -> None:
    """Whatever a file claims of its harvest, a month that still runs is partial."""
    assert month_state(MONTH, _ours(SETTLED), now=END - TICK, is_running=False) is MonthState.PARTIAL
