"""Reading a search request as CMR-STAC does, GET or POST, and writing it again as a link."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import orjson

from sample.catalog import Query
from worker.contract.bbox import BBox

PAGE_SIZE = 100
"""CMR-STAC serves no more items a page, whatever `limit` says."""

_DEFAULT_LIMIT, _MAX_LIMIT = 10, 5000
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})", re.IGNORECASE)
_KNOWN = ("limit", "bbox", "datetime", "collections", "cursor")
_UNSUPPORTED = ("ids", "intersects", "query", "filter", "sortby", "fields")


class BadRequest(Exception):
    """The request is refused with status 400 and this message."""


@dataclass(frozen=True)
class SearchRequest:
    """A search as asked for. `parameters` are those of the request, as text, without the cursor."""

    query: Query
    limit: int
    cursor: tuple[int, str] | None
    parameters: dict[str, str]

    @property
    def page_size(self) -> int:
        return min(self.limit, PAGE_SIZE)

    def link(self, url: str, cursor: tuple[int, str] | None) -> str:
        """Address of a page of this search: always a GET."""
        parameters = self.parameters | ({"cursor": write_cursor(cursor)} if cursor else {})
        return f"{url}?{urlencode(parameters)}" if parameters else url


def read_search(given: Mapping[str, Any]) -> SearchRequest:
    """Read query parameters, or the members of a body.

    Raises:
        BadRequest: what CMR-STAC refuses, and filters that this server does not know.
    """
    unsupported = [name for name in _UNSUPPORTED if given.get(name)]
    if unsupported:
        raise BadRequest(f"This sample server cannot filter by {', '.join(unsupported)}.")
    parameters = {name: _text(given[name]) for name in _KNOWN if given.get(name) not in (None, "", [])}
    cursor = parameters.pop("cursor", None)
    collections = parameters.get("collections")
    query = Query(
        collections=tuple(sorted(set(collections.split(",")))) if collections else None,
        interval=_interval(parameters["datetime"]) if "datetime" in parameters else (None, None),
        box=_box(parameters["bbox"]) if "bbox" in parameters else None,
    )
    return SearchRequest(query, _limit(parameters.get("limit")), read_cursor(cursor) if cursor else None, parameters)


def write_cursor(position: tuple[int, str]) -> str:
    """A cursor that stands behind the item with this start and id."""
    return orjson.dumps(position).hex()


def read_cursor(text: str) -> tuple[int, str]:
    try:
        start, item_id = orjson.loads(bytes.fromhex(text))
        return int(start), str(item_id)
    except (ValueError, TypeError):
        raise BadRequest("Invalid cursor.") from None


def _text(value: Any) -> str:
    return ",".join(str(part) for part in value) if isinstance(value, list) else str(value)


def _limit(text: str | None) -> int:
    try:
        limit = _DEFAULT_LIMIT if text is None else int(text)
    except ValueError:
        limit = -1
    if not 0 <= limit <= _MAX_LIMIT:
        raise BadRequest(f"Limit must be between 0 and {_MAX_LIMIT}")
    return limit


def _box(text: str) -> BBox:
    try:
        box = BBox.parse(text)
    except ValueError:
        box = None
    if box is None or box.crosses_antimeridian:
        raise BadRequest(
            "BBOX must be in the form of 'bbox=swLon,swLat,neLon,neLat' with valid latitude and longitude."
        )
    return box


def _interval(text: str) -> tuple[int | None, int | None]:
    """Milliseconds of a moment or a closed range; open ends are `..` or empty."""
    parts = text.split("/")
    moments = [None if part in ("", "..") else _microseconds(part) for part in parts]
    first, last = moments[0], moments[-1]
    if len(parts) > 2 or (first is None and last is None):
        raise _bad_datetime()
    if len(parts) == 2 and first is not None and last is not None and first >= last:
        raise _bad_datetime()
    return (
        None if first is None else math.ceil(first / 1000),
        None if last is None else math.floor(last / 1000),
    )


def _microseconds(text: str) -> int:
    if not _MOMENT.fullmatch(text):
        raise _bad_datetime()
    try:
        return round(datetime.fromisoformat(text.upper()).timestamp() * 1e6)
    except ValueError:
        raise _bad_datetime() from None


def _bad_datetime() -> BadRequest:
    return BadRequest(
        "Query param datetime does not match a valid date format."
        " Please use RFC3339 or ISO8601 formatted datetime strings."
    )
