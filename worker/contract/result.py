"""`result.json`, the mark that a job's output is whole; the same facts stand in the Parquet file's footer."""

from datetime import date, datetime

from pydantic import Field

from worker.contract.bbox import Box
from worker.contract.job import Collections, ContractModel, RunId
from worker.contract.layout import Prefix
from worker.contract.month import YearMonth


class DayCount(ContractModel):
    """Items of one day, by collection."""

    day: date
    items: dict[str, int]


class Provenance(ContractModel):
    """What the file says of itself, in its footer under `hls:provenance`."""

    year_month: YearMonth
    prefix: Prefix
    bbox: Box | None
    collections: Collections
    items: int
    matched: int | None = Field(
        description="Items that the source stated for the partition; null if it states no counts"
    )
    complete: bool | None = Field(description="Whether items equals matched; null if the source states no counts")
    days: list[DayCount]
    anomalies: dict[str, int]
    extent: Box | None = Field(description="Smallest box around every footprint; null without items")
    first_datetime: datetime | None
    last_datetime: datetime | None
    json_columns: list[str] = Field(description="Columns that hold JSON text, because their values have several types")
    source: str
    harvested_at: datetime = Field(
        description="When the harvest began, or the first of its staged days was read: what the source took in later may be missing"
    )
    job_id: RunId
    schema_version: int
    generator: str


class RunResult(Provenance):
    """The footer's facts and those of the file as it lies in the archive."""

    key: str
    bytes: int
    etag: str
    row_groups: int
    published_at: datetime


PROVENANCE_KEY = "hls:provenance"
"""Key of `Provenance` in the Parquet footer."""
