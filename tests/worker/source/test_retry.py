"""Which failures pass, and how long is waited."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from worker.source.retry import passes, retry_after, wait_before


@pytest.mark.parametrize(
    ("status", "passing"),
    [(429, True), (500, True), (502, True), (503, True), (408, True), (400, False), (401, False), (404, False)],
)
def test_which_statuses_pass(status: int, passing: bool) -> None:
    """Overload and faults of the server pass; a request that it refuses will be refused again."""
    assert passes(status) is passing


def test_retry_after_in_its_two_notations() -> None:
    """Seconds or an HTTP date; nonsense and the past mean no wait; nobody makes us wait for ever."""
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after("60") == 60
    assert 25 < (retry_after(soon) or 0) <= 30
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after("soon") is None
    assert retry_after(None) is None
    assert retry_after("999999") == 600


def test_waits_grow_to_their_limit() -> None:
    """Exponential, between half and all of the bound, and never above the longest wait."""
    assert 0.25 <= wait_before(1, 180) <= 0.5
    assert 4 <= wait_before(5, 180) <= 8
    assert 90 <= wait_before(50, 180) <= 180
