"""The one composer of the HTTP service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool

from api import db, docs, errors, health, metrics, pages
from api.access.credentials import Access
from api.access.gate import Gate
from api.access.routes import router as keys_router
from api.access.service import keep_operator
from api.catalog.routes import router as catalog_router
from api.executors.base import Executor
from api.executors.capped import CappedLogs
from api.jobs.routes import router as jobs_router
from api.middleware import RequestRecord
from api.parts import assemble
from api.routing import add_routes
from api.settings import Settings, load
from storage import Store


def create_app(
    settings: Settings | None = None, *, executor: Executor | None = None, store: Store | None = None
) -> FastAPI:
    """The service, with its reconciler unless the settings leave that to another process.

    Raises:
        StartRefused: a setting, the data directory or the database cannot be used.
    """
    settings = settings or load()
    parts = assemble(settings, executor=executor, store=store)
    with Session(parts.engine) as session, session.begin():
        keep_operator(session, is_set=settings.api_key is not None)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        reconciler = parts.reconciler() if settings.reconcile else None
        if reconciler:
            reconciler.start()
        try:
            yield
        finally:
            if reconciler:
                await run_in_threadpool(reconciler.stop)
            parts.close()

    app = FastAPI(
        title="HLS STAC-GeoParquet",
        version=version("hls-stac-parquet"),
        description=docs.DESCRIPTION,
        openapi_tags=docs.TAGS,
        openapi_url=None,  # served by `docs`, with examples of this service's own
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.state.parts = parts
    db.install(app, parts.engine)
    app.state.logs = CappedLogs(parts.executor, settings.max_log_reads)
    app.state.catalog = parts.catalog
    app.state.binding_of = parts.binding_of
    app.state.readiness = health.Readiness(parts)
    app.state.access = Access(settings, parts.engine)
    app.state.metrics = metrics.Metrics(parts)
    app.add_middleware(Gate, access=app.state.access, max_body_bytes=settings.max_body_bytes)
    app.add_middleware(RequestRecord, metrics=app.state.metrics)
    errors.install(app)
    docs.install(app)
    add_routes(app, jobs_router, catalog_router, keys_router, health.router, metrics.router)
    pages.install(app)
    return app
