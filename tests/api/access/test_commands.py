"""`python -m api keys`, on each database."""

from collections.abc import Callable

import pytest

from api import db, logs, migrate
from api.__main__ import REFUSED, main
from api.access import keys
from api.settings import Settings, settings_table

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    migrated_url: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs the command; gives its exit code, what it printed, and what it said beside."""
    for name, _, _ in settings_table():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HLS_DATA_DIR", f"{tmp_path}/data")
    monkeypatch.setenv("HLS_DATABASE_URL", migrated_url)
    monkeypatch.setattr(logs, "configure", lambda *_: None)  # the handlers of this process are pytest's

    def ran(*arguments: str) -> tuple[int, str, str]:
        code = main(["keys", *arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return ran


def test_made_listed_revoked(run: Run) -> None:
    """The key alone on standard output, so that a script can take it; the list tells all but the secret."""
    code, key, told = run("create", "--name", "ada", "--scope", "submit", "--days", "90")
    key_id = keys.id_of(key.strip())
    assert (code, key_id in told if key_id else False) == (0, True)
    _, listed, _ = run("list")
    assert f"{key_id}  submit  ada" in listed
    assert "expires" in listed
    assert key.strip() not in listed
    _, revoked, _ = run("revoke", str(key_id))
    assert "revoked" in revoked
    assert "revoked" in run("list")[1]


def test_what_cannot_be_done(run: Run) -> None:
    """No such key: 1; a key that would be over at once: 2; both with a sentence and no traceback."""
    code, _, told = run("revoke", "0123456789ab")
    assert code == 1
    assert "There is no key" in told
    code, printed, told = run("create", "--name", "ada", "--scope", "read", "--days", "-1")
    assert (code, printed) == (2, "")
    assert "in the past" in told


@pytest.mark.parametrize("days", ["nan", "inf", "-inf", "1e9", "3000000"])
def test_an_expiry_beyond_the_calendar(run: Run, days: str) -> None:
    """2 with a sentence, and no key is made."""
    code, printed, told = run("create", "--name", "ada", "--scope", "read", f"--days={days}")
    assert (code, printed) == (2, "")
    assert "names no day of the calendar" in told
    assert run("list")[1] == ""


def test_a_database_without_the_schema(run: Run, monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    """The command does not migrate PostgreSQL, and says what does."""
    if database_url.startswith("sqlite"):
        pytest.skip("SQLite is migrated by whoever opens it")
    engine = db.make_engine(Settings().database)
    migrate.downgrade(engine, "0001")
    engine.dispose()
    code, _, told = run("list")
    assert code == REFUSED
    assert "python -m api migrate" in told
