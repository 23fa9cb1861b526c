"""How often somebody may call. Each process counts for itself, in memory."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter


class MinuteLimit:
    """At most so many a minute for each name."""

    def __init__(self, amount: int) -> None:
        self.amount = amount
        self._item = RateLimitItemPerMinute(amount)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def hit(self, name: str) -> bool:
        """Count one; false where it is one too many."""
        return self._limiter.hit(self._item, name)

    def reached(self, name: str) -> bool:
        """Whether the next one would be one too many."""
        return not self._limiter.test(self._item, name)

    def wait(self, name: str) -> int:
        """Seconds until the count begins anew."""
        return max(1, math.ceil(self._limiter.get_window_stats(self._item, name).reset_time - time.time()))
