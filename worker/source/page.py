"""A page of search results as bytes, and what paging needs to know of it without reading the items."""

from dataclasses import dataclass
from typing import Any

import simdjson


class Malformed(ValueError):
    """The source answered something else than a search page."""


@dataclass(frozen=True)
class Page:
    """The bytes and the envelope. `matched` is None where the source states no count."""

    body: bytes
    returned: int
    matched: int | None
    links: list[dict[str, Any]]

    @classmethod
    def read(cls, body: bytes) -> "Page":
        """Find the envelope with simdjson, which makes no Python object of the items.

        Raises:
            Malformed: broken JSON, or not a feature collection.
        """
        try:
            document = simdjson.Parser().parse(body)
            if not isinstance(document, simdjson.Object):
                raise Malformed("not a JSON object")
            features = document.get("features")
            if not isinstance(features, simdjson.Array):
                raise Malformed(f"no features in it, but {', '.join(sorted(document.keys())[:5])}")
            links = document.get("links")
            found: list[Any] = links.as_list() if isinstance(links, simdjson.Array) else []
            return cls(
                body=body,
                returned=len(features),
                matched=_matched(document),
                links=[link for link in found if isinstance(link, dict)],
            )
        except (ValueError, UnicodeDecodeError) as error:
            raise error if isinstance(error, Malformed) else Malformed(f"broken JSON: {error}") from error

    @property
    def next_link(self) -> dict[str, Any] | None:
        following = (link for link in self.links if link.get("rel") == "next" and link.get("href"))
        return next((link for link in following if isinstance(link["href"], str)), None)


def _matched(document: simdjson.Object) -> int | None:
    """`numberMatched` of OGC API Features, or `context.matched` of the older STAC context extension."""
    stated = document.get("numberMatched")
    if stated is None and isinstance(context := document.get("context"), simdjson.Object):
        stated = context.get("matched")
    return stated if isinstance(stated, int) and not isinstance(stated, bool) and stated >= 0 else None
