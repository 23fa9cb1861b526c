"""Items as Python dictionaries to Arrow, whatever they hold."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from shapely.errors import ShapelyError

from worker.contract.columns import PROPERTIES, TIMESTAMP, Struct
from worker.items.arrow import encode, to_arrow
from worker.items.geometry import bounds_of, box_members, to_wkb
from worker.items.types import arrange, infer, merge_all

_TIMES = tuple(name for name, kind in PROPERTIES if kind == TIMESTAMP)
_NAMES = ("id", "collection")
_RESERVED = frozenset(("geometry", "bbox"))


def rows_of(features: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One flat row an item: its members and its properties side by side, geometry as WKB, the box as a struct.

    Raises:
        ValueError: one of them is not an item.
    """
    try:
        return [_row(feature) for feature in features]
    except (AttributeError, TypeError, ShapelyError) as error:
        raise ValueError(f"not a STAC item: {error}") from error


def members_of(features: list[dict[str, Any]]) -> frozenset[str]:
    """Names of columns that stand at an item's top level, not among its properties."""
    return frozenset(name for feature in features for name in feature) - {"properties", *_RESERVED}


def table_of(rows: list[dict[str, Any]], canonical: Struct) -> tuple[pa.StructArray, Struct]:
    """The rows as a struct array, with the canonical columns and every other that a row has, and their type."""
    kind = arrange(merge_all([canonical, *(infer(row) for row in rows)]), canonical)
    assert isinstance(kind, Struct)  # noqa: S101  rows are dictionaries, and structs merge to a struct
    return pa.array([encode(row, kind) for row in rows], to_arrow(kind)), kind


def _row(feature: dict[str, Any]) -> dict[str, Any]:
    for name in _NAMES:
        if not isinstance(feature.get(name), str | None):
            raise ValueError(f"{feature[name]!r} is not the {name} of an item")  # noqa: TRY004  as for other faults
    row = {name: value for name, value in feature.items() if name != "properties" and name not in _RESERVED}
    for name, value in (feature.get("properties") or {}).items():
        # A property named like a member of the item would meet it in one column.
        row[f"properties.{name}" if name in feature or name in _RESERVED else name] = value
    for name in _TIMES:
        row[name] = _moment(row.get(name))
    geometry, bbox = feature.get("geometry"), feature.get("bbox")
    row["geometry"] = to_wkb(geometry) if geometry else None
    if not bbox and row["geometry"]:
        bbox = bounds_of(row["geometry"])
    row["bbox"] = box_members(bbox) if bbox else None
    return row


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is not an RFC 3339 time") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
