"""GeoJSON geometries to WKB, and boxes to the struct of GeoParquet's covering."""

from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import shapely

WEST, EAST = -180.0, 180.0


def to_wkb(geometry: dict[str, Any]) -> bytes:
    """ISO WKB of one GeoJSON geometry. Raises `shapely.errors.ShapelyError` for one that is none."""
    return bytes(shapely.to_wkb(shapely.from_geojson(orjson.dumps(geometry)), flavor="iso"))


def polygons_to_wkb(coordinates: pa.ListArray) -> pa.Array | None:
    """ISO WKB of a whole column of polygons, `list<list<list<double>>>`; None where they are not plainly alike.

    Alike means: no nulls, and every point of the column with two coordinates, or every one with three.
    """
    rings, points = coordinates.flatten(), coordinates.flatten().flatten()
    numbers = points.flatten()
    dimensions = len(numbers) // len(points) if len(points) else 0
    alike = dimensions in (2, 3) and pc.all(pc.equal(pc.list_value_length(points), dimensions)).as_py()
    if not alike or coordinates.null_count or rings.null_count or points.null_count or numbers.null_count:
        return None
    vertices = numbers.to_numpy(zero_copy_only=False).reshape(-1, dimensions)
    offsets = (_offsets(rings), _offsets(coordinates))
    try:
        geometries = shapely.from_ragged_array(shapely.GeometryType.POLYGON, vertices, offsets)
    except (ValueError, shapely.errors.ShapelyError):  # a ring that is not closed, or too short
        return None
    return pa.array(shapely.to_wkb(geometries, flavor="iso"), pa.binary())


def _offsets(lists: pa.ListArray) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Offsets into the flattened values, from 0, whatever slice of a longer array this is."""
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def box_members(bbox: list[float]) -> dict[str, float]:
    """A GeoJSON box as the members of the covering struct, with `zmin` and `zmax` for one in 3D.

    One that crosses the antimeridian (west > east) becomes -180 to 180, so that a plain range filter finds it on
    both sides.
    """
    half = len(bbox) // 2
    names = (("xmin", "ymin", "zmin")[:half], ("xmax", "ymax", "zmax")[:half])
    members = dict(zip((*names[0], *names[1]), map(float, bbox), strict=True))
    if members["xmin"] > members["xmax"]:
        members |= {"xmin": WEST, "xmax": EAST}
    return members


def boxes(column: pa.ListArray) -> pa.StructArray | None:
    """A whole column of 2D boxes, `list<double>`, as structs; None where one is missing or has not four numbers."""
    if column.null_count or not pc.all(pc.equal(pc.list_value_length(column), 4)).as_py():
        return None
    numbers = column.flatten()
    if numbers.null_count:
        return None
    box = numbers.to_numpy(zero_copy_only=False).reshape(-1, 4)
    crosses = box[:, 0] > box[:, 2]
    west, east = np.where(crosses, WEST, box[:, 0]), np.where(crosses, EAST, box[:, 2])
    return pa.StructArray.from_arrays(
        [pa.array(part) for part in (west, box[:, 1], east, box[:, 3])], names=["xmin", "ymin", "xmax", "ymax"]
    )


def bounds_of(wkb: bytes) -> list[float]:
    """West, south, east, north of a geometry: the box of an item that came without one."""
    return [float(number) for number in shapely.bounds(shapely.from_wkb(wkb))]
