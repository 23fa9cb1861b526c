"""The Parquet file as it is written: encodings, statistics, and the metadata of GeoParquet and STAC-GeoParquet.

Sources: GeoParquet 1.1.0; STAC-GeoParquet 1.1.0. The choices are explained, with figures, in docs/data.md.
"""

import json
import math
import struct
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from worker.contract.columns import ListOf, Struct, Type

ROWS_PER_GROUP = 10_000
"""In the mean of a file's row groups, or more: with fewer, readers have more to read of the footer than they save."""

_PRUNED_ON = ("id", "collection", "datetime", "start_datetime", "end_datetime", "eo:cloud_cover")
_REPEATING_ID = ("href", "title", "description")
"""Fields whose text repeats the item's id: in the order of the file, delta encoding stores little more than an id."""

_GEOMETRY_TYPES = {
    1: "Point",
    2: "LineString",
    3: "Polygon",
    4: "MultiPoint",
    5: "MultiLineString",
    6: "MultiPolygon",
    7: "GeometryCollection",
}


def rows_per_group(items: int) -> int:
    """The rows of each group in a file of so many items, with one group to spare for those that cross the antimeridian."""
    return max(1, math.ceil(items / max(1, items // ROWS_PER_GROUP - 1)))


def open_writer(path: Path, schema: pa.Schema, kind: Struct) -> pq.ParquetWriter:
    """A writer for a partition, as every partition is written."""
    delta = repeating(kind)
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=3,
        use_dictionary=[path for path in leaves(kind) if path not in delta and path != "geometry"],
        column_encoding=dict.fromkeys(delta, "DELTA_BYTE_ARRAY"),
        write_statistics=pruned_on(kind),
    )


def repeating(kind: Struct) -> list[str]:
    """Parquet paths of the texts that hold the item's id, which are written with delta encoding."""
    return [path for path in leaves(kind) if path.rpartition(".")[2] in _REPEATING_ID or path == "id"]


def pruned_on(kind: Struct) -> list[str]:
    """Parquet paths of the columns with statistics."""
    return [*_PRUNED_ON, *(f"bbox.{name}" for name, _ in _members(kind, "bbox"))]


def metadata(
    *, geometry_types: list[str], bbox: list[float] | None, collections: dict[str, Any], extra: dict[str, str]
) -> dict[str, str]:
    """Key-value metadata of the footer."""
    covering = {name: ["bbox", name] for name in ("xmin", "ymin", "xmax", "ymax")}
    column: dict[str, Any] = {"encoding": "WKB", "geometry_types": geometry_types, "covering": {"bbox": covering}}
    if bbox is not None:
        column["bbox"] = bbox
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    stac = {"version": "1.1.0", "collections": collections}
    return {"geo": json.dumps(geo), "stac-geoparquet": json.dumps(stac), **extra}


def geometry_types(wkb: pa.ChunkedArray) -> set[str]:
    """GeoParquet's names of the geometries' types, read off the type codes of ISO WKB in little-endian order."""
    names = set()
    for code in pc.unique(pc.binary_slice(wkb, 1, 5)).to_pylist():
        dimension, base = divmod(struct.unpack("<I", code)[0], 1000)
        names.add(_GEOMETRY_TYPES[base] + (" Z" if dimension == 1 else ""))
    return names


def _members(kind: Struct, name: str) -> tuple[tuple[str, Type], ...]:
    member = dict(kind.fields)[name]
    return member.fields if isinstance(member, Struct) else ()


def leaves(kind: Type, above: str = "") -> list[str]:
    """Parquet paths of the leaves."""
    if isinstance(kind, ListOf):
        return leaves(kind.element, f"{above}.list.element")
    if isinstance(kind, Struct):
        return [path for name, member in kind.fields for path in leaves(member, f"{above}.{name}" if above else name)]
    return [above]
