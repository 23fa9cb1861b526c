"""Pages converted beside each other: in this process, or in others where that is not enough.

To cut a page is Python's work, of which one process does one thing at a time. Where pages come faster than that, others
take them over, a processor each; where the source is what takes time, as it is in practice, none is started.
"""

import logging
import subprocess
import sys
import threading
from contextlib import suppress

from worker.contract.compute import VCPU
from worker.items.convert import Converted, Converter
from worker.items.moulds import Moulds
from worker.items.wire import READ, receive, send, unpacked

log = logging.getLogger(__name__)

_CROWDED = 20
"""So many more pages that found no free place than that found one, before others are asked for help: to start them takes
as long as some pages do, and a source that sends a few at once from time to time needs none."""

_PIPE = 1 << 20


class ConverterPool:
    """A converter for many threads, which convert as many pages at a time as there are processors."""

    def __init__(self, processes: int = VCPU, crowded: int = _CROWDED) -> None:
        self._here = Converter()
        self._processes, self._crowded = processes, crowded
        # More pages at a time only take processors, and Python's lock, from each other.
        self._slots = threading.Semaphore(processes)
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._waited = self._started = 0
        self._closed = False

    def convert(self, body: bytes) -> Converted:
        """The items of a search page, in the order of the page.

        Raises:
            ValueError: the page is no feature collection, or an item of it is none.
        """
        if self._slots.acquire(blocking=False):
            self._waited = max(0, self._waited - 1)
        else:
            self._waited += 1
            self._slots.acquire()
        try:
            child = self._child()
            return self._here.convert(body) if child is None else self._by(child, body)
        finally:
            self._slots.release()

    def close(self) -> None:
        """End the other processes; they end by themselves with this one, too."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for child in idle:
            child.end()

    def _child(self) -> "_Child | None":
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._closed or self._waited < self._crowded or self._started == self._processes:
                return None
            self._started += 1
        return _Child()

    def _by(self, child: "_Child", body: bytes) -> Converted:
        try:
            converted = child.convert(body)
        except (OSError, EOFError):  # killed, perhaps for the memory that it had: the month goes on without it
            log.warning("a process that converted pages is gone", extra={"action": "converter_gone", "pid": child.pid})
            child.end()
            return self._here.convert(body)
        except BaseException:
            self._give_back(child)
            raise
        self._give_back(child)
        return converted

    def _give_back(self, child: "_Child") -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(child)
                return
        child.end()


class _Child:
    """One of the other processes; for one thread at a time."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "worker.items.child"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pipesize=_PIPE)  # noqa: S603  this very program
        self._moulds = Moulds()

    @property
    def pid(self) -> int:
        return self._process.pid

    def convert(self, body: bytes) -> Converted:
        """Raises `ValueError` as `Converter.convert` does, and `OSError` or `EOFError` where the process is gone."""
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101, PT018  they are pipes
        send(self._process.stdin, body)
        answer = memoryview(receive(self._process.stdout))
        if answer[:1] != READ:
            raise ValueError(str(answer[1:], "utf-8"))
        return unpacked(answer[1:], self._moulds)

    def end(self) -> None:
        with suppress(OSError):
            self._process.communicate()
