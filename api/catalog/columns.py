"""From the columns that a file has to the six facts of an item that the statistics need.

A canonical file has all of them. In a file that another program wrote each may be missing or of another type: then
the fact is null for every item and a note says so.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 to 9999
_EDGES = ("xmin", "ymin", "xmax", "ymax")

FACTS = "id VARCHAR, collection VARCHAR, us BIGINT, cloud DOUBLE, west DOUBLE, south DOUBLE, east DOUBLE, north DOUBLE"
"""Columns of the table of items: `us` is `datetime` in microseconds since 1970 UTC; a value that is none is null."""


@dataclass(frozen=True)
class Told:
    """What a file tells of its items: the columns to read, the SQL that makes `FACTS` of them, and what is missing."""

    columns: list[str]
    sql: str
    notes: list[str]


def projection(schema: pa.Schema) -> Told:
    columns: list[str] = []
    expressions: list[str] = []
    notes: list[str] = []
    for fact in _FACTS:
        kind = schema.field(fact.column).type if fact.column in schema.names else None
        if kind is not None and fact.is_usable(kind):
            columns.append(fact.column)
            expressions.append(fact.sql)
            continue
        expressions.append(fact.absent)
        fault = f"no column {fact.column}" if kind is None else f"column {fact.column} has the type {_short(kind)}"
        notes.append(f"{fault}: {fact.loss}")
    return Told(columns=columns, sql=", ".join(expressions), notes=notes)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_measure(kind: pa.DataType) -> bool:
    return _is_number(kind) or _is_text(kind)


def _is_moment(kind: pa.DataType) -> bool:
    return _is_text(kind) or bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _is_box(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind)) and all(
        kind.get_field_index(edge) >= 0 and _is_number(kind.field(edge).type) for edge in _EDGES
    )


def _finite(expression: str) -> str:
    number = f"TRY_CAST({expression} AS DOUBLE)"
    return f"CASE WHEN isfinite({number}) THEN {number} END"


_US = "epoch_us(TRY_CAST(datetime AS TIMESTAMPTZ))"
_CROSSES = "bbox.xmin > bbox.xmax"  # how GeoParquet writes the box of a footprint that crosses the antimeridian
_WEST = f"CASE WHEN {_CROSSES} THEN -180 ELSE {_finite('bbox.xmin')} END"
_EAST = f"CASE WHEN {_CROSSES} THEN 180 ELSE {_finite('bbox.xmax')} END"


@dataclass(frozen=True)
class _Fact:
    """A column, the types that it may have, and what is lost without it."""

    column: str
    is_usable: Callable[[pa.DataType], bool]
    sql: str
    loss: str
    absent: str = "NULL"


_FACTS = (
    _Fact("id", _is_text, "CAST(id AS VARCHAR)", "tiles and doubled items are not known"),
    _Fact("collection", _is_text, "CAST(collection AS VARCHAR)", "collections are not told apart"),
    _Fact(
        "datetime",
        _is_moment,
        f"CASE WHEN {_US} BETWEEN {_FIRST_US} AND {_LAST_US} THEN {_US} END",
        "days and time range are not known",
    ),
    _Fact("eo:cloud_cover", _is_measure, _finite('"eo:cloud_cover"'), "cloud cover is not known"),
    _Fact(
        "bbox",
        _is_box,
        f"{_WEST}, {_finite('bbox.ymin')}, {_EAST}, {_finite('bbox.ymax')}",
        "the extent is not known",
        absent="NULL, NULL, NULL, NULL",
    ),
)


def _short(kind: pa.DataType) -> str:
    text = str(kind)
    return text if len(text) <= 60 else f"{text[:57]}..."
