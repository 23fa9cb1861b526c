"""Migrations, on both databases."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event, inspect, text
from sqlmodel import Session

from api import db, migrate
from api.jobs.service import put_job
from api.settings import Settings, StartRefused
from worker.contract.job import JobParams


@pytest.fixture
def empty(empty_url: str) -> Iterator[Engine]:
    made = db.make_engine(Settings(database_url=empty_url).database)
    yield made
    made.dispose()


def test_models_and_migrations_say_the_same(engine: Engine) -> None:
    """`alembic check` finds nothing that a migration forgot."""
    migrate.check(engine)


def test_every_migration_goes_down_and_up_again(empty: Engine) -> None:
    """A downgrade to nothing leaves only Alembic's own table, and the upgrade works again after it."""
    migrate.upgrade(empty)
    assert "jobs" in inspect(empty).get_table_names()
    migrate.downgrade(empty, "base")
    assert inspect(empty).get_table_names() == ["alembic_version"]
    migrate.upgrade(empty)
    migrate.check(empty)


def test_works_from_any_directory(empty: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The migrations are found beside the package and not in the working directory."""
    monkeypatch.chdir(tmp_path)
    migrate.upgrade(empty)
    migrate.require_current(empty)
    assert not (tmp_path / "migrations").exists()


def test_a_newer_database_is_refused(engine: Engine) -> None:
    """A database that a newer release migrated is left alone, and the message says what to do."""
    stamp(engine, "ffff")
    for start in (migrate.upgrade, migrate.require_current):
        with pytest.raises(StartRefused, match=r"revision ffff.*newer release"):
            start(engine)


def test_a_newer_database_that_says_so_is_served(engine: Engine) -> None:
    """A newer release's schema that works beside this one is left alone and worked with: a deployment that is taken back
    may start this release again. One that works beside a later release only is refused."""
    head = migrate.REVISION.fullmatch(str(current(engine)))
    assert head is not None
    ours, next_one, after = (f"{int(head['number']) + step:04}" for step in range(3))
    for revision in (f"{next_one}_beside_{ours}", f"{after}_beside_{ours}", f"{after}_beside_0001"):
        stamp(engine, revision)
        migrate.upgrade(engine)
        migrate.require_current(engine)
        assert current(engine) == revision
    stamp(engine, f"{after}_beside_{next_one}")
    for start in (migrate.upgrade, migrate.require_current):
        with pytest.raises(StartRefused, match=r"newer release"):
            start(engine)


def test_every_migration_says_what_it_works_beside() -> None:
    """By its id: a number, and with it that of an older revision unless no release before it may go on."""
    numbers = []
    for script in ScriptDirectory(str(migrate.SCRIPTS)).walk_revisions():
        found = migrate.REVISION.fullmatch(script.revision)
        assert found is not None, script.revision
        assert (found["oldest"] or "0000") < found["number"]
        numbers.append(found["number"])
    assert numbers == sorted(set(numbers), reverse=True)


def current(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def stamp(engine: Engine, revision: str) -> None:
    """Have the database say that another release migrated it so far."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def test_an_older_database_is_refused_until_migrated(empty: Engine) -> None:
    """A service that does not migrate by itself names the command that does."""
    with pytest.raises(StartRefused, match="python -m api migrate"):
        migrate.require_current(empty)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_migration_beside_another_gives_up(empty: Engine) -> None:
    """Its turn does not come while another one is at it: it ends with a word instead of waiting, and changes nothing."""
    with empty.connect() as other:
        other.execute(text("SELECT pg_advisory_lock(hashtextextended('hls:migrate', 0))"))
        with pytest.raises(StartRefused, match=r"gave up: somebody else holds a lock.*migrate` again"):
            migrate.upgrade(empty, lock_seconds=0.1)
        assert inspect(empty).get_table_names() == []
        other.execute(text("SELECT pg_advisory_unlock_all()"))
    migrate.upgrade(empty)
    migrate.require_current(empty)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_migration_beside_a_long_transaction_gives_up(engine: Engine) -> None:
    """A table that somebody reads is not waited for, as everybody behind the migration would wait too; what it had
    done by then is undone."""
    with engine.connect() as reader:
        reader.execute(text("SELECT count(*) FROM datasets"))
        with pytest.raises(StartRefused, match="Nothing was changed"):
            migrate.downgrade(engine, "base", lock_seconds=0.1)
    migrate.require_current(engine)
    migrate.check(engine)


_KEY = (
    "INSERT INTO api_keys (id, name, scope, digest, created_at, created_by) VALUES ('k', 'k', 'read', 'd', :at, 'ada')"
)
_SESSION = "INSERT INTO api_sessions (digest, key_id, created_at, expires_at) VALUES ('s', 'k', :at, :at)"


def test_every_step_keeps_the_rows(empty: Engine) -> None:
    """Down and up again one step at a time, with rows in the tables and rows that refer to them; then down to nothing."""
    migrate.upgrade(empty)
    with Session(empty, expire_on_commit=False) as session, session.begin():
        job, _ = put_job(session, JobParams(year_month="202401"), actor="ada", binding_of=lambda *_: None)
        for statement in (_KEY, _SESSION):
            session.connection().execute(text(statement), {"at": "2024-01-01 00:00:00"})
    newest, *older = [script.revision for script in ScriptDirectory(str(migrate.SCRIPTS)).walk_revisions()]
    for revision in older:
        migrate.downgrade(empty, revision)
        assert _jobs_and_events(empty) == [(job.id, "requested")]
    for revision in (*reversed(older[:-1]), newest):
        migrate.upgrade(empty, revision)
        assert _jobs_and_events(empty) == [(job.id, "requested")]
    migrate.check(empty)
    migrate.downgrade(empty, "base")
    assert inspect(empty).get_table_names() == ["alembic_version"]


def _jobs_and_events(engine: Engine) -> list[tuple[str, str]]:
    query = "SELECT jobs.id, job_events.reason FROM jobs JOIN job_events ON job_events.job_id = jobs.id"
    with engine.connect() as connection:
        return [(row[0], row[1]) for row in connection.execute(text(query))]


class Interrupted(Exception):
    """The process ended here."""


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_migration_that_is_interrupted_leaves_nothing_behind(empty: Engine, direction: str) -> None:
    """After whichever of its statements: the schema is the one from before, and the migration works when run again."""
    go: Callable[[], None] = lambda: migrate.upgrade(empty)  # noqa: E731  one of two
    if direction == "down":
        migrate.upgrade(empty)
        go = lambda: migrate.downgrade(empty, "base")  # noqa: E731  one of two
    before, left = _schema(empty), 0

    @event.listens_for(empty, "before_cursor_execute")
    def interrupt(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal left
        changes = statement.split()[0] in ("CREATE", "DROP", "ALTER", "INSERT", "UPDATE", "DELETE")
        left -= changes
        if changes and left == 0:
            raise Interrupted(statement)

    for number in count(1):
        left = number
        try:
            go()
        except Interrupted:
            left = 0
            assert _schema(empty) == before, f"after statement {number}"
        else:
            break
    assert number > 20
    assert _schema(empty) != before


def _schema(engine: Engine) -> dict[str, list[str]]:
    """Columns and indexes by table."""
    found = inspect(engine)
    return {
        table: [each["name"] or "" for each in (*found.get_columns(table), *found.get_indexes(table))]
        for table in found.get_table_names()
    }
