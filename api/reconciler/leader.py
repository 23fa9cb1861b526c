"""One reconciler leads: by an advisory lock in PostgreSQL, by a locked file beside SQLite's."""

import fcntl
import logging
from pathlib import Path
from typing import IO, Protocol

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

_LOCK_NAME = "hls:reconciler"
_TAKE = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
_GIVE = text("SELECT pg_advisory_unlock(hashtextextended(:name, 0))")

logger = logging.getLogger(__name__)


class Leader(Protocol):
    """The claim to lead."""

    def leads(self) -> bool:
        """Whether this process leads now, taking the lead if nobody has it."""
        ...

    def resign(self) -> None:
        """Give the lead to whoever asks next."""
        ...


def make_leader(engine: Engine) -> Leader:
    if engine.dialect.name == "postgresql":
        return AdvisoryLock(engine)
    return LockedFile(Path(f"{engine.url.database}.leader"))


class AdvisoryLock:
    """Held by a connection of its own; PostgreSQL gives it up when the connection goes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._held = False

    def leads(self) -> bool:
        try:
            if self._connection is None:
                self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if self._held:
                self._connection.execute(text("SELECT 1"))
            else:
                self._held = bool(self._connection.execute(_TAKE, {"name": _LOCK_NAME}).scalar_one())
                if self._held:
                    logger.info("leads", extra={"action": "lead"})
        except SQLAlchemyError as error:
            logger.warning("the lead cannot be held: %s", error, extra={"action": "lead"})
            self.resign()
        return self._held

    def resign(self) -> None:
        if self._connection is None:
            return
        try:
            if self._held:
                self._connection.execute(_GIVE, {"name": _LOCK_NAME})
        except SQLAlchemyError:
            self._connection.invalidate()  # closed, and not put back into the pool, where it might keep the lock
        self._connection.close()
        self._connection, self._held = None, False


class LockedFile:
    """Held by an open file; the system gives it up when the process goes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def leads(self) -> bool:
        if self._file is not None:
            return True
        file = self._path.open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._file = file
        logger.info("leads", extra={"action": "lead"})
        return True

    def resign(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
