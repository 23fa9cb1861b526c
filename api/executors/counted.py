"""Any executor, with its failed calls counted."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from api.executors.base import Executor, ExecutorError, LogLine, LogPage, RunStatus, Submission

if TYPE_CHECKING:
    from worker.contract.job import RunParams

Failures = Mapping[tuple[str, str], int]
"""How often which call failed with which error."""


class CountedExecutor:
    """Passes every call on; `take_failures` tells how many failed since it was last asked."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._failures: Counter[tuple[str, str]] = Counter()
        self._lock = Lock()
        self.name = executor.name

    def take_failures(self) -> Failures:
        with self._lock:
            taken, self._failures = self._failures, Counter()
        return taken

    def give_back(self, failures: Failures) -> None:
        """Count these again: they could not be written down."""
        with self._lock:
            self._failures.update(failures)

    def submit(self, params: "RunParams") -> Submission:
        with self._counted("submit"):
            return self._executor.submit(params)

    def find(self, name: str) -> Sequence[RunStatus]:
        with self._counted("find"):
            return self._executor.find(name)

    def poll(self, refs: Sequence[str]) -> Mapping[str, RunStatus]:
        with self._counted("poll"):
            return self._executor.poll(refs)

    def terminate(self, ref: str, reason: str) -> None:
        with self._counted("terminate"):
            self._executor.terminate(ref, reason)

    def logs(self, log_ref: str, token: str | None, limit: int) -> LogPage:
        with self._counted("logs"):
            return self._executor.logs(log_ref, token, limit)

    def tail(self, log_ref: str, limit: int) -> Sequence[LogLine]:
        with self._counted("tail"):
            return self._executor.tail(log_ref, limit)

    def check(self) -> None:
        with self._counted("check"):
            self._executor.check()

    def close(self) -> None:
        self._executor.close()

    @contextmanager
    def _counted(self, call: str) -> Iterator[None]:
        try:
            yield
        except ExecutorError as error:
            with self._lock:
                self._failures[call, type(error).__name__] += 1
            raise
