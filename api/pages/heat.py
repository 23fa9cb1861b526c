"""The archive as a table of years by months, one for each dataset."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from urllib.parse import urlencode

from api.catalog.models import Dataset
from api.catalog.schemas import DatasetOut, PartitionOut
from api.catalog.states import MonthState
from api.pages.render import month_address, month_name
from api.pages.words import STATES, meaning
from worker.contract.layout import DEFAULT_PREFIX
from worker.contract.month import FIRST_MONTH, Month


@dataclass(frozen=True)
class Cell:
    """One month; one that lies outside of what the dataset spans has no state, and one that leads nowhere no address."""

    state: MonthState | None
    items: int | None
    label: str
    address: str | None


@dataclass(frozen=True)
class HeatMap:
    """One dataset."""

    dataset: DatasetOut
    years: list[tuple[int, list[Cell | None]]]
    states: dict[MonthState, int]
    items: int
    bytes: int
    files: int
    harvested_at: datetime | None

    @property
    def months(self) -> int:
        return sum(self.states.values())


def heat_maps(
    rows: Iterable[PartitionOut], bound: Mapping[str, Dataset], *, now: datetime, may_submit: bool
) -> list[HeatMap]:
    """Rows come by dataset, every month from its first to its last; the map goes on to this year, for months to come.

    The whole world comes first.
    """
    maps = [
        _heat_map(DatasetOut.of(prefix, bound.get(prefix)), list(of), now, may_submit)
        for prefix, of in groupby(rows, key=lambda row: row.prefix)
    ]
    return sorted(maps, key=lambda made: made.dataset.prefix != DEFAULT_PREFIX)


def _heat_map(dataset: DatasetOut, rows: Sequence[PartitionOut], now: datetime, may_submit: bool) -> HeatMap:
    first, last = Month.parse(rows[0].year_month).year, Month.parse(rows[-1].year_month).year
    cells = {row.year_month: _cell(row, now, may_submit) for row in rows}
    if may_submit:
        outside = (str(month) for month in _harvestable(first, now) if str(month) not in cells)
        cells |= {year_month: _outside(dataset.prefix, year_month) for year_month in outside}
    counted = Counter(row.state for row in rows)
    return HeatMap(
        dataset=dataset,
        years=[
            (year, [cells.get(str(Month(year, number))) for number in range(1, 13)])
            for year in range(first, max(now.year, last) + 1)
        ],
        states={state: counted[state] for state in STATES if counted[state]},
        items=sum(row.items or 0 for row in rows),
        bytes=sum(row.bytes or 0 for row in rows),
        files=sum(row.path is not None for row in rows),
        harvested_at=max((row.harvested_at for row in rows if row.harvested_at), default=None),
    )


def _harvestable(first_year: int, now: datetime) -> Iterator[Month]:
    return Month.span(max(FIRST_MONTH, Month(first_year, 1)), Month.of(now))


def _cell(row: PartitionOut, now: datetime, may_submit: bool) -> Cell:
    label = f"{month_name(row.year_month)}: {row.state}"
    if row.items is not None:
        label += f", {row.items:,} items"
    if row.state in (MonthState.PARTIAL, MonthState.UNKNOWN):
        label += f"; {meaning(row, now=now)}"
    return Cell(row.state, row.items, label, _address(row, may_submit))


def _address(row: PartitionOut, may_submit: bool) -> str | None:
    """The month's page; without a file its job, or the form that asks for one."""
    if row.path is not None:
        return month_address(row.prefix, row.year_month)
    if row.active_job is not None:
        return f"/ui/jobs/{row.active_job}"
    return _form(row.prefix, row.year_month) if may_submit else None


def _outside(prefix: str, year_month: str) -> Cell:
    return Cell(None, None, f"{month_name(year_month)}: ask for it", _form(prefix, year_month))


def _form(prefix: str, year_month: str) -> str:
    return f"/ui/submit?{urlencode({'yearMonth': year_month, 'prefix': prefix})}"
