"""What the settings say, put together: database, storage, executor, catalogue. Shared by the API and the reconciler."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from pydantic import ValidationError
from sqlalchemy import Engine
from sqlmodel import Session

from api import db, migrate
from api.catalog.engine import Engine as CatalogEngine
from api.catalog.service import CatalogService
from api.executors.base import Executor, ExecutorUnavailable
from api.executors.counted import CountedExecutor
from api.executors.local import LocalExecutor
from api.reconciler.context import Context, Timings
from api.reconciler.loop import Reconciler
from api.settings import Settings, StartRefused
from storage import NotFound, StorageError, Store, open_store
from worker.contract import layout
from worker.contract.documents import DatasetBinding

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """The parts of a running service."""

    settings: Settings
    engine: Engine
    store: Store
    executor: Executor
    catalog: CatalogService

    def binding_of(self, prefix: str) -> DatasetBinding | None:
        """What the prefix is bound to: as the catalogue saw it last, else as the archive says now."""
        with Session(self.engine) as session:
            known = self.catalog.binding_of(session, prefix)
        if known is not None:
            return known
        try:
            return DatasetBinding.from_json(self.store.get(layout.dataset_key(prefix)))
        except NotFound:
            return None
        except ValidationError as error:
            # The worker refuses such a prefix too, with its own message.
            logger.warning("binding cannot be read: %s", error, extra={"action": "binding", "prefix": prefix})
            return None

    def reconciler(self) -> Reconciler:
        settings = self.settings
        on_batch = settings.executor == "batch"
        timings = Timings(
            lookup=_seconds(settings.lookup_seconds, 120 if on_batch else 0),
            lost=_seconds(settings.lost_seconds),
            progress=_seconds(settings.progress_seconds, 30 if on_batch else 2),
            refresh=_seconds(settings.refresh_seconds),
        )
        context = Context(
            engine=self.engine,
            executor=self.executor,
            store=self.store,
            catalog=self.catalog,
            destination=self.store.uri,
            timings=timings,
        )
        return Reconciler(context, interval=settings.reconcile_seconds)

    def close(self) -> None:
        self.executor.close()
        self.catalog.engine.close()
        self.engine.dispose()


def assemble(settings: Settings, *, executor: Executor | None = None, store: Store | None = None) -> Parts:
    """Open every part, migrating a local database.

    Raises:
        StartRefused: the data directory, the database, its schema or the AWS settings cannot be used.
    """
    settings.prepare_data_dir()
    engine = db.make_engine(settings.database)
    try:
        if engine.dialect.name == "sqlite":
            migrate.upgrade(engine)
        else:
            migrate.require_current(engine)
    except StartRefused:
        engine.dispose()
        raise
    db.limit_queries(engine, settings.query_seconds)
    try:
        store = store or open_store(settings.destination, hurried=True)
        executor = executor or _open_executor(settings)
    except (StorageError, ExecutorUnavailable) as error:
        engine.dispose()
        raise StartRefused(
            f"The service cannot start: {error}. Check the standard AWS settings: AWS_DEFAULT_REGION, the credentials, "
            "and AWS_ENDPOINT_URL where it is set."
        ) from error
    return Parts(
        settings=settings,
        engine=engine,
        store=store,
        executor=CountedExecutor(executor),
        catalog=CatalogService(store, CatalogEngine()),
    )


def _open_executor(settings: Settings) -> Executor:
    if settings.executor == "batch":
        # boto3 takes a third of a second to import, which a service on one machine need not pay.
        from api.executors.batch import BatchExecutor

        return BatchExecutor.connect(queue=settings.batch_queue, definition=settings.batch_job_definition)
    # Workers take their own settings, such as STAC_API_URL and AWS's, from the service's environment.
    return LocalExecutor(settings.data_dir / "executor", max_workers=settings.local_workers)


def _seconds(given: float | None, default: float = 0) -> timedelta:
    return timedelta(seconds=default if given is None else given)
