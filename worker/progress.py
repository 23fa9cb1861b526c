"""How far the run is: a document in the archive for the service, a bar on a terminal, one line a day in a log."""

import logging
import sys
import threading
import time
from datetime import UTC, date, datetime
from types import TracebackType
from typing import Literal, Self

from tqdm import tqdm

from storage import StorageError, Store
from worker.contract.documents import Progress
from worker.contract.layout import progress_key
from worker.source.watch import Watch

_EVERY = 2.0
_LAST_SECONDS = 5.0  # a storage that hangs must not keep the run from ending

log = logging.getLogger(__name__)

Phase = Literal["harvesting", "merging", "verifying", "publishing"]


class Reporter:
    """Writes the progress every few seconds while it is open. That it cannot be written ends no run."""

    def __init__(self, store: Store, job_id: str, watch: Watch, days: list[date]) -> None:
        self._store, self._job_id, self._watch = store, job_id, watch
        self._days = len(days)
        self._done = 0
        self._reused = 0
        self._merged: int | None = None
        self._lock = threading.Lock()
        self._phase: Phase = "harvesting"
        self._began = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._report, name="progress", daemon=True)
        self._bar = tqdm(total=self._days, unit="day", disable=not sys.stderr.isatty(), smoothing=0.1)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(_LAST_SECONDS)
        self._bar.close()

    def day_done(self, day: date, items: int, *, reused: bool = False) -> None:
        """A day is staged, by this run or by an earlier attempt."""
        with self._lock:
            self._done += 1
            self._reused += items if reused else 0
            done = self._done
            self._bar.update(1)
        log.info(
            "a day is staged",
            extra={"action": "day_staged", "day": day.isoformat(), "items": items, "reused": reused}
            | {"days_done": done, "days_total": self._days, "items_per_second": round(self._rate(), 1)},
        )

    def reused(self, items: int) -> None:
        """So many items of a day that is not whole were staged by an earlier attempt."""
        with self._lock:
            self._reused += items

    def merged(self, items: int) -> None:
        """So many items the month has: fewer than were received, where one met two searches."""
        self._merged = items

    def phase(self, phase: Phase) -> None:
        """The run does something else now."""
        self._phase = phase
        self._bar.set_postfix_str(phase)
        log.info("the run goes on", extra={"action": phase})

    def _rate(self) -> float:
        return self._watch.items / max(time.monotonic() - self._began, 1e-3)

    def _report(self) -> None:
        while True:
            self._write()
            if self._over.wait(_EVERY):
                self._write()  # how far it came, for whoever looks at the job later
                return

    def _write(self) -> None:
        progress = Progress(
            job_id=self._job_id,
            days_done=self._done,
            days_total=self._days,
            items=self._reused + self._watch.items if self._merged is None else self._merged,
            items_per_second=round(self._rate(), 1),
            phase=self._phase,
            waiting_for=self._watch.waiting_for,
            updated_at=datetime.now(UTC),
        )
        if self._phase == "harvesting":
            self._bar.set_postfix_str(f"{progress.items:,} items, {progress.items_per_second:,.0f} a second")
        try:
            self._store.put(progress_key(self._job_id), progress.to_json())
        except StorageError as error:
            log.warning("the progress could not be written", extra={"action": "progress", "error": str(error)})
