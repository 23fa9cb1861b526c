"""The end of a job's log, for its page: kept for a moment, because many pages may look at one job."""

import time
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

from api.executors.base import LogLine
from api.executors.capped import CappedLogs

LINES = 200
KEPT_SECONDS = 5.0
_KEPT_LOGS = 64


class Tails:
    """The last lines of logs, asked of the executor at most once in a while for each."""

    def __init__(self, logs: CappedLogs) -> None:
        self._logs = logs
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, bool], tuple[float, Sequence[LogLine]]] = OrderedDict()

    def last_lines(self, log_ref: str, *, has_ended: bool) -> Sequence[LogLine]:
        """What was kept while the job ran is not taken for its end, after which no page looks again.

        Raises:
            ExecutorError: the log cannot be read; that is not kept.
        """
        key = (log_ref, has_ended)
        with self._lock:
            read_at, lines = self._kept.get(key, (float("-inf"), ()))
        if time.monotonic() - read_at < KEPT_SECONDS:
            return lines
        lines = self._logs.tail(log_ref, LINES)
        with self._lock:
            self._kept[key] = (time.monotonic(), lines)
            self._kept.move_to_end(key)
            if len(self._kept) > _KEPT_LOGS:
                self._kept.popitem(last=False)
        return lines
