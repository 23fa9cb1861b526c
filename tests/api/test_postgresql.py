"""A PostgreSQL that hangs: nobody waits for it longer than a statement may take."""

import time
from collections.abc import Iterator

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
