"""What readers fetch of a partition: bytes of a box's items and of a month's statistics, footer included."""

from collections.abc import Callable
from pathlib import Path
from statistics import median

import duckdb
import numpy as np
import psutil
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

Box = tuple[float, float, float, float]
Query = Callable[[Path, Box], None]

_BANDS = ("B02", "B03", "B04")
"""Both collections have them."""


def boxes(path: Path, count: int) -> list[Box]:
    """Boxes of one degree: west, south, east, north, about the middles of random items."""
    box = pq.read_table(path, columns=["bbox"]).column("bbox")
    sides = [pc.struct_field(box, name).to_numpy() for name in ("xmin", "ymin", "xmax", "ymax")]
    drawn = np.random.default_rng(0).choice(len(box), count)
    west, south, east, north = (side[drawn] for side in sides)
    x, y = (west + east) / 2, (south + north) / 2
    return list(zip(*(side.tolist() for side in (x - 0.5, y - 0.5, x + 0.5, y + 0.5)), strict=True))


def bytes_read(path: Path, query: Query, drawn: list[Box]) -> float:
    """The median over the boxes, in percent of the file; each query opens the file anew."""
    query(path, drawn[0])  # what is imported late is not counted
    found = []
    for box in drawn:
        before = _read_by_this_process()
        query(path, box)
        found.append(_read_by_this_process() - before)
    return 100 * median(found) / path.stat().st_size


def _read_by_this_process() -> int:
    """Bytes that went through read calls, whether from disk or from memory."""
    return int(psutil.Process().io_counters().read_chars)


def usual_by_pyarrow(path: Path, box: Box) -> None:
    """Id, datetime, cloud cover and three asset hrefs."""
    hrefs = {band: ds.field("assets", band, "href") for band in _BANDS}
    plain = {name: ds.field(name) for name in ("id", "datetime", "eo:cloud_cover")}
    _dataset(path).to_table(columns=plain | hrefs, filter=_within(box))


def whole_by_pyarrow(path: Path, box: Box) -> None:
    """Every column."""
    _dataset(path).to_table(filter=_within(box))


def statistics_by_pyarrow(path: Path, _box: Box) -> None:
    """Counts, cloud cover and time range of the month by collection."""
    table = _dataset(path).to_table(columns=["collection", "datetime", "eo:cloud_cover"])
    table.group_by("collection").aggregate([("datetime", "min_max"), ("eo:cloud_cover", "approximate_median")])


def usual_by_duckdb(path: Path, box: Box) -> None:
    """As `usual_by_pyarrow`."""
    hrefs = ", ".join(f"assets.{band}.href" for band in _BANDS)
    _duckdb(path, f'SELECT id, datetime, "eo:cloud_cover", {hrefs} FROM month WHERE {_WITHIN}', box)  # noqa: S608  our own words


def whole_by_duckdb(path: Path, box: Box) -> None:
    """As `whole_by_pyarrow`."""
    _duckdb(path, f"SELECT * FROM month WHERE {_WITHIN}", box)  # noqa: S608  our own words


def statistics_by_duckdb(path: Path, _box: Box) -> None:
    """As `statistics_by_pyarrow`."""
    query = """SELECT collection, datetime::DATE, count(*), min(datetime), max(datetime), median("eo:cloud_cover")
               FROM month GROUP BY ALL"""
    _duckdb(path, query, None)


BOX_QUERIES: dict[str, tuple[Query, Query]] = {
    "usual query": (usual_by_pyarrow, usual_by_duckdb),
    "whole items": (whole_by_pyarrow, whole_by_duckdb),
}
STATISTICS: tuple[Query, Query] = (statistics_by_pyarrow, statistics_by_duckdb)

_WITHIN = "bbox.xmin <= $3 AND bbox.xmax >= $1 AND bbox.ymin <= $4 AND bbox.ymax >= $2"


def _within(box: Box) -> pc.Expression:
    west, south, east, north = box
    side = {name: ds.field("bbox", name) for name in ("xmin", "ymin", "xmax", "ymax")}
    return (side["xmin"] <= east) & (side["xmax"] >= west) & (side["ymin"] <= north) & (side["ymax"] >= south)


def _dataset(path: Path) -> ds.Dataset:
    return ds.dataset(path, format="parquet")


def _duckdb(path: Path, query: str, box: Box | None) -> None:
    with duckdb.connect() as connection:
        connection.execute(query.replace("month", f"'{path}'", 1), box).fetchall()
