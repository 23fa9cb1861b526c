"""How the harvest gets on: what was received, what is waited for, and whether there is any hope left."""

import logging
import threading
import time
from collections.abc import Callable

from worker.errors import SourceUnavailable

log = logging.getLogger(__name__)

_TELL_SECONDS = 60
"""Between two lines in the log on what the source complains of."""


class Watch:
    """Shared by every thread of a run."""

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._last = clock()
        self._lock = threading.Lock()
        self._items = 0
        self._complaint: str | None = None
        self._told: float | None = None

    @property
    def items(self) -> int:
        """Items received so far in this run, before days are cut."""
        return self._items

    @property
    def waiting_for(self) -> str | None:
        """The source's last complaint, while no page has come since."""
        return self._complaint

    def received(self, items: int) -> None:
        """A new page came."""
        with self._lock:
            self._items += items
            self._last = self._clock()
            self._complaint = None

    def discarded(self, items: int) -> None:
        """A search that had given these has to begin anew."""
        with self._lock:
            self._items -= items

    def complained(self, complaint: str) -> None:
        """A request failed.

        Raises:
            SourceUnavailable: nothing new has come for longer than patience lasts.
        """
        with self._lock:
            self._complaint = complaint
            now = self._clock()
            silent = now - self._last
            tell = self._told is None or now - self._told >= _TELL_SECONDS
            self._told = now if tell else self._told
        if tell:
            log.warning(
                "the source does not answer as it should",
                extra={"action": "source_complains", "complaint": complaint, "seconds_without_a_page": round(silent)},
            )
        if silent > self._patience:
            raise SourceUnavailable(f"no new page for {_span(silent)}; the last answer was: {complaint}")

    def remaining(self) -> float:
        """Seconds that patience lasts."""
        return max(0.0, self._patience - (self._clock() - self._last))


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
