"""Alembic's environment: runs migrations on the connection that `api.migrate` hands over, or on the settings' database."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Literal

from alembic import context
from sqlalchemy import JSON, Connection, Enum, text
from sqlmodel import AutoString, SQLModel

import api.access.models
import api.catalog.models
import api.jobs.models
import api.reconciler.failures  # noqa: F401  each registers its tables
from api import db
from api.settings import load


def rendered(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Write columns of a new migration in SQLAlchemy's own types: a migration must not change with our code."""
    if kind == "type" and isinstance(item, db.UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, JSON):
        return "sa.JSON()"
    if kind == "type" and isinstance(item, (AutoString, Enum)):
        return f"sa.String({item.length})"
    return False


def run(connection: Connection) -> None:
    """Run what was asked for in one transaction, so that a migration that fails leaves nothing behind."""
    on_postgresql = connection.dialect.name == "postgresql"
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=not on_postgresql,
        transactional_ddl=True,
        render_item=rendered,
    )
    with nullcontext() if on_postgresql else _references_unchecked(connection), context.begin_transaction():
        if on_postgresql:
            # A migration that waits for a lock makes everybody behind it wait too, so it gives up soon.
            seconds = float(context.config.attributes.get("lock_seconds", db.LOCK_TIMEOUT_SECONDS))
            connection.execute(text(f"SET LOCAL lock_timeout = '{1000 * seconds:.0f}ms'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('hls:migrate', 0))"))
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # sqlite3 begins none by itself before DDL
        context.run_migrations()
        if not on_postgresql:
            _check_references(connection)


@contextmanager
def _references_unchecked(connection: Connection) -> Iterator[None]:
    """SQLite changes a table by way of a new one in its place, which the rows that refer to the old one do not allow."""
    connection.exec_driver_sql("PRAGMA foreign_keys=OFF")  # within a transaction it does nothing
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
        connection.commit()


def _check_references(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        raise RuntimeError(f"the migration breaks references between tables: {broken[:5]}")


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with db.make_engine(load().database).connect() as own:
        run(own)
