"""Migrations, on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from api import db, migrate
from api.settings import Settings, StartRefused


@pytest.fixture
def empty(database_url: str) -> Iterator[Engine]:
    made = db.make_engine(Settings(database_url=database_url).database)
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
