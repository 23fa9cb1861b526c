"""The envelope of a page is read from its bytes, in whatever order and dialect; what is no page is told apart."""

import json
from pathlib import Path

import pytest

from worker.source.page import Malformed, Page


def test_a_real_page(shared_data: Path) -> None:
    """CMR-STAC's count stands in `context`, its next link has no method."""
    page = Page.read((shared_data / "derived-current-flavour/search_page1_of_4.json").read_bytes())
    assert (page.returned, page.matched) == (5, 12)
    assert page.next_link is not None
    assert page.next_link["href"].startswith("https://cmr.earthdata.nasa.gov/")


@pytest.mark.parametrize(
    ("envelope", "matched"),
    [
        ({"numberMatched": 7}, 7),
        ({"context": {"matched": 0}}, 0),
        ({"context": {}}, None),
        ({"numberMatched": None}, None),
        ({"numberMatched": "7"}, None),
        ({}, None),
    ],
)
def test_counts_as_sources_state_them(envelope: dict[str, object], matched: int | None) -> None:
    """OGC's `numberMatched`, the older `context`, or none: unknown is not zero."""
    page = Page.read(json.dumps({"features": [], **envelope}).encode())
    assert page.matched == matched
    assert page.next_link is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"<html></html>",
        b'{"features": [{}',
        b'{"errors": ["Oops!"]}',
        b'{"features": {}}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_page(body: bytes) -> None:
    """Errors with status 200, cut and broken JSON raise, so that they are asked for again."""
    with pytest.raises(Malformed):
        Page.read(body)
