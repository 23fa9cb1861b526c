"""The small JSON documents that worker and service read of each other in the archive."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from worker.contract.bbox import Box
from worker.contract.job import Collections, ContractModel, RunId


class DatasetBinding(ContractModel):
    """`_dataset.json`: what the prefix is bound to, for as long as it exists."""

    bbox: Box | None = None
    collections: Collections

    def describe(self) -> str:
        box = f"the box {self.bbox}" if self.bbox else "no box"
        return f"{box} and the collections {', '.join(self.collections)}"


class Decision(ContractModel):
    """`decision.json`: created once; the first that writes it decides whether the job is published or cancelled."""

    action: Literal["publish", "cancel"]
    run: str = Field(description="The executor's id of the run that publishes, or who cancelled")
    at: datetime
    replaces: str | None = Field(
        default=None, description="ETag of the partition that is to be replaced; null where there was none"
    )


class Progress(ContractModel):
    """`progress.json`: how far a running worker is."""

    job_id: RunId = Field(description="The job that reports")
    days_done: int = Field(default=0, description="Days of the month that are finished")
    days_total: int = Field(description="Days of the month")
    items: int = Field(default=0, description="Items of finished pages, staged days included")
    items_per_second: float = Field(default=0.0, description="Items a second, of late")
    phase: Literal["harvesting", "merging", "verifying", "publishing"] = Field(
        default="harvesting", description="What the worker does now"
    )
    waiting_for: str | None = Field(default=None, description="What the worker waits for, if it waits")
    updated_at: datetime = Field(description="When this was written, in UTC")


class StagedSlice(ContractModel):
    """One finished slice of a day."""

    name: str
    collection: str
    box: Box | None
    start: datetime
    end: datetime
    items: int
    counted: bool = Field(description="Whether the source stated a count")
    sha256: str = Field(description="Of the Parquet file that this speaks of")
    staged_at: datetime


class StagedSlices(ContractModel):
    """The finished slices of a day that is not whole yet, rewritten with each of them."""

    bbox: Box | None
    collections: Collections
    source: str
    schema_version: int
    slices: list[StagedSlice]


class StagedDay(ContractModel):
    """The record of a finished day beside its Parquet file."""

    day: date
    bbox: Box | None
    collections: Collections
    source: str
    schema_version: int
    items: dict[str, int] = Field(description="Items by collection")
    matched: int | None = Field(
        description="What is left of the source's counts after the day filter; null if it states none"
    )
    anomalies: dict[str, int] = Field(default_factory=dict)
    sha256: str = Field(description="Of the Parquet file that this record speaks of")
    staged_at: datetime
