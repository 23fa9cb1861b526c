"""Tables of the catalogue: what the archive holds, as last seen."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Text
from sqlmodel import Field, SQLModel

from api.db import UtcDateTime

_OPTIONAL_JSON = JSON(none_as_null=True)


class Dataset(SQLModel, table=True):
    """A prefix as its `_dataset.json` binds it."""

    __tablename__ = "datasets"

    prefix: str = Field(primary_key=True, max_length=128)
    bbox: list[float] | None = Field(default=None, sa_column=Column(_OPTIONAL_JSON))
    collections: list[str] = Field(sa_column=Column(JSON, nullable=False))
    etag: str = Field(max_length=255)
    seen_at: datetime = Field(sa_type=UtcDateTime)


class Partition(SQLModel, table=True):
    """One month of a dataset: the file as it was when its statistics were taken.

    `unreadable` says why there are none; then every figure but the size is null.
    """

    __tablename__ = "partitions"

    prefix: str = Field(primary_key=True, max_length=128)
    year_month: str = Field(primary_key=True, max_length=6)
    key: str = Field(sa_type=Text)
    etag: str = Field(max_length=255)
    bytes: int = Field(sa_type=BigInteger)
    modified_at: datetime = Field(sa_type=UtcDateTime)
    seen_at: datetime = Field(sa_type=UtcDateTime, description="When the statistics were taken")
    unreadable: str | None = Field(default=None, sa_type=Text)
    items: int | None = Field(default=None, sa_type=BigInteger)
    matched: int | None = Field(default=None, sa_type=BigInteger)
    complete: bool | None = None
    harvested_at: datetime | None = Field(
        default=None, sa_type=UtcDateTime, description="From the footer; null in a file that is not ours"
    )
    job_id: str | None = Field(default=None, max_length=64, description="From the footer; the job may be unknown here")
    summary: dict[str, Any] | None = Field(default=None, sa_column=Column(_OPTIONAL_JSON))
    detail: dict[str, Any] | None = Field(default=None, sa_column=Column(_OPTIONAL_JSON))


class CatalogRefresh(SQLModel, table=True):
    """The one row that says when a look at the archive was asked for, and what the last one found.

    Several replicas may run: any of them takes the request, the one that leads answers it.
    """

    __tablename__ = "catalog_refresh"

    id: int = Field(default=1, primary_key=True)
    requested_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str | None = Field(default=None, sa_type=Text)
    ignored: list[dict[str, str]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
