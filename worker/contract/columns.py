"""The canonical columns of an HLS item, as data: rendered to Arrow by the worker and to DuckDB types by the service.

The shape is STAC-GeoParquet 1.1: top-level members of an item and its properties side by side, geometry as WKB, the
box as a struct. A partition has these columns always and in this order; what an item holds beyond them follows.
"""

from dataclasses import dataclass

from worker.contract.collections import BANDS

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Scalar:
    """A type without parts. `timestamp` is UTC, in microseconds."""

    kind: str  # text | double | timestamp | wkb


@dataclass(frozen=True)
class ListOf:
    """A list of one type."""

    element: "Type"


@dataclass(frozen=True)
class Struct:
    """Named fields, each nullable."""

    fields: tuple[tuple[str, "Type"], ...]


Type = Scalar | ListOf | Struct

TEXT, DOUBLE, TIMESTAMP, WKB = Scalar("text"), Scalar("double"), Scalar("timestamp"), Scalar("wkb")
TEXTS = ListOf(TEXT)


def _texts(*names: str) -> tuple[tuple[str, Type], ...]:
    return tuple((name, TEXT) for name in names)


_ROLES: tuple[tuple[str, Type], ...] = (("roles", TEXTS),)
_BAND = Struct((*_texts("href", "title", "description"), *_ROLES))
_S3_BAND = Struct((*_texts("href", "title", "description"), *_ROLES, ("storage:refs", TEXTS)))
_FILE = Struct((*_texts("href", "title", "type"), *_ROLES))

BAND_NAMES: tuple[str, ...] = tuple(sorted({band for bands in BANDS.values() for band in bands}))

ASSETS = Struct(
    (
        ("browse", _FILE),
        ("thumbnail_0", _BAND),
        ("thumbnail_1", _BAND),
        *((name, _BAND) for name in BAND_NAMES),
        *((f"s3_{name}", _S3_BAND) for name in BAND_NAMES),
        ("metadata", _FILE),
    )
)

PROPERTIES: tuple[tuple[str, Type], ...] = (
    ("datetime", TIMESTAMP),
    ("start_datetime", TIMESTAMP),
    ("end_datetime", TIMESTAMP),
    ("eo:cloud_cover", DOUBLE),
    ("storage:schemes", Struct((("aws", Struct(_texts("type", "platform", "bucket", "region"))),))),
)
"""Members of an item's `properties`; in Parquet they stand at the top level."""

COLUMNS: tuple[tuple[str, Type], ...] = (
    *_texts("id", "collection", "type", "stac_version"),
    ("stac_extensions", TEXTS),
    *PROPERTIES,
    ("geometry", WKB),
    ("bbox", Struct(tuple((name, DOUBLE) for name in ("xmin", "ymin", "xmax", "ymax")))),
    ("links", ListOf(Struct(_texts("href", "rel", "type", "title")))),
    ("assets", ASSETS),
)
"""Every canonical column, in the order of the file."""
