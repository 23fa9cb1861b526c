"""The loop itself: passes one after another until it is told to stop, watched from outside by its marks."""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Event, Thread

from api import db
from api.jobs import store as jobs
from api.reconciler import failures
from api.reconciler.cancel import act_on_cancels
from api.reconciler.context import Context
from api.reconciler.expiry import expire_jobs
from api.reconciler.last_lines import read_late
from api.reconciler.leader import Leader, make_leader
from api.reconciler.submit import submit_pending
from api.reconciler.vitals import Vitals
from api.reconciler.watch import watch_active

PASS_MARK = "reconciler-pass"  # noqa: S105  not a password
"""Name of the mark that says when the last good pass of whichever process leads ended."""
_MARK_EVERY = timedelta(seconds=1)
_STOP_WAIT_SECONDS = 30
_KEYS_LIFETIME = timedelta(days=7)

logger = logging.getLogger(__name__)


class Reconciler:
    """Makes the database and the executor agree, in passes."""

    def __init__(self, context: Context, *, interval: float, leader: Leader | None = None) -> None:
        self.context = replace(context, goes_on=self._goes_on)
        self._interval = interval
        self._leader = leader or make_leader(context.engine)
        self._stop = Event()
        self._thread: Thread | None = None
        self._side = ThreadPoolExecutor(max_workers=1, thread_name_prefix="refresh")
        self._refresh: Future[None] | None = None
        self._vitals = Vitals()

    def start(self) -> None:
        """Run in a thread of this process."""
        self._thread = Thread(target=self.run, name="reconciler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the step at hand; waits for a thread that was started."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_STOP_WAIT_SECONDS)
            if self._thread.is_alive():
                logger.warning("does not stop in time", extra={"action": "stop"})

    def close(self) -> None:
        """Wait for what goes on beside the passes, and give up the lead."""
        self._stop.set()
        self._side.shutdown(wait=True)
        self._leader.resign()

    def run(self) -> None:
        """Pass after pass, until `stop`."""
        logger.info("starts", extra={"action": "start"})
        try:
            while not self._stop.is_set():
                try:
                    if self._leader.leads():
                        self.pass_once()
                except Exception:
                    logger.exception("pass failed", extra={"action": "pass"})
                self._stop.wait(self._interval)
        finally:
            self.close()
            logger.info("stopped", extra={"action": "stop"})

    def pass_once(self) -> bool:
        """Every step once; false where one failed or left jobs unfollowed, or this process does not lead any more."""
        steps: tuple[tuple[str, Callable[[], object]], ...] = (
            ("logs", lambda: read_late(self.context)),
            ("refresh", self._begin_refresh),
            ("count", lambda: failures.write_down(self.context.engine, self.context.executor)),
        )
        if self._has_active():  # of which there are none for most of a month
            steps = (
                ("submit", lambda: submit_pending(self.context)),
                ("cancel", lambda: act_on_cancels(self.context)),
                ("watch", lambda: watch_active(self.context)),
                *steps,
            )
        good = True
        for name, step in steps:
            if not self._goes_on():
                return False
            try:
                good &= step() is not False
            except Exception:
                logger.exception("step failed", extra={"action": name})
                good = False
        good = good and self._goes_on()
        if good:
            self._mark()
        return good

    def _goes_on(self) -> bool:
        return not self._stop.is_set() and self._leader.leads()

    def _has_active(self) -> bool:
        with self.context.session() as session:
            return jobs.count_active(session) > 0

    def _mark(self) -> None:
        with self.context.session() as session:
            last = jobs.marked(session, PASS_MARK)
            if last is None or db.now() - last >= _MARK_EVERY:
                jobs.mark(session, PASS_MARK)
            self._vitals.write(session)

    def _begin_refresh(self) -> None:
        """A look at the archive may take minutes, so it goes on beside the passes; one at a time."""
        if self._refresh is not None and not self._refresh.done():
            return
        with self.context.session() as session:
            due = self.context.catalog.is_refresh_due(session, every=self.context.timings.refresh)
        if due:
            self._refresh = self._side.submit(self._do_refresh)

    def _do_refresh(self) -> None:
        try:
            self.context.catalog.refresh(self.context.session, stop=self._stop)
            expire_jobs(self.context)
            with self.context.session() as session:
                jobs.forget_answers(session, older_than=db.now() - _KEYS_LIFETIME)
        except Exception:
            logger.exception("refresh failed", extra={"action": "refresh"})
