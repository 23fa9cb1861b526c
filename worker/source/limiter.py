"""How many requests may be in flight: as many as the source bears, found out by trying (AIMD, as TCP does).

The limit doubles a round while little is known, grows by about one a round later, falls when the source complains, and
remembers for a while where it fell: it stays below that height, then tries again, and more rarely each time that it
falls at the same height. Where the source says that it was too many, the height is told by what it bore before, for the
limit may have doubled far beyond it. What fails although nothing succeeded in between is an outage: it makes the limit
fall further, but says nothing of what the source bears.

A place goes to who waits with the smallest `Turn`, of several to who came first.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

START = 4
_BACK_OFF = 0.75
_PROBE_AFTER = 30.0
_PROBE_AFTER_MAX = 480.0
_SAME_HEIGHT = 1.25
_LOWEST_HEIGHT = 0.8

Turn = tuple[int, ...]
"""Who waits for a place goes before all with a greater one; without a turn of its own, before everybody."""


class Stopped(Exception):
    """The run is over; no further request may start."""


class Place(NamedTuple):
    """A place among the requests in flight: how many there were with it when it was had, and when that was."""

    number: int
    had: float


class _Waiting(NamedTuple):
    """Who waits for a place; `number` tells in which order they came."""

    turn: Turn
    number: int
    room: threading.Condition


class Limiter:
    """One for the whole run. `ceiling` is the limit of the limit."""

    def __init__(self, ceiling: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._ceiling = ceiling
        self._clock = clock
        self._limit = float(min(START, ceiling))
        self._threshold = float(ceiling)  # below it the limit doubles a round, above it grows by one
        self._fell_when = float("-inf")
        self._outage = False
        self._borne = 0  # the most in flight, since it fell, when one began that was answered well
        self._height: float | None = None  # where it fell, and since when it is remembered
        self._remembered_when = 0.0
        self._too_high = 0.0
        self._probe_after = _PROBE_AFTER
        self._in_flight = 0
        self._closed_until = 0.0
        self._stopped = False
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []  # a heap
        self._numbers = itertools.count()

    @property
    def limit(self) -> int:
        return max(1, int(self._limit))

    @contextmanager
    def slot(self, turn: Turn = ()) -> Iterator[Place]:
        """Wait for a place among the requests in flight.

        Raises:
            Stopped: the run ended while waiting.
        """
        with self._lock:
            self._enter(turn)
            place = Place(self._in_flight, self._clock())
        try:
            yield place
        finally:
            with self._lock:
                self._in_flight -= 1
                self._wake()

    def succeeded(self, place: Place) -> None:
        """The request that had this place was answered well: grow."""
        with self._lock:
            self._outage = False
            self._borne = max(self._borne, place.number)
            self._limit += 1 if self._limit < self._threshold else 1 / self._limit
            self._limit = min(self._limit, self._ceiling, self._bound())
            self._wake()

    def failed(self, started: float, retry_after: float | None = None, *, too_many: bool = False) -> None:
        """The source complained about a request that began then: fall, once for all that were in flight together.

        `too_many` where it said that it is asked for too much.
        """
        with self._lock:
            now = self._clock()
            if retry_after:
                self._closed_until = max(self._closed_until, now + retry_after)
            if started <= self._fell_when:
                return
            if not self._outage:
                self._remember(now, too_many)
                self._threshold = max(1.0, self._limit * _BACK_OFF)
            self._outage = True
            self._limit = max(1.0, self._limit * _BACK_OFF)
            self._fell_when = now

    def stop(self) -> None:
        """Let nobody in any more, and wake who waits."""
        with self._lock:
            self._stopped = True
            for waiting in self._waiting:
                waiting.room.notify()

    def _enter(self, turn: Turn) -> None:
        me = _Waiting(turn, next(self._numbers), threading.Condition(self._lock))
        heapq.heappush(self._waiting, me)
        try:
            while True:
                if self._stopped:
                    raise Stopped
                closed = self._closed_until - self._clock()
                if closed <= 0 and self._waiting[0] is me and self._in_flight < self.limit:
                    break
                me.room.wait(closed if closed > 0 else None)
        finally:
            self._waiting.remove(me)
            heapq.heapify(self._waiting)
        self._in_flight += 1
        self._wake()  # there may be a place for the next as well

    def _wake(self) -> None:
        if self._waiting:
            self._waiting[0].room.notify()

    def _remember(self, now: float, too_many: bool) -> None:
        """Take this for the height that the source bears, as far as it can be told.

        Where the source says itself that it was too many, it bears what it has borne since the limit fell last. Where it
        only fails while an earlier height holds, that was a little too high: if each fall counted in full, failures that
        have nothing to do with the load would bring the height down to one.
        """
        borne, self._borne = self._borne, 0
        if self._holds(now):
            if too_many and self.limit == borne + 1:
                self._height, self._too_high = min(self._height or self._limit, borne + 1), 0.0
            elif self._limit > self._bound() - 1:
                self._too_high = min(self._too_high + 1, (1 - _LOWEST_HEIGHT) * (self._height or 0))
            return
        if self._limit < 2:
            return
        height = min(self._limit, max(borne + 1, self._limit * _BACK_OFF)) if too_many else self._limit
        same = self._height is not None and self._height / _SAME_HEIGHT <= height <= self._height * _SAME_HEIGHT
        self._probe_after = min(2 * self._probe_after, _PROBE_AFTER_MAX) if same else _PROBE_AFTER
        self._height, self._remembered_when, self._too_high = height, now, 0.0

    def _holds(self, now: float) -> bool:
        return self._height is not None and now - self._remembered_when <= self._probe_after

    def _bound(self) -> float:
        """Just below where the source complained, until it is time to try again."""
        if self._height is None or not self._holds(self._clock()):
            return float(self._ceiling)
        return max(1.0, self._height - 1 - self._too_high)
