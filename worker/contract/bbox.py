"""The bounding box of a dataset: west, south, east, north in degrees (WGS 84)."""

import hashlib
import math
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema


class BBox(NamedTuple):
    """West, south, east, north in degrees. `west > east` means that the box crosses the antimeridian."""

    west: float
    south: float
    east: float
    north: float

    @classmethod
    def parse(cls, value: Any) -> "BBox":
        """Read four numbers, or text with four numbers between commas.

        Raises:
            ValueError: not four finite numbers, out of range, or south above north.
        """
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, (list, tuple)):
            raise ValueError("a bounding box is four numbers: west, south, east, north")  # noqa: TRY004  pydantic
        if len(parts) != 4:
            raise ValueError(f"a bounding box is four numbers (west, south, east, north), not {len(parts)}")
        west, south, east, north = (_degrees(part) for part in parts)
        for name, degrees, limit in (
            ("west", west, 180),
            ("south", south, 90),
            ("east", east, 180),
            ("north", north, 90),
        ):
            if abs(degrees) > limit:
                raise ValueError(f"{name} is {degrees:g}, but must be from -{limit} to {limit} degrees")
        if south > north:
            raise ValueError(f"south ({south:g}) is above north ({north:g}): the order is west, south, east, north")
        return cls(west, south, east, north)

    def __str__(self) -> str:
        return ",".join(str(int(degrees)) if degrees.is_integer() else repr(degrees) for degrees in self)

    @property
    def crosses_antimeridian(self) -> bool:
        return self.west > self.east

    def halves(self) -> list["BBox"]:
        """The boxes to search: one, or two that meet at the antimeridian, because CMR-STAC refuses west > east."""
        if not self.crosses_antimeridian:
            return [self]
        return [self._replace(east=180.0), self._replace(west=-180.0)]

    @property
    def short_hash(self) -> str:
        """Eight hexadecimal digits that name the box in a default prefix."""
        return hashlib.sha256(str(self).encode()).hexdigest()[:8]


def _degrees(part: Any) -> float:
    if isinstance(part, bool):
        raise ValueError("a bounding box is four numbers, not true or false")  # noqa: TRY004  pydantic
    try:
        degrees = float(part)
    except OverflowError:
        raise ValueError("a number of the bounding box is too large: degrees go from -180 to 180") from None
    except (TypeError, ValueError):
        raise ValueError(f"{part!r} is not a number: a bounding box is west,south,east,north in degrees") from None
    if not math.isfinite(degrees):
        raise ValueError(f"{part!r} is not a finite number")
    return degrees + 0.0  # -0.0 becomes 0.0, so that equal boxes are written alike


Box = Annotated[
    BBox,
    BeforeValidator(BBox.parse),
    PlainSerializer(list, return_type=list[float]),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "number"},
            "minItems": 4,
            "maxItems": 4,
            "description": "West, south, east, north in degrees (WGS 84); west > east crosses the antimeridian",
            "examples": [[-124.7, 32.5, -114.1, 42.0]],
        }
    ),
]
"""A validated box; four numbers in JSON."""
