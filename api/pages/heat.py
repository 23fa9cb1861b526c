"""The archive as a table of years by months, one for each dataset."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from urllib.parse import urlencode

from api.catalog.schemas import PartitionOut
from api.catalog.states import MonthState
from api.pages.render import month_address
from worker.contract.layout import DEFAULT_PREFIX
from worker.contract.month import FIRST_MONTH, Month


@dataclass(frozen=True)
class StateWords:
    """How a state is shown where colour alone must not tell it."""

    symbol: str
    meaning: str


STATES: dict[MonthState, StateWords] = {
    MonthState.READY: StateWords("●", "complete, and harvested when the month had settled"),
    MonthState.UNKNOWN: StateWords("?", "harvested from a source that states no count"),
    MonthState.PARTIAL: StateWords("◐", "harvested before the month was over, or with days missing"),
    MonthState.STALE: StateWords(
        "↻", "harvested less than 14 days after the month's end; granules may have come since"
    ),
    MonthState.UNREADABLE: StateWords("✕", "the file cannot be read"),
    MonthState.RUNNING: StateWords("▶", "a job is at work on it"),
    MonthState.MISSING: StateWords("·", "no file; choose it to submit a job"),
}


@dataclass(frozen=True)
class Cell:
    """One month; an address of '' where the archive can hold none."""

    year_month: str
    state: MonthState
    items: int | None
    address: str


@dataclass(frozen=True)
class HeatMap:
    """One dataset."""

    prefix: str
    years: list[tuple[int, list[Cell | None]]]
    states: dict[MonthState, int]
    items: int
    bytes: int
    files: int
    harvested_at: datetime | None

    @property
    def months(self) -> int:
        return sum(self.states.values())


def heat_maps(rows: Iterable[PartitionOut], *, now: datetime) -> list[HeatMap]:
    """Rows come by dataset; each map goes from the year of its first month to this one. The whole world comes first."""
    maps = [_heat_map(prefix, list(of), Month.of(now)) for prefix, of in groupby(rows, key=lambda row: row.prefix)]
    return sorted(maps, key=lambda made: made.prefix != DEFAULT_PREFIX)


def _heat_map(prefix: str, rows: Sequence[PartitionOut], this_month: Month) -> HeatMap:
    known = {row.year_month: row for row in rows}
    first = Month.parse(rows[0].year_month).year
    years = [
        (year, [_cell(prefix, Month(year, number), known, this_month) for number in range(1, 13)])
        for year in range(first, max(this_month.year, Month.parse(rows[-1].year_month).year) + 1)
    ]
    return HeatMap(
        prefix=prefix,
        years=years,
        states=_counted(cell.state for _, cells in years for cell in cells if cell),
        items=sum(row.items or 0 for row in rows),
        bytes=sum(row.bytes or 0 for row in rows),
        files=sum(row.path is not None for row in rows),
        harvested_at=max((row.harvested_at for row in rows if row.harvested_at), default=None),
    )


def _counted(states: Iterable[MonthState]) -> dict[MonthState, int]:
    counted = Counter(states)
    return {state: counted[state] for state in STATES if counted[state]}


def _cell(prefix: str, month: Month, known: dict[str, PartitionOut], this_month: Month) -> Cell | None:
    row = known.get(str(month))
    if row is None and not FIRST_MONTH <= month <= this_month:
        return None
    state = row.state if row else MonthState.MISSING
    return Cell(str(month), state, row.items if row else None, _address(prefix, str(month), row))


def _address(prefix: str, year_month: str, row: PartitionOut | None) -> str:
    """The month's page; without a file its job, or the form that asks for one."""
    if row is not None and row.path is not None:
        return month_address(prefix, year_month)
    if row is not None and row.active_job is not None:
        return f"/ui/jobs/{row.active_job}"
    return f"/ui/submit?{urlencode({'yearMonth': year_month, 'prefix': prefix})}"
