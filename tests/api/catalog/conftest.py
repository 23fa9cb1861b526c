"""Fixtures for the catalogue: an engine, an archive in a directory, a migrated database, and the app over all three."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine as Database
from sqlmodel import Session

from api import db, errors, migrate
from api.catalog.engine import Engine
from api.catalog.routes import router
from api.catalog.service import CatalogService
from api.jobs.models import Job
from api.settings import Settings
from storage import Store
from storage.local import LocalStore
from worker.contract.job import JobParams

Sessions = Callable[[], AbstractContextManager[Session]]


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        yield engine


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return LocalStore(tmp_path / "archive")


@pytest.fixture
def catalog(store: Store, engine: Engine) -> CatalogService:
    return CatalogService(store, engine)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = db.make_engine(f"sqlite:///{tmp_path / 'test.sqlite'}")
    migrate.upgrade(database)
    yield database
    database.dispose()


@pytest.fixture
def sessions(database: Database) -> Sessions:
    @contextmanager
    def session() -> Iterator[Session]:
        with Session(database, expire_on_commit=False) as session, session.begin():
            yield session

    return session


@pytest.fixture
def client(database: Database, catalog: CatalogService, tmp_path: Path) -> Iterator[httpx.Client]:
    app = FastAPI()
    app.state.engine = database
    app.state.catalog = catalog
    app.state.settings = Settings(data_dir=tmp_path)
    errors.install(app)
    app.include_router(router)
    with _served(app) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client


@contextmanager
def _served(app: FastAPI) -> Iterator[str]:
    """The app behind a real server; gives its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


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
