"""Bring the database to this release's schema, from any working directory."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import OperationalError

from api import db
from api.settings import ENV_PREFIX, StartRefused

if TYPE_CHECKING:
    from alembic.config import Config

SCRIPTS = Path(__file__).parent.parent / "migrations"
REVISION = re.compile(r"(?P<number>\d{4})(_beside_(?P<oldest>\d{4}))?")
"""A revision's id: its number, and that of the oldest schema whose releases may work with it (docs/decisions/0007)."""
_ID_LINE = re.compile(r'^revision = "(.+)"$', re.MULTILINE)
_LOCK_NOT_AVAILABLE = "55P03"

logger = logging.getLogger(__name__)


@contextmanager
def _connection(engine: Engine) -> Iterator[Connection]:
    try:
        with engine.connect() as connection:
            yield connection
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise StartRefused(
                f"The migration gave up: somebody else holds a lock that it needs ({str(error.orig).splitlines()[0]}). "
                "Nothing was changed. Let other migrations and long transactions end (see pg_stat_activity), "
                "then run `python -m api migrate` again."
            ) from error
        raise StartRefused(
            f"The database {engine.url.render_as_string()} cannot be used ({error.orig}). "
            f"Check {ENV_PREFIX}DATABASE_URL, and that the database runs."
        ) from error


def _config() -> "Config":
    # Alembic takes a fifth of a second to import, which a start that finds the schema as it should be need not pay.
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config


def _revisions() -> list[str]:
    """The ids of this release's revisions, oldest first, as the scripts say them."""
    scripts = SCRIPTS.glob("versions/*.py")
    return sorted(_ID_LINE.findall("\n".join(script.read_text(encoding="utf-8") for script in scripts)))


def _current(connection: Connection) -> str | None:
    """The revision that the database is at."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    current: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return current


def upgrade(engine: Engine, revision: str = "head", *, lock_seconds: float = db.LOCK_TIMEOUT_SECONDS) -> None:
    """Migrate forwards, waiting so long at most for each lock that somebody else holds in PostgreSQL.

    A newer release's schema that this one may work with is left as it is.

    Raises:
        StartRefused: a newer release's schema is another's, or a lock was not given up in time.
    """
    with _connection(engine) as connection:
        current = _current(connection)
        connection.rollback()
        if _is_newer(current) or (revision == "head" and current == _revisions()[-1]):
            return
        from alembic import command

        config = _config()
        config.attributes["lock_seconds"] = lock_seconds
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def downgrade(engine: Engine, revision: str, *, lock_seconds: float = db.LOCK_TIMEOUT_SECONDS) -> None:
    """Migrate backwards, to a revision or `base`. Raises `StartRefused` where a lock was not given up in time."""
    from alembic import command

    config = _config()
    config.attributes["lock_seconds"] = lock_seconds
    with _connection(engine) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def check(engine: Engine) -> None:
    """Raises `alembic.util.CommandError` where the models and the migrations say different things."""
    from alembic import command

    config = _config()
    with _connection(engine) as connection:
        config.attributes["connection"] = connection
        command.check(config)


def require_current(engine: Engine) -> None:
    """Raises `StartRefused` for a database whose schema is not one that this release works with."""
    with _connection(engine) as connection:
        current = _current(connection)
    head = _revisions()[-1]
    if not _is_newer(current) and current != head:
        raise StartRefused(
            f"The database is at revision {current or 'none'}, and this release needs {head}. Run `python -m api migrate`."
        )


def _is_newer(current: str | None) -> bool:
    """Whether a newer release migrated the database. Raises `StartRefused` where this one may not work with it."""
    revisions = _revisions()
    if current is None or current in revisions:
        return False
    ours, theirs = (REVISION.fullmatch(revision) for revision in (revisions[-1], current))
    if ours and theirs and theirs["oldest"] and theirs["oldest"] <= ours["number"]:
        logger.warning("newer schema", extra={"action": "migrate", "revision": current})
        return True
    raise StartRefused(
        f"The database is at revision {current}, which this release does not know: a newer release migrated it. "
        "Start that release, or restore the backup from before the upgrade."
    )
