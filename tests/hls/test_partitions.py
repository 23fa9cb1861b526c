"""How a month that was harvested before its end is told."""

from typing import Any, cast

import pytest

from hls.commands import partitions
from hls.models import PartitionDetailOut

ROW = {
    "prefix": "hls-data",
    "yearMonth": "202406",
    "state": "partial",
    "items": 90,
    "matched": 90,
    "complete": True,
    "daysPresent": 9,
    "daysMissing": [],
    "bytes": 1000,
    "cloudCover": None,
    "tiles": None,
    "collections": None,
    "firstDatetime": None,
    "lastDatetime": None,
    "extent": None,
    "sourceJob": None,
    "unreadable": None,
    "notes": [],
    "path": None,
}


@pytest.mark.parametrize(
    ("harvested", "complete", "share", "why"),
    [
        ("2024-06-10T00:00:00Z", "not yet", "", "harvested before the month was over: once it is, `hls submit 202406"),
        ("2024-07-01T00:00:00Z", "yes", "100 %", "with items or days missing; `hls submit 202406"),
    ],
)
def test_an_early_month_is_not_called_complete(harvested: str, complete: str, share: str, why: str) -> None:
    """The source counted no more than was there then; what helps is to wait for the end of the month."""
    row = cast(PartitionDetailOut, ROW | {"harvestedAt": harvested})
    facts: list[tuple[str, Any]] = list(partitions._facts(row))
    assert dict(facts)["complete"] == complete
    assert str(dict(facts)[""]).startswith(why)
    assert partitions._completeness(row) == share
