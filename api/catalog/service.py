"""Keeps the catalogue at what the archive holds."""

import logging
from datetime import datetime, timedelta
from threading import Event

from sqlmodel import Session

from api import db
from api.catalog import intake, store
from api.catalog.engine import Engine
from api.catalog.refresh import Outcome, Refresh, Sessions
from storage import Store
from worker.contract import layout
from worker.contract.documents import DatasetBinding
from worker.contract.logs import JOB_ID
from worker.contract.month import Month

logger = logging.getLogger(__name__)

RETRY_AFTER = timedelta(minutes=1)
"""Wait after a look at the archive that failed."""


class CatalogService:
    """Partitions and datasets of one archive."""

    def __init__(self, archive: Store, engine: Engine) -> None:
        self.archive = archive
        self.engine = engine

    def register(self, sessions: Sessions, prefix: str, month: Month, job_id: str | None = None) -> str | None:
        """Take in one partition and its dataset's binding, where they are not known already.

        Files are read outside of any transaction. Returns the job that made the partition, as its footer says.

        Raises:
            StorageError: the archive cannot be asked; a refresh takes the partition in later.
        """
        details = {"action": "register", "prefix": prefix, "month": str(month), JOB_ID: job_id}
        with sessions() as session:
            known, row = store.dataset(session, prefix), store.partition(session, prefix, str(month))
        binding = self.archive.head(layout.dataset_key(prefix))
        if binding is not None and (known is None or known.etag != binding.etag):
            try:
                dataset = intake.dataset_row(self.archive, prefix, binding)
            except intake.BadBinding as error:
                logger.warning("binding passed over: %s", error, extra=details)
            else:
                with sessions() as session:
                    session.merge(dataset)
        present = self.archive.head(layout.partition_key(prefix, month))
        if present is not None and row is not None and store.mark(row) == present.etag:
            return row.job_id
        fresh = intake.partition_row(self.archive, self.engine, prefix, month)
        with sessions() as session:
            if fresh is not None:
                session.merge(fresh)
                logger.info("partition registered", extra=details)
            elif (gone := store.partition(session, prefix, str(month))) is not None:
                session.delete(gone)
                logger.info("partition is gone", extra=details)
        return None if fresh is None else fresh.job_id

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
        """Look at the whole archive and take in what is new, changed or gone.

        Each in a transaction of its own, so it may run beside everything else. One that cannot be taken in is logged
        and passed over. Ends early when `stop` is set.

        Raises:
            StorageError: the archive cannot be listed; nothing is forgotten then.
        """
        return Refresh(self.archive, self.engine, sessions, stop or Event()).run()
