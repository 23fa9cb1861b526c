"""Fixtures for the catalogue: an engine, an archive in a directory, sessions, and a client over all three."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine as Database
from sqlmodel import Session

from api import db, errors
from api.access.credentials import Access
from api.catalog.engine import Engine
from api.catalog.routes import router
from api.catalog.service import CatalogService
from api.jobs.models import Job
from api.routing import add_routes
from api.settings import Settings
from storage import Store
from storage.local import LocalStore
from tests.api.conftest import Serve
from worker.contract.job import JobParams

Sessions = Callable[[], AbstractContextManager[Session]]


@pytest.fixture(scope="session")
def duck() -> Iterator[Engine]:
    with Engine() as duck:
        yield duck


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return LocalStore(tmp_path / "archive")


@pytest.fixture
def catalog(store: Store, duck: Engine) -> CatalogService:
    return CatalogService(store, duck)


@pytest.fixture
def sessions(engine: Database) -> Sessions:
    """Sessions whose block is a transaction, on each kind of database."""

    @contextmanager
    def session() -> Iterator[Session]:
        with Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    return session


@pytest.fixture
def client(engine: Database, catalog: CatalogService, settings: Settings, serve: Serve) -> httpx.Client:
    """A client of the catalogue alone: nothing but the test looks at the archive."""
    app = FastAPI()
    db.install(app, engine)
    app.state.catalog = catalog
    app.state.settings = settings
    app.state.access = Access(settings, engine)
    errors.install(app)
    add_routes(app, router)
    return serve(app)


def add_job(session: Session, job_id: str, *, prefix: str = "hls-data", month: str = "202402", ended: bool) -> None:
    at = datetime(2024, 3, 20, tzinfo=UTC)
    params = JobParams(year_month=month, prefix=prefix).to_json().decode()
    session.add(
        Job(
            id=job_id,
            prefix=prefix,
            year_month=month,
            params=params,
            stage_id=job_id,
            created_at=at,
            ended_at=at if ended else None,
        )
    )
