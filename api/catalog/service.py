"""Keeps the catalogue at what the archive holds."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event

from sqlmodel import Session

from api import db
from api.catalog import intake, store
from api.catalog.archive import Listing, look
from api.catalog.engine import Engine
from api.catalog.models import Dataset, Partition
from storage import StorageError, Store
from worker.contract import layout
from worker.contract.documents import DatasetBinding
from worker.contract.month import Month

logger = logging.getLogger(__name__)

Sessions = Callable[[], AbstractContextManager[Session]]
"""Opens a session whose block is one transaction."""

RETRY_AFTER = timedelta(minutes=1)
"""Wait after a look at the archive that failed."""


@dataclass
class Outcome:
    """What a look at the archive changed."""

    taken: int = 0
    removed: int = 0
    failed: int = 0
    ignored: int = 0


class CatalogService:
    """Partitions and datasets of one archive."""

    def __init__(self, archive: Store, engine: Engine) -> None:
        self.archive = archive
        self.engine = engine

    def register(self, session: Session, prefix: str, month: Month, job_id: str | None = None) -> None:
        """Take in one partition and its dataset's binding, where they are not known already.

        Raises:
            StorageError: the archive cannot be asked; a refresh takes the partition in later.
        """
        details = {"action": "register", "prefix": prefix, "month": str(month), "job": job_id}
        binding = self.archive.head(layout.dataset_key(prefix))
        known = store.dataset(session, prefix)
        if binding is not None and (known is None or known.etag != binding.etag):
            try:
                session.merge(intake.dataset_row(self.archive, prefix, binding))
            except intake.BadBinding as error:
                logger.warning("binding passed over: %s", error, extra=details)
        present = self.archive.head(layout.partition_key(prefix, month))
        row = store.partition(session, prefix, str(month))
        if present is not None and row is not None and _is_current(row, present.etag):
            return
        fresh = intake.partition_row(self.archive, self.engine, prefix, month)
        if fresh is not None:
            session.merge(fresh)
            logger.info("partition registered", extra=details)
        elif row is not None:
            session.delete(row)
            logger.info("partition is gone", extra=details)

    def binding_of(self, session: Session, prefix: str) -> DatasetBinding | None:
        """What the prefix is bound to, as last seen."""
        row = store.dataset(session, prefix)
        return None if row is None else DatasetBinding(bbox=row.bbox, collections=row.collections)

    def request_refresh(self, session: Session) -> datetime:
        """Ask for a look at the archive; call it first in a transaction."""
        return store.request_refresh(session)

    def is_refresh_due(self, session: Session, *, every: timedelta) -> bool:
        """Whether a look was asked for since the last one began, or that is too long ago."""
        last = store.last_refresh(session)
        if last is None or last.started_at is None:
            return True
        age = db.now() - last.started_at
        if last.error is not None:
            return age >= min(RETRY_AFTER, every)
        return age >= every or (last.requested_at is not None and last.requested_at >= last.started_at)

    def refresh(self, sessions: Sessions, *, stop: Event | None = None) -> Outcome:
        """Look at the whole archive and take in what is new, changed or gone, each in a transaction of its own.

        One that cannot be taken in is logged and passed over. Ends early when `stop` is set.

        Raises:
            StorageError: the archive cannot be listed; nothing is forgotten then.
        """
        started_at = db.now()
        try:
            listing = look(self.archive)
        except StorageError as error:
            with sessions() as session:
                store.end_refresh(session, started_at=started_at, error=str(error), ignored=None)
            raise
        outcome = Outcome()
        for step in self._steps(sessions, listing):
            if stop is not None and stop.is_set():
                return outcome
            step(outcome)
        rows = listing.ignored_rows()
        outcome.ignored = len(rows)
        with sessions() as session:
            store.end_refresh(session, started_at=started_at, error=None, ignored=rows)
        logger.info("archive looked at", extra={"action": "refresh", **vars(outcome)})
        return outcome
