"""A page of search results as bytes, and what paging needs to know of it without reading the items."""

import json
from dataclasses import dataclass
from typing import Any

import orjson
import simdjson

_FEATURE = b'{"type":"Feature",'
_FIRST = b'"features":[' + _FEATURE
_DECODER = json.JSONDecoder()  # the one that says where a value ends


class Malformed(ValueError):
    """The source answered something else than a search page."""


@dataclass(frozen=True)
class Page:
    """The bytes and the envelope. `matched` is None where the source states no count."""

    body: bytes
    empty: bool
    matched: int | None
    links: list[dict[str, Any]]

    @classmethod
    def read(cls, body: bytes) -> "Page":
        """Find the envelope without making Python objects of the items.

        Raises:
            Malformed: broken JSON, or not a feature collection. What is broken between the first and the last feature
                of a page in compact JSON may show only when the items are converted.
        """
        around = _around(body)
        empty, envelope = (False, around) if around else _parsed(body)
        links = envelope.get("links")
        return cls(
            body=body,
            empty=empty,
            matched=_matched(envelope),
            links=[link for link in links if isinstance(link, dict)] if isinstance(links, list) else [],
        )

    @property
    def next_link(self) -> dict[str, Any] | None:
        following = (link for link in self.links if link.get("rel") == "next" and link.get("href"))
        return next((link for link in following if isinstance(link["href"], str)), None)


def _around(body: bytes) -> dict[str, Any] | None:
    """All but the features of a page in compact JSON, which has some; of those only the last is read.

    Where what stands before the features and what stands after the last are one object, nothing else can be the rest of
    the page, whatever the features are. None where it is not so.
    """
    first, last = body.find(_FIRST), body.rfind(_FEATURE)
    if first < 0:
        return None
    begin = first + len(_FIRST) - len(_FEATURE)
    try:
        text = body[last:].decode()
        _, end = _DECODER.raw_decode(text)
        envelope: dict[str, Any] = orjson.loads(body[:begin] + text[end:].encode())
    except (ValueError, RecursionError):
        return None
    return envelope if envelope.get("features") == [] else None


def _parsed(body: bytes) -> tuple[bool, dict[str, Any]]:
    """The same of any page, and whether it has no features. Raises `Malformed`."""
    try:
        document = simdjson.Parser().parse(body)
        if not isinstance(document, simdjson.Object):
            raise Malformed("not a JSON object")
        features = document.get("features")
        if not isinstance(features, simdjson.Array):
            raise Malformed(f"no features in it, but {', '.join(sorted(document.keys())[:5])}")
        return not len(features), {name: _plain(document[name]) for name in document if name != "features"}
    except (ValueError, UnicodeDecodeError) as error:
        raise error if isinstance(error, Malformed) else Malformed(f"broken JSON: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, simdjson.Object):
        return value.as_dict()
    return value.as_list() if isinstance(value, simdjson.Array) else value


def _matched(envelope: dict[str, Any]) -> int | None:
    """`numberMatched` of OGC API Features, or `context.matched` of the older STAC context extension."""
    stated = envelope.get("numberMatched")
    if stated is None and isinstance(context := envelope.get("context"), dict):
        stated = context.get("matched")
    return stated if isinstance(stated, int) and not isinstance(stated, bool) and stated >= 0 else None
