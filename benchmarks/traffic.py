"""What reaches the replayed API: how many requests are in flight, how they are answered, second by second."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Second:
    """One second of the run: requests that came, by the status of their answer, and the most in flight."""

    answers: dict[int, int] = field(default_factory=dict)
    peak_in_flight: int = 0


class Traffic:
    """Lets searches in or turns them away, and counts. Seconds begin with the first search."""

    def __init__(
        self,
        *,
        most_in_flight: int | None = None,
        outage: tuple[float, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._outage, self._clock = most_in_flight, outage, clock
        self._began: float | None = None
        self._last = 0.0
        self._in_flight = 0
        self._pages = self._items = 0
        self._seconds: list[Second] = []
        self._lock = threading.Lock()

    def enter(self) -> int:
        """A search begins: 200 if it may go on, else the status to answer. `leave` follows in either case."""
        with self._lock:
            now = self._now()
            self._in_flight += 1
            status = self._status(now)
            second = self._second(now)
            second.answers[status] = second.answers.get(status, 0) + 1
            second.peak_in_flight = max(second.peak_in_flight, self._in_flight)
            return status

    def leave(self, items: int | None = None) -> None:
        """Its answer is about to be whole; `items` are those of a page."""
        with self._lock:
            self._in_flight -= 1
            self._last = self._now()
            if items is not None:
                self._pages += 1
                self._items += items

    def counters(self) -> dict[str, Any]:
        """All counts so far: `elapsed_s` is from the first search to the last answer."""
        with self._lock:
            answers: dict[str, int] = {}
            for second in self._seconds:
                for status, count in second.answers.items():
                    answers[str(status)] = answers.get(str(status), 0) + count
            return {
                "pages": self._pages,
                "items": self._items,
                "elapsed_s": self._last,
                "answers": answers,
                "peak_in_flight": max((second.peak_in_flight for second in self._seconds), default=0),
                "seconds": [
                    {"answers": second.answers, "peak_in_flight": second.peak_in_flight} for second in self._seconds
                ],
            }

    def _status(self, now: float) -> int:
        if self._outage and self._outage[0] <= now < sum(self._outage):
            return 503
        return 429 if self._most is not None and self._in_flight > self._most else 200

    def _now(self) -> float:
        if self._began is None:
            self._began = self._clock()
        return self._clock() - self._began

    def _second(self, now: float) -> Second:
        while len(self._seconds) <= now:
            self._seconds.append(Second(peak_in_flight=self._in_flight - 1))
        return self._seconds[int(now)]
