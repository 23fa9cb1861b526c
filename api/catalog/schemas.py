"""The catalogue as the API speaks of it, camelCase in JSON."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self
from urllib.parse import quote

from pydantic import ConfigDict, Field, model_validator

from api.catalog.models import CatalogRefresh, Dataset
from api.catalog.states import MonthState
from api.catalog.statistics import Detail, Summary
from api.catalog.views import MonthView
from api.schemas import Out
from storage import Store
from worker.contract import layout
from worker.contract.layout import Prefix
from worker.contract.month import YearMonth


class PartitionFilter(Out):
    """Which months to list."""

    model_config = ConfigDict(extra="forbid")

    prefix: Prefix | None = Field(
        default=None, description="Prefix of a dataset; the default is all", examples=[layout.DEFAULT_PREFIX]
    )
    first: YearMonth | None = Field(
        default=None, alias="from", description="First month; those without a file are shown", examples=["202401"]
    )
    last: YearMonth | None = Field(
        default=None, alias="to", description="Last month; those without a file are shown", examples=["202412"]
    )
    state: list[MonthState] = Field(
        default=[], description="States to list; may be given several times", examples=[["ready", "missing"]]
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first and self.last and self.first > self.last:
            raise ValueError(f"from ({self.first}) is after to ({self.last}): the first month comes first")
        return self


class Standing(Out):
    """Which month it is, and how its file stands."""

    prefix: str = Field(description="Prefix of the dataset")
    year_month: str = Field(description="Month as YYYYMM")
    state: MonthState = Field(description="How far the month can be relied on")
    items: int | None = Field(description="Items in the file: its rows")
    matched: int | None = Field(description="Items that the source stated; null if it states none")
    complete: bool | None = Field(description="Whether items equals matched; null if that is not known")
    bytes: int | None = Field(description="Size of the file in bytes")
    path: str | None = Field(description="Where the file lies, ready for DuckDB, pyarrow or geopandas")
    harvested_at: datetime | None = Field(description="When the harvest began; null in a file that is not ours")
    modified_at: datetime | None = Field(description="When the file was written")
    seen_at: datetime | None = Field(description="When these statistics were taken")
    unreadable: str | None = Field(description="Why the file cannot be read")
    source_job: str | None = Field(description="The job that wrote the file, if this service knows it")
    active_job: str | None = Field(description="The job that is at work on this month")
    links: dict[str, str] = Field(description="Addresses of what can be read next, by name")


class PartitionOut(Summary, Standing):
    """One month of a dataset. Without a file, or with one that cannot be read, the figures are null."""

    @classmethod
    def of(cls, view: MonthView, archive: Store) -> Self:
        row = view.partition
        return cls(
            **(row.summary or {} if row else {}),
            prefix=view.prefix,
            year_month=view.year_month,
            state=view.state,
            items=row.items if row else None,
            matched=row.matched if row else None,
            complete=row.complete if row else None,
            bytes=row.bytes if row else None,
            path=archive.locate(row.key) if row else None,
            harvested_at=row.harvested_at if row else None,
            modified_at=row.modified_at if row else None,
            seen_at=row.seen_at if row else None,
            unreadable=row.unreadable if row else None,
            source_job=view.source_job,
            active_job=view.active_job,
            links=_links(view),
        )


class Download(Out):
    """Where the file can be fetched."""

    url: str = Field(description="Address of the file; one that begins with / is of this service")
    expires_at: datetime | None = Field(description="Until when the URL works; null if it always does")


class PartitionDetailOut(Detail, PartitionOut):
    """One month in depth."""

    download: Download = Field(description="Where the file can be fetched")


class Totals(Out):
    """Over the months that are listed."""

    partitions: int = Field(description="Months that have a file")
    items: int = Field(description="Items in their files")
    bytes: int = Field(description="Size of their files in bytes")
    collections: dict[str, int] = Field(description="Items by collection")
    states: dict[MonthState, int] = Field(description="Months by state, those without a file too")


class Ignored(Out):
    """A place in the archive that is no part of the catalogue."""

    key: str = Field(description="Key of an object, or of a folder if it ends with '/'")
    reason: str = Field(description="Why it is passed over")


class LookOut(Out):
    """The last look at the whole archive."""

    requested_at: datetime | None = Field(description="When one was last asked for")
    started_at: datetime | None = Field(description="When the last one began; null before the first")
    finished_at: datetime | None = Field(description="When the last one ended, in UTC; null while it runs")
    error: str | None = Field(description="Why it failed, if it did")
    ignored: list[Ignored] = Field(description="What was passed over, and why")

    @classmethod
    def of(cls, row: CatalogRefresh | None) -> Self:
        return cls.model_validate((row or CatalogRefresh()).model_dump())


class DatasetOut(Out):
    """What a dataset is bound to; null where nothing binds it, as when another program wrote it."""

    prefix: str = Field(description="Prefix of the dataset")
    bbox: tuple[float, float, float, float] | None = Field(
        description="West, south, east, north in degrees; null: the whole world, if `collections` is there"
    )
    collections: list[str] | None = Field(description="The collections that it holds")

    @classmethod
    def of(cls, prefix: str, bound: Dataset | None) -> Self:
        return cls(prefix=prefix, bbox=bound.bbox if bound else None, collections=bound.collections if bound else None)


class PartitionsOut(Out):
    """The catalogue, by dataset and month."""

    datasets: list[DatasetOut] = Field(description="The datasets that are listed, and what each is bound to")
    partitions: list[PartitionOut] = Field(description="One row a month, by dataset and month")
    totals: Totals = Field(description="Sums over the months that are listed")
    refresh: LookOut = Field(description="The last look at the whole archive")

    @classmethod
    def of(
        cls, views: Sequence[MonthView], archive: Store, last: CatalogRefresh | None, bound: Mapping[str, Dataset]
    ) -> Self:
        rows = [PartitionOut.of(view, archive) for view in views]
        collections: Counter[str] = Counter()
        for row in rows:
            if row.collections:
                collections.update(row.collections)
        totals = Totals(
            partitions=sum(row.path is not None for row in rows),
            items=sum(row.items or 0 for row in rows),
            bytes=sum(row.bytes or 0 for row in rows),
            collections=dict(sorted(collections.items())),
            states=dict(Counter(row.state for row in rows)),
        )
        datasets = [DatasetOut.of(prefix, bound.get(prefix)) for prefix in dict.fromkeys(row.prefix for row in rows)]
        return cls(datasets=datasets, partitions=rows, totals=totals, refresh=LookOut.of(last))


class RefreshOut(Out):
    """A look at the archive was asked for."""

    requested_at: datetime = Field(description="When it was asked for, in UTC")
    message: str = Field(description="What happens now")


def month_url(prefix: str, year_month: str, part: str = "") -> str:
    query = "" if prefix == layout.DEFAULT_PREFIX else f"?prefix={quote(prefix, safe='/')}"
    return f"/partitions/{year_month}{part}{query}"


def _links(view: MonthView) -> dict[str, str]:
    links = {}
    if view.partition:
        links["self"] = month_url(view.prefix, view.year_month)
        links["data"] = month_url(view.prefix, view.year_month, "/data")
    if view.source_job:
        links["sourceJob"] = f"/jobs/{view.source_job}"
    if view.active_job:
        links["activeJob"] = f"/jobs/{view.active_job}"
    return links
