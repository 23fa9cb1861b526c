"""Which fields of a request are wrong, in the words of who sent it."""

from collections.abc import Sequence
from typing import Any

from pydantic.alias_generators import to_camel

_WORDS = {
    "extra_forbidden": "unknown field: see /docs for those that there are",
    "missing": "is missing",
    "model_attributes_type": "send a JSON object, with the header Content-Type: application/json",
}


def field_faults(found: Sequence[Any]) -> list[dict[str, str]]:
    """Field and message of each of pydantic's errors, the contract's own words where a message comes from there."""
    faults = []
    for fault in found:
        path = _path(fault["loc"])
        message = _WORDS.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
        faults.append({"field": ".".join(path), "message": message})
    return faults


def _path(location: Sequence[str | int]) -> list[str]:
    """Where the fault is, in the caller's words: a query has no places in its lists, and names are camelCase."""
    where = location[0] if location else None
    parts = [part for part in location if part not in ("body", "query", "path", "header")]
    if where == "query":
        parts = [part for part in parts if isinstance(part, str)]
    return [to_camel(str(part)) if where == "path" else str(part) for part in parts]
