"""Which failures of the source pass, and how long to wait before trying again."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_FIRST_WAIT = 0.5
_RETRY_AFTER_MAX = 600.0
TOO_MANY = 429
_PASSING = frozenset((408, 425, TOO_MANY))


class Complaint(Exception):
    """The source refused a request or failed at it; it may succeed later."""

    def __init__(self, message: str, *, retry_after: float | None = None, too_many: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.too_many = too_many
        """Whether the source says that it is asked for too much."""


class Refusal(Exception):
    """The source will not answer this request as it is."""


def passes(status: int) -> bool:
    """Whether a request that was answered with this status is worth sending again."""
    return status in _PASSING or status >= 500


def retry_after(header: str | None) -> float | None:
    """Seconds to wait by a `Retry-After` header, given as seconds or as a date (RFC 9110, section 10.2.3)."""
    if not header:
        return None
    if header.strip().isdigit():
        seconds = float(header)
    else:
        try:
            moment = parsedate_to_datetime(header)
        except ValueError:
            return None
        seconds = (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), _RETRY_AFTER_MAX)


def wait_before(attempt: int, longest: float) -> float:
    """Seconds before the next try after `attempt` failures in a row: exponential, with full jitter above a half."""
    bound = min(longest, _FIRST_WAIT * 2 ** min(attempt - 1, 16))
    return random.uniform(bound / 2, bound)  # noqa: S311  spreads requests; nothing secret
