"""The database: SQLite on one machine, PostgreSQL in production, the same models on both."""

import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, cast

from anyio import Semaphore, fail_after
from fastapi import Depends, FastAPI, Request
from sqlalchemy import Connection, DateTime, Dialect, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeDecorator
from sqlmodel import Session

if TYPE_CHECKING:
    from api.postgresql import PatientConnection

SQLITE_BUSY_SECONDS = 30
LOCK_TIMEOUT_SECONDS = 10
POOL_SIZE = 10
POOL_OVERFLOW = 10
POOL_WAIT_SECONDS = 10
PLACES = POOL_SIZE + POOL_OVERFLOW - 4
"""Requests that may hold a connection at a time. The rest of the pool is for what has no place: the reconciler, health,
metrics, and keys of who asks for nothing of the database's."""
PLACE_WAIT_SECONDS = 30
"""Longer than for a connection, since who waits here holds nothing; shorter than a balancer waits for a reply."""
RECYCLE_SECONDS = 1800
SILENCE_SECONDS = 5
"""How long after its own limit on a statement a database may still be silent."""
_SQLITE_STEPS = 100_000
"""Instructions of SQLite's between two looks at the clock: about a millisecond's worth."""
_DEADLINE = "deadline"
_QUERY_CANCELED = "57014"

_KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""Seconds, and how many questions without an answer. A host that vanishes says nothing: a leader's connection would
keep the lead for two hours."""
_SERVER_SETTINGS = {"lock_timeout": f"{LOCK_TIMEOUT_SECONDS}s"} | {
    f"tcp_{name}": str(value) for name, value in _KEEPALIVES.items()
}
_UNANSWERED_MILLISECONDS = 60_000


class Crowded(Exception):
    """More requests came than could be served in time."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment in UTC. SQLite keeps no time zone, so it is taken off on the way in and put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone: the database takes aware moments only")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


def now() -> datetime:
    return datetime.now(UTC)


def make_engine(url: str) -> Engine:
    """An engine with a pool whose connections are tried before use and replaced every half hour."""
    if url.startswith("sqlite"):
        engine = create_engine(
            url,
            connect_args={"check_same_thread": False, "timeout": SQLITE_BUSY_SECONDS},
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_timeout=POOL_WAIT_SECONDS,
        )
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    # psycopg takes a fifth of a second to import, which a service on SQLite need not pay.
    from api.postgresql import PatientConnection

    engine = create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=POOL_WAIT_SECONDS,
        pool_pre_ping=True,
        pool_recycle=RECYCLE_SECONDS,
        connect_args={
            "connect_timeout": 10,
            "tcp_user_timeout": _UNANSWERED_MILLISECONDS,
            "options": " ".join(f"-c {name}={value}" for name, value in _SERVER_SETTINGS.items()),
            **_KEEPALIVES,
        },
    )
    event.listen(engine, "do_connect", lambda _dialect, _record, args, named: PatientConnection.connect(*args, **named))
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def limit_queries(engine: Engine, seconds: float) -> None:
    """Stop every statement that takes longer, from now on; migrations come before."""
    engine.dispose()
    if engine.dialect.name == "postgresql":
        event.listen(engine, "connect", lambda connection, _record: _limit_postgresql(connection, seconds))
        return
    event.listen(engine, "connect", _watch_sqlite)

    @event.listens_for(engine, "before_cursor_execute")
    def begin(connection: Connection, *_: Any) -> None:
        connection.info[_DEADLINE][0] = time.monotonic() + seconds


def was_too_slow(error: DBAPIError) -> bool:
    """Whether a limit on queries ended the statement."""
    if isinstance(error.orig, sqlite3.OperationalError):
        return error.orig.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT
    return getattr(error.orig, "sqlstate", None) == _QUERY_CANCELED


def _limit_postgresql(connection: "PatientConnection", seconds: float) -> None:
    connection.patience = seconds + SILENCE_SECONDS
    connection.autocommit = True
    connection.execute(f"SET statement_timeout = {int(1000 * seconds):d}")
    connection.autocommit = False


def _watch_sqlite(connection: Any, record: Any) -> None:
    deadline = record.info[_DEADLINE] = [float("inf")]
    connection.set_progress_handler(lambda: time.monotonic() > deadline[0], _SQLITE_STEPS)


def serialise(session: Session, name: str) -> None:
    """Let one transaction at a time pass for each name, until it ends."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})
    elif not cast(sqlite3.Connection, connection.connection.driver_connection).in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # SQLite has one writer, whatever the name


def install(app: FastAPI, engine: Engine) -> None:
    """Give the application's requests this database, no more of them at a time than it has connections."""
    app.state.engine = engine
    app.state.places = Semaphore(PLACES)


async def place(request: Request) -> AsyncIterator[None]:
    """Let in no more requests than there are connections, in the order in which they came.

    The others wait here and not in a thread for a connection: what a request does last, its reply and the end of its
    transaction, needs a thread too, and all of them might be waiting for what it holds. Raises `Crowded`.
    """
    places: Semaphore = request.app.state.places
    try:
        with fail_after(PLACE_WAIT_SECONDS):
            await places.acquire()
    except TimeoutError:
        raise Crowded(f"no place for {PLACE_WAIT_SECONDS:g} seconds") from None
    try:
        yield
    finally:
        places.release()


def transaction(request: Request, _place: Annotated[None, Depends(place, scope="function")]) -> Iterator[Session]:
    """One request, one transaction."""
    with Session(request.app.state.engine, expire_on_commit=False) as session, session.begin():
        yield session


def let_go(session: Session) -> None:
    """End the transaction before something slow is asked, so that it holds no connection meanwhile; what was read stays."""
    session.commit()


Transaction = Annotated[Session, Depends(transaction, scope="function")]
"""Commits before the reply leaves: with FastAPI's default scope a failing commit would still have answered 2xx."""
