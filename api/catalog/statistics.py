"""What is known of one partition's file. `Summary` is what a list shows of it, `Detail` what only the month's own page does."""

from dataclasses import dataclass
from datetime import date, datetime

from pydantic import Field

from api.schemas import Out
from worker.contract.result import Provenance


class CloudCover(Out):
    """Percent of a footprint under clouds, over the items that state it."""

    count: int = Field(description="Items with a value")
    nulls: int = Field(description="Items without one")
    min: float | None
    mean: float | None = Field(description="The exactly rounded sum divided by the count")
    max: float | None
    percentiles: dict[str, float] = Field(
        description="Nearest rank: the smallest value that at least so many percent of the items do not exceed",
        examples=[{"p50": 41.0}],
    )


class Summary(Out):
    """Counts and ranges of a partition; null where there is no file, or none that tells."""

    collections: dict[str, int] | None = Field(default=None, description="Items by collection")
    days_present: int | None = Field(default=None, description="Days of the month (UTC) with items")
    days_missing: list[date] | None = Field(default=None, description="Days of the month (UTC) without")
    first_datetime: datetime | None = None
    last_datetime: datetime | None = None
    extent: tuple[float, float, float, float] | None = Field(
        default=None,
        description="West, south, east, north around every footprint; one across the antimeridian spans -180 to 180",
    )
    cloud_cover: CloudCover | None = None
    notes: list[str] = Field(default=[], description="What the file does not tell, and what is odd about it")


class DayItems(Out):
    """One day of the month, in UTC."""

    day: date
    items: int
    collections: dict[str, int]


class Bin(Out):
    """Items with at least `low` and less than `high` percent; the last bin holds 100 too."""

    low: float
    high: float
    items: int


class TileItems(Out):
    """Items of one MGRS tile."""

    tile: str
    items: int


class Tiles(Out):
    """MGRS tiles, as the ids name them."""

    number: int
    without: int = Field(description="Items whose id names no tile")
    top: list[TileItems] = Field(description="The tiles with most items")


class RowGroups(Out):
    """How the file is cut."""

    number: int
    min_rows: int
    max_rows: int
    uncompressed_bytes: int = Field(description="Size of the columns before compression")
    footer_bytes: int = Field(description="What a reader fetches before anything else")


class Footer(Out):
    """What the file says of its own making."""

    source: str
    generator: str
    schema_version: int
    anomalies: dict[str, int]
    json_columns: list[str]


class Detail(Out):
    """The rest that is known of a partition; null where the file does not tell."""

    days: list[DayItems] | None = None
    without_datetime: int | None = None
    outside_month: int | None = Field(default=None, description="Items whose datetime lies in another month")
    duplicated_ids: int | None = Field(default=None, description="Items beyond the first of each id")
    cloud_cover_histogram: list[Bin] | None = None
    tiles: Tiles | None = None
    row_groups: RowGroups | None = None
    footer: Footer | None = Field(default=None, description="Null in a file that this service's worker did not write")


@dataclass(frozen=True)
class Statistics:
    """Everything that one reading of a file gives."""

    items: int
    provenance: Provenance | None
    summary: Summary
    detail: Detail
