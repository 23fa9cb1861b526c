"""The logs of any executor, so many of them at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import BoundedSemaphore

from api.executors.base import Executor, ExecutorUnavailable, LogLine, LogPage


class CappedLogs:
    """Logs may come slowly, and each that is read takes one of the threads that serve requests."""

    def __init__(self, executor: Executor, most: int) -> None:
        self._executor = executor
        self._places = BoundedSemaphore(most)

    def logs(self, log_ref: str, token: str | None, limit: int) -> LogPage:
        """Raises `ExecutorUnavailable`, also where as many as may be are being read."""
        with self._place():
            return self._executor.logs(log_ref, token, limit)

    def tail(self, log_ref: str, limit: int) -> Sequence[LogLine]:
        """Raises `ExecutorUnavailable`, also where as many as may be are being read."""
        with self._place():
            return self._executor.tail(log_ref, limit)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise ExecutorUnavailable("many logs are being read at this moment")
        try:
            yield
        finally:
            self._places.release()
