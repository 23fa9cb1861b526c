"""A line of the log every minute, from which the alarms outside take their figures."""

import logging
import time

from sqlmodel import Session

from api import db
from api.jobs import store as jobs
from worker.contract import vitals

EVERY_SECONDS = 60.0

logger = logging.getLogger(__name__)


class Vitals:
    """Written after good passes only, so that its absence says that there are none."""

    def __init__(self, *, every: float = EVERY_SECONDS) -> None:
        self._every = every
        self._written: float | None = None

    def write(self, session: Session) -> None:
        """Write the line, if the last one is old enough."""
        if self._written is not None and time.monotonic() - self._written < self._every:
            return
        now = db.now()
        since = {
            vitals.OLDEST_ACTIVE_SECONDS: jobs.oldest_active(session),
            vitals.LONGEST_WAIT_SECONDS: jobs.oldest_waiting(session),
        }
        ages = {name: round((now - at).total_seconds()) if at else 0 for name, at in since.items()}
        logger.info("reconciles", extra={"action": vitals.ACTION, **ages})
        self._written = time.monotonic()
