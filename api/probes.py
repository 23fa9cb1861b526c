"""Questions to what the service stands on, asked so that neither many who ask nor one that hangs are a burden."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Generic, TypeVar

KEPT_SECONDS = 1.0
"""An answer is good for so long."""
ANSWER_SECONDS = 3.0
"""So long an answer is waited for."""

Answer = TypeVar("Answer")


class Probe(Generic[Answer]):
    """One question. A thread of its own asks it, one at a time, so that one that hangs keeps no other from its turn."""

    def __init__(self, name: str, ask: Callable[[], Answer], *, kept: float | None = None) -> None:
        self._name = name
        self._ask = ask
        self._kept = kept
        self._lock = Lock()
        self._asked: tuple[Future[Answer], float] | None = None

    @property
    def _good_for(self) -> float:
        return KEPT_SECONDS if self._kept is None else self._kept

    async def answer(self) -> Answer | None:
        """The last answer, if it is still good, else a new one; None where that does not come in time."""
        future, since = self._current()
        if not future.done():
            left = since + ANSWER_SECONDS - time.monotonic()
            await asyncio.wait([asyncio.wrap_future(future)], timeout=max(0, left))
        return future.result() if future.done() else None

    def _current(self) -> tuple[Future[Answer], float]:
        with self._lock:
            now = time.monotonic()
            if self._asked is None or (self._asked[0].done() and now >= self._asked[1] + self._good_for):
                self._asked = Future(), now
                Thread(target=self._run, args=(self._asked[0],), name=f"probe-{self._name}", daemon=True).start()
            return self._asked

    def _run(self, answer: Future[Answer]) -> None:
        try:
            answer.set_result(self._ask())
        except Exception as error:  # noqa: BLE001  raised again for who waits
            answer.set_exception(error)
