"""Fixtures for the service: a database of each kind, a served app, and a client for it."""

import asyncio
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import uvicorn
from databases import make_empty, make_migrated, postgresql_server
from fastapi import FastAPI
from sqlalchemy import Engine, event
from sqlmodel import SQLModel

from api import db, migrate
from api.app import create_app
from api.executors.memory import MemoryExecutor
from api.settings import Settings

Serve = Callable[..., httpx.Client]

_TABLES = [table.name for table in reversed(SQLModel.metadata.sorted_tables)]
"""Those that refer to others first."""
_UNUSED = ssl.create_default_context()
"""For clients of plain HTTP, each of which would read all the certificates of this machine first."""


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a real PostgreSQL on a socket of its own."""
    with postgresql_server() as server:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):  # its data is thrown away
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database: a test that asks for it runs on SQLite and on PostgreSQL. It holds whatever the test before
    left there, unless the test asks for `empty_url` or `migrated_url` too."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.sqlite'}"
    return str(request.getfixturevalue("postgresql"))


@pytest.fixture
def empty_url(database_url: str) -> str:
    """The URL of an empty database of each kind."""
    if not database_url.startswith("sqlite"):
        make_empty(database_url)
    return database_url


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database that tests take a copy of: a migration takes longer than most of them."""
    file = tmp_path_factory.mktemp("migrated") / "migrated.sqlite"
    made = db.make_engine(f"sqlite:///{file}")
    migrate.upgrade(made)
    made.dispose()
    return file


@pytest.fixture(scope="session")
def migration(postgresql: str) -> bytes:
    """What a migration says to an empty PostgreSQL, as one script."""
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute("CREATE DATABASE migrated")
    made = db.make_engine(Settings(database_url=postgresql.replace("/postgres?", "/migrated?")).database)
    said: list[str] = []

    @event.listens_for(made, "before_cursor_execute")
    def listen(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not parameters:  # what has some asks whether there is a table
            said.append(statement)

    migrate.upgrade(made)
    made.dispose()
    return ";\n".join(said).encode()


@pytest.fixture
def migrated_url(database_url: str, request: pytest.FixtureRequest) -> str:
    """The URL of a migrated database of each kind."""
    if database_url.startswith("sqlite"):
        shutil.copy(request.getfixturevalue("migrated"), database_url.removeprefix("sqlite:///"))
    else:
        make_migrated(database_url, request.getfixturevalue("migration"), _TABLES)
    return database_url


@pytest.fixture
def engine(migrated_url: str) -> Iterator[Engine]:
    """A migrated database of each kind."""
    made = db.make_engine(Settings(database_url=migrated_url).database)
    yield made
    made.dispose()


@pytest.fixture
def executor() -> MemoryExecutor:
    return MemoryExecutor()


@pytest.fixture
def settings(tmp_path: Path, migrated: Path) -> Settings:
    """Settings of a service that keeps everything in the test's folder and reconciles at once."""
    made = Settings(data_dir=tmp_path / "data", reconcile_seconds=0.02, progress_seconds=0)
    made.prepare_data_dir()
    shutil.copy(migrated, made.data_dir / "hls.sqlite")
    return made


class _Server(uvicorn.Server):
    """Ends at once when it is told to: uvicorn's own looks ten times a second, and then waits for as long again."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._over.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002  the caller closes them
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)  # so that connections without a request are gone
        await self._wait_tasks_to_complete()
        await self.lifespan.shutdown()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)


@contextmanager
def _served(app: FastAPI, **headers: str) -> Iterator[httpx.Client]:
    # TCP is named, else asyncio leaves Nagle's delay on: 40 ms a reply.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        server = _Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the server ended by itself"
                time.sleep(0.005)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False, verify=_UNUSED) as client:
                yield client
        finally:
            if thread.is_alive():
                server.end()
            thread.join(30)
            assert not thread.is_alive(), "the server does not stop"


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves an app over HTTP on 127.0.0.1 until the test ends; gives a client that sends the given headers."""
    with ExitStack() as stack:
        yield lambda app, **headers: stack.enter_context(_served(app, **headers))


@pytest.fixture(scope="module")
def empty_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a service that stays without jobs, for all tests of a module."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), reconcile=False)
    with _served(create_app(settings, executor=MemoryExecutor())) as client:
        yield client


@pytest.fixture
def client(settings: Settings, executor: MemoryExecutor, serve: Serve) -> httpx.Client:
    """A client of a service with the executor in memory; its reconciler runs."""
    return serve(create_app(settings, executor=executor))


@pytest.fixture
def quiet_client(settings: Settings, executor: MemoryExecutor, serve: Serve) -> httpx.Client:
    """A client of a service whose reconciler does not run, so that jobs stay as they are put."""
    return serve(create_app(settings.model_copy(update={"reconcile": False}), executor=executor))
