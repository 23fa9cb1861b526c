"""Every kind of misbehaviour: what it does and which options it has."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """`stage`: where it takes hold: before the answer, on the page, on one item of it, on the wire, or on what the
    catalogue holds."""

    stage: str  # answer | page | item | wire | catalog
    help: str
    options: tuple[str, ...] = ()


_ITEM_OPTIONS = ("id", "count", "lasting")

KINDS: dict[str, Kind] = {
    "latency": Kind("answer", "every answer takes some seconds more", ("seconds",)),
    "cap": Kind("answer", "429 while more than `limit` requests are in flight", ("limit", "retry_after")),
    "outage": Kind("answer", "nothing works for some seconds; for ever without `seconds`", ("seconds", "status")),
    "429": Kind("answer", "too many requests", ("retry_after",)),
    "500": Kind("answer", "CMR-STAC's Oops!"),
    "502": Kind("answer", "a load balancer's HTML"),
    "503": Kind("answer", "a problem upstream"),
    "504": Kind("answer", "a time-out upstream"),
    "hang": Kind("answer", "no answer for an hour, or some seconds, then 504", ("seconds",)),
    "repeat": Kind("page", "the page before once more, in the place of this one"),
    "stutter": Kind("page", "a `next` that leads to this page again"),
    "no-next": Kind("page", "no `next` although more follows"),
    "empty": Kind("page", "no items, but a `next` that goes on behind those left out"),
    "no-count": Kind("page", "no `context`"),
    "recount": Kind("page", "a count that is one more than the first page stated"),
    "no-geometry": Kind("item", "an item with null for a geometry", _ITEM_OPTIONS),
    "no-bands": Kind("item", "an item without some of its bands", (*_ITEM_OPTIONS, "bands")),
    "no-id": Kind("item", "an item without id", _ITEM_OPTIONS),
    "no-datetime": Kind("item", "an item without datetime", _ITEM_OPTIONS),
    "drip": Kind("wire", "a body that takes some seconds (30) to arrive", ("seconds",)),
    "broken-json": Kind("wire", "a body that is cut, with the length of what is sent"),
    "cut": Kind("wire", "a connection that is closed in the middle of the body"),
    "ingest": Kind("catalog", "items that are not there at first", ("share", "id")),
    "remove": Kind("catalog", "items that go away", ("share", "id")),
}
