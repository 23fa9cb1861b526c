"""Items read back from a Parquet file by readers that nobody here wrote, and made comparable with what was served.

"Equal" leaves out the box of an item that crosses the antimeridian, and what Parquet cannot hold: null against absent,
integer against float, and the notation of times.
"""

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import rustac
import stac_geoparquet.arrow

_TIMES = ("datetime", "start_datetime", "end_datetime")


def read_by_rustac(path: Path | str) -> list[dict[str, Any]]:
    async def read() -> dict[str, Any]:
        return dict(await rustac.read(str(path)))

    features: list[dict[str, Any]] = asyncio.run(read())["features"]
    return features


def read_by_stac_geoparquet(path: Path | str) -> list[dict[str, Any]]:
    # Through JSON, because it gives numpy's numbers and Python's times.
    table = pq.read_table(path)
    return [json.loads(json.dumps(item)) for item in stac_geoparquet.arrow.stac_table_to_items(table)]


READERS = {"rustac": read_by_rustac, "stac-geoparquet": read_by_stac_geoparquet}


def comparable(items: list[dict[str, Any]]) -> dict[str, Any]:
    """The items by id, without what equality leaves out."""
    return {item["id"]: _normal(_without_crossing_box(item)) for item in items}


def _without_crossing_box(item: dict[str, Any]) -> dict[str, Any]:
    west, east = item["bbox"][0], item["bbox"][len(item["bbox"]) // 2]
    crosses = west > east or (west, east) == (-180.0, 180.0)
    return {name: value for name, value in item.items() if not (crosses and name == "bbox")}


def _normal(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _normal(member, key) for key, member in value.items() if member is not None}
    if isinstance(value, (list, tuple)):
        return [_normal(element) for element in value]
    if isinstance(value, str) and name in _TIMES:
        return datetime.fromisoformat(value).isoformat()
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
