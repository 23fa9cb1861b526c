"""The states of a month where colour alone must not tell them: a symbol, what it means, and what it means here."""

from dataclasses import dataclass
from datetime import datetime

from api.catalog.schemas import PartitionOut
from api.catalog.states import MonthState
from worker.contract.month import Month


@dataclass(frozen=True)
class StateWords:
    """How a state is shown, and what it means wherever it is met."""

    symbol: str
    meaning: str


STATES: dict[MonthState, StateWords] = {
    MonthState.READY: StateWords("●", "complete, and harvested when the month had settled"),
    MonthState.UNKNOWN: StateWords("?", "the source states no count, or another program wrote the file"),
    MonthState.PARTIAL: StateWords("◐", "harvested before the month was over, or with items or days missing"),
    MonthState.STALE: StateWords(
        "↻", "harvested less than 14 days after the month's end; granules may have come since"
    ),
    MonthState.UNREADABLE: StateWords("✕", "the file cannot be read"),
    MonthState.RUNNING: StateWords("▶", "a job is at work on it"),
    MonthState.MISSING: StateWords("·", "no file, between months that have one or a job"),
}


def meaning(row: PartitionOut, *, now: datetime) -> str:
    """What the state says of this one month: of several cases, the one that it is."""
    is_foreign = row.harvested_at is None
    if row.state is MonthState.UNKNOWN and is_foreign:
        return "written by another program, which does not say how many items there should be"
    if row.state is MonthState.UNKNOWN:
        return "harvested from a source that states no count"
    if row.state is MonthState.PARTIAL:
        return _lack(row, is_foreign, now)
    return STATES[row.state].meaning


def _lack(row: PartitionOut, is_foreign: bool, now: datetime) -> str:
    written_at = row.harvested_at or row.modified_at or now
    if min(written_at, now) < Month.parse(row.year_month).end:
        return f"{'written' if is_foreign else 'harvested'} before the month was over"
    if row.complete is False:
        return f"the source stated {row.matched:,} items"
    days = len(row.days_missing or ())
    return f"written by another program, {days} {'day' if days == 1 else 'days'} without items"
