"""The envelope of a page is read from its bytes, in whatever order and dialect; what is no page is told apart."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.source.page import Malformed, Page


def test_a_real_page(shared_data: Path) -> None:
    """CMR-STAC's count stands in `context`, its next link has no method."""
    page = Page.read((shared_data / "derived-current-flavour/search_page1_of_4.json").read_bytes())
    assert (page.empty, page.matched) == (False, 12)
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


_TRICKY = st.sampled_from(["features", "links", "type", "Feature", '{"type":"Feature",', "}]", '"features":[', "é"])
_NUMBERS = st.integers(-(2**63), 2**63 - 1)  # no parser of JSON need take others
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TRICKY | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TRICKY, inner, max_size=3),
    max_leaves=8,
)
_LIKE_FEATURES = st.dictionaries(_TRICKY, _VALUES, max_size=3).map(lambda more: {"type": "Feature", **more})
_LINKS = st.lists(st.fixed_dictionaries({"rel": st.sampled_from(["next", "self"]), "href": st.text(min_size=1)}))


@given(
    before=st.dictionaries(_TRICKY, _VALUES | st.lists(_LIKE_FEATURES, max_size=2), max_size=2),
    features=st.lists(_LIKE_FEATURES, max_size=3),
    after=st.fixed_dictionaries({}, optional={"links": _LINKS, "numberMatched": _NUMBERS, "x": _LIKE_FEATURES}),
)
def test_compact_pages_are_read_as_all_others(
    before: dict[str, Any], features: list[dict[str, Any]], after: dict[str, Any]
) -> None:
    """What is found around the features of compact JSON is what a parser finds, whatever looks like a feature."""
    document = {**before, "features": features, **after}
    compact = Page.read(json.dumps(document, separators=(",", ":")).encode())
    spaced = Page.read(json.dumps(document).encode())
    assert (compact.empty, compact.matched, compact.links) == (spaced.empty, spaced.matched, spaced.links)


def test_the_features_of_a_compact_page_are_not_parsed() -> None:
    """A large page has to be read once, by what converts it: a broken item in it shows there."""
    page = Page.read(
        b'{"numberMatched":3,"features":[{"type":"Feature","id":},{"type":"Feature","id":"a"}],"links":[]}'
    )
    assert (page.empty, page.matched) == (False, 3)


def test_a_compact_page_that_is_cut(shared_data: Path) -> None:
    """Wherever it is cut, it is no page."""
    document = json.loads((shared_data / "derived-current-flavour/search_page1_of_4.json").read_bytes())
    document["features"] = [{"type": "Feature", **feature} for feature in document["features"]]
    body = json.dumps(document, separators=(",", ":")).encode()
    assert not Page.read(body).empty
    for length in range(0, len(body), 997):
        with pytest.raises(Malformed):
            Page.read(body[:length])
