"""One look at the whole archive: what is new or changed is taken in, what is gone is forgotten."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from threading import Event

from sqlmodel import Session

from api import db
from api.catalog import intake, store
from api.catalog.archive import Listing, look
from api.catalog.engine import Engine
from api.catalog.models import Dataset, Partition
from storage import Stat, StorageError, Store
from worker.contract import layout
from worker.contract.month import Month

logger = logging.getLogger(__name__)

Sessions = Callable[[], AbstractContextManager[Session]]
"""Opens a session whose block is one transaction."""


@dataclass
class Outcome:
    """What a look at the archive changed."""

    taken: int = 0
    removed: int = 0
    failed: int = 0
    ignored: int = 0


_Step = Callable[[], None]


class Refresh:
    """Every row in a transaction of its own; files are read outside of any."""

    def __init__(self, archive: Store, engine: Engine, sessions: Sessions, stop: Event) -> None:
        self._archive = archive
        self._engine = engine
        self._sessions = sessions
        self._stop = stop
        self._outcome = Outcome()

    def run(self) -> Outcome:
        """Raises `StorageError` where the archive cannot be listed."""
        started_at = db.now()
        try:
            listing = look(self._archive)
        except StorageError as error:
            with self._sessions() as session:
                store.end_refresh(session, started_at=started_at, error=str(error), ignored=None)
            raise
        for key, step in self._steps(listing):
            if self._stop.is_set():
                return self._outcome
            self._attempt(key, step, listing)
        ignored = listing.ignored_rows()
        self._outcome.ignored = len(ignored)
        with self._sessions() as session:
            store.end_refresh(session, started_at=started_at, error=None, ignored=ignored)
        logger.info("looked at the archive", extra={"action": "refresh", **vars(self._outcome)})
        return self._outcome

    def _attempt(self, key: str, step: _Step, listing: Listing) -> None:
        try:
            step()
        except intake.BadBinding as error:
            listing.ignore(key, str(error))
        except Exception as error:
            logger.exception("could not take in %s", key, extra={"action": "refresh", "key": key})
            listing.ignore(key, f"could not be taken in, and will be tried again: {error}")
            self._outcome.failed += 1

    def _steps(self, listing: Listing) -> Iterator[tuple[str, _Step]]:
        with self._sessions() as session:
            partitions = {(p.prefix, Month.parse(p.year_month)): store.mark(p) for p in store.partitions(session)}
            datasets = {dataset.prefix: dataset.etag for dataset in store.datasets(session).values()}
        for prefix, stat in listing.datasets.items():
            if datasets.get(prefix) != stat.etag:
                yield stat.key, partial(self._take_dataset, prefix, stat)
        for (prefix, month), stat in listing.partitions.items():
            if partitions.get((prefix, month)) != stat.etag:
                yield stat.key, partial(self._take_partition, prefix, month)
        for prefix in datasets.keys() - listing.datasets.keys():
            key = layout.dataset_key(prefix)
            yield key, partial(self._forget, key, Dataset, prefix)
        for prefix, month in partitions.keys() - listing.partitions.keys():
            key = layout.partition_key(prefix, month)
            yield key, partial(self._forget, key, Partition, (prefix, str(month)))

    def _take_dataset(self, prefix: str, stat: Stat) -> None:
        row = intake.dataset_row(self._archive, prefix, stat)
        with self._sessions() as session:
            session.merge(row)

    def _take_partition(self, prefix: str, month: Month) -> None:
        row = intake.partition_row(self._archive, self._engine, prefix, month)
        if row is None:
            return  # gone since it was listed; the next look forgets it
        with self._sessions() as session:
            session.merge(row)
        self._outcome.taken += 1

    def _forget(self, key: str, kind: type[Dataset] | type[Partition], identity: str | tuple[str, str]) -> None:
        if self._archive.head(key) is not None:
            return  # written since the archive was listed
        with self._sessions() as session:
            row = session.get(kind, identity)
            if row is not None:
                session.delete(row)
                self._outcome.removed += 1
