"""A PostgreSQL that hangs: nobody waits for it longer than a statement may take."""

import os
import socket
import time
from collections.abc import Iterator
from typing import cast

import psycopg
import pytest
from databases import Server, postgresql_server, socket_of, url_by
from proxy import Wire, wire
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from api import db
from api.settings import Settings


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgresql_server() as started:
        yield started


@pytest.fixture
def line(server: Server) -> Iterator[Wire]:
    with wire(socket_of(server)) as opened:
        yield opened


def test_a_statement_that_is_not_answered(line: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends as a lost connection in the time that it may take and a little; the next ones have a new connection."""
    monkeypatch.setattr(db, "SILENCE_SECONDS", 0.5)
    engine = db.make_engine(Settings(database_url=url_by(line.address)).database)
    db.limit_queries(engine, 0.5)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
        line.stop_up()
        began = time.monotonic()
        with pytest.raises(OperationalError) as caught:
            connection.execute(text("SELECT 2"))
        assert 0.9 < time.monotonic() - began < 5
        assert caught.value.connection_invalidated
    line.let_flow()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 3")).scalar() == 3
    engine.dispose()


def test_a_host_that_vanishes_is_noticed_on_both_sides(line: Wire) -> None:
    """An idle connection is looked after every half minute, by the service and by the server: a leader's host that went
    without a word would keep the lead for hours otherwise, and a database's the service's connections."""
    engine = db.make_engine(Settings(database_url=url_by(line.address)).database)
    asked = text("SELECT name, source FROM pg_settings WHERE name LIKE 'tcp_keepalives_%' ORDER BY name")
    with engine.connect() as connection:
        names = ["tcp_keepalives_count", "tcp_keepalives_idle", "tcp_keepalives_interval"]
        assert connection.execute(asked).all() == [(name, "client") for name in names]
        driver = cast(psycopg.Connection, connection.connection.driver_connection)
        with socket.socket(fileno=os.dup(driver.fileno())) as wired:
            assert wired.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            assert [wired.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [30, 10, 3]
            assert wired.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
    engine.dispose()


def test_a_connection_that_was_ended_meanwhile_is_replaced(server: Server) -> None:
    """PostgreSQL ends the idle connections of the pool: the next statement has a new one and does not fail."""
    engine = db.make_engine(Settings(database_url=server.get_uri()).database)
    with engine.connect() as connection:
        before = connection.execute(text("SELECT pg_backend_pid()")).scalar()
    with psycopg.connect(server.get_uri(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [before])
    with engine.connect() as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar() != before
    engine.dispose()


def test_a_connection_is_not_kept_for_ever(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is older than half an hour is replaced before it is used again."""
    engine = db.make_engine(Settings(database_url=server.get_uri()).database)
    pids = set()
    for hours in range(3):
        now = time.time() + 3600 * hours
        monkeypatch.setattr("sqlalchemy.pool.base.time.time", lambda now=now: now)
        with engine.connect() as connection:
            pids.add(connection.execute(text("SELECT pg_backend_pid()")).scalar())
    assert len(pids) == 3
    engine.dispose()
