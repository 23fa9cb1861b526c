"""Room for pages in memory: where the worker is slower than the source, what is left waits in the sockets."""

import threading

from worker.source.limiter import Stopped

_PLACES = 24
_POLL_SECONDS = 0.2


class Desk:
    """A thread takes a place before it reads a page's bytes, and leaves it once their items are converted."""

    def __init__(self, over: threading.Event, places: int = _PLACES) -> None:
        self._over = over
        self._places = threading.Semaphore(places)
        self._mine = threading.local()

    def take(self) -> None:
        """Wait for a place, unless this thread has one. Raises `Stopped` if the run ends meanwhile."""
        if getattr(self._mine, "taken", False):
            return
        while not self._places.acquire(timeout=_POLL_SECONDS):
            if self._over.is_set():
                raise Stopped
        self._mine.taken = True

    def leave(self) -> None:
        """Give the place up, if this thread has one."""
        if getattr(self._mine, "taken", False):
            self._mine.taken = False
            self._places.release()
