"""What is known of one partition's file. `Summary` is what a list shows of it, `Detail` what only the month's own page does."""

from dataclasses import dataclass
from datetime import date, datetime

from pydantic import Field

from api.schemas import Out
from worker.contract.result import Provenance


class Unreadable(Exception):
    """The file could not be read as Parquet."""


class CloudCover(Out):
    """Percent of a footprint under clouds, over the items that state it."""

    count: int = Field(description="Items with a value")
    nulls: int = Field(description="Items without one")
    min: float | None = Field(description="Least cloud cover, in percent")
    mean: float | None = Field(description="The exactly rounded sum divided by the count")
    max: float | None = Field(description="Greatest cloud cover, in percent")
    percentiles: dict[str, float] = Field(
        description="Nearest rank: the smallest value that at least so many percent of the items do not exceed",
        examples=[{"p50": 41.0}],
    )


class Summary(Out):
    """Counts and ranges of a partition; null where there is no file, or none that tells."""

    collections: dict[str, int] | None = Field(default=None, description="Items by collection")
    days_present: int | None = Field(default=None, description="Days of the month (UTC) with items")
    days_missing: list[date] | None = Field(default=None, description="Days of the month (UTC) without")
    first_datetime: datetime | None = Field(default=None, description="Earliest `datetime` of an item, in UTC")
    last_datetime: datetime | None = Field(default=None, description="Latest `datetime` of an item, in UTC")
    extent: tuple[float, float, float, float] | None = Field(
        default=None,
        description="West, south, east, north around every footprint; one across the antimeridian spans -180 to 180",
    )
    cloud_cover: CloudCover | None = Field(default=None, description="Cloud cover of the items, in percent")
    notes: list[str] = Field(default_factory=list, description="What the file does not tell, and what is odd about it")


class DayItems(Out):
    """One day of the month, in UTC."""

    day: date = Field(description="The day, in UTC")
    items: int = Field(description="Items whose `datetime` falls in it")
    collections: dict[str, int] = Field(description="Items by collection")


class Bin(Out):
    """Items with at least `low` and less than `high` percent; the last bin holds 100 too."""

    low: float = Field(description="From here on, in percent")
    high: float = Field(description="Up to here, in percent")
    items: int = Field(description="Items between")


class TileItems(Out):
    """Items of one MGRS tile."""

    tile: str = Field(description="MGRS tile, such as 11SKA")
    items: int = Field(description="Items of the tile")


class Tiles(Out):
    """MGRS tiles, as the ids name them."""

    number: int = Field(description="Different tiles")
    without: int = Field(description="Items whose id names no tile")
    top: list[TileItems] = Field(description="The tiles with most items")


class Cell(Out):
    """Items whose footprint's middle lies in one cell of a grid in degrees."""

    west: int = Field(description="Western edge of the cell, in degrees")
    south: int = Field(description="Southern edge of the cell, in degrees")
    items: int = Field(description="Items in the cell")


class Places(Out):
    """Where the items are, as coarse as the number of cells asks for."""

    degrees: int = Field(description="Width and height of a cell")
    cells: list[Cell] = Field(description="Cells with items, from the south-west on")


class RowGroups(Out):
    """How the file is cut."""

    number: int = Field(description="Row groups of the file")
    min_rows: int = Field(description="Rows of the smallest one")
    max_rows: int = Field(description="Rows of the largest one")
    uncompressed_bytes: int = Field(description="Size of the columns before compression, in bytes")
    footer_bytes: int = Field(description="Size of the footer in bytes: what a reader fetches before anything else")


class Footer(Out):
    """What the file says of its own making."""

    source: str = Field(description="Address of the STAC API that was harvested")
    generator: str = Field(description="Program and version that wrote the file")
    schema_version: int = Field(description="Version of the canonical columns")
    anomalies: dict[str, int] = Field(description="Odd items by kind, such as those that lack a band")
    json_columns: list[str] = Field(description="Columns that hold JSON as text")


class Detail(Out):
    """The rest that is known of a partition; null where the file does not tell."""

    days: list[DayItems] | None = Field(default=None, description="Items of each day of the month")
    without_datetime: int | None = Field(default=None, description="Items without a `datetime`")
    outside_month: int | None = Field(default=None, description="Items whose datetime lies in another month")
    duplicated_ids: int | None = Field(default=None, description="Items beyond the first of each id")
    cloud_cover_histogram: list[Bin] | None = Field(default=None, description="Items by cloud cover")
    tiles: Tiles | None = Field(default=None, description="MGRS tiles, as the ids name them")
    places: Places | None = Field(default=None, description="Where the items are, on a coarse grid")
    columns: list[str] | None = Field(default=None, description="Names of the file's columns, in its order")
    geoparquet: bool | None = Field(default=None, description="Whether the file's metadata say that it is GeoParquet")
    row_groups: RowGroups | None = Field(default=None, description="How the file is cut")
    footer: Footer | None = Field(default=None, description="Null in a file that this service's worker did not write")


@dataclass(frozen=True)
class Statistics:
    """Everything that one reading of a file gives."""

    items: int
    provenance: Provenance | None
    summary: Summary
    detail: Detail
