"""Keys: made, looked up and revoked."""

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from api import db
from api.access import keys, store
from api.access.errors import KeyNotFound, KeyOfTheSetting
from api.access.models import OPERATOR, ApiKey
from api.access.scopes import Scope
from api.settings import ENV_PREFIX

logger = logging.getLogger(__name__)


def create_key(
    session: Session, *, name: str, scope: Scope, actor: str, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Make a key; returns its row, and the key itself, which is kept nowhere."""
    key_id, key = keys.new_key()
    row = ApiKey(
        id=key_id,
        name=name,
        scope=scope,
        digest=keys.digest(key),
        created_at=db.now(),
        created_by=actor,
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    logger.info("key made", extra={"action": "key", "key": key_id, "scope": scope, "who": actor})
    return row, key


def keep_operator(session: Session, *, is_set: bool) -> None:
    """Bring the row of the setting's key in step with the setting, when the service starts.

    The row has no digest: a secret of somebody's own choice is no 256 random bits, and could be guessed from one.
    """
    db.serialise(session, "operator-key")
    row = store.key(session, OPERATOR)
    made_by = f"{ENV_PREFIX}API_KEY"
    if row is not None and is_set:
        row.revoked_at = row.revoked_by = None
    elif row is not None and row.revoked_at is None:
        row.revoked_at, row.revoked_by = db.now(), made_by
    elif is_set:
        session.add(
            ApiKey(id=OPERATOR, name=OPERATOR, scope=Scope.ADMIN, digest="", created_at=db.now(), created_by=made_by)
        )


def note_operator(session: Session) -> None:
    """Write down that the setting's key was used."""
    if row := store.key(session, OPERATOR):
        store.note_use(session, row, db.now())


def list_keys(session: Session) -> Sequence[ApiKey]:
    return store.keys(session)


def revoke_key(session: Session, key_id: str, *, actor: str) -> ApiKey:
    """End a key, and with it the sessions that signed in with it. Raises `KeyNotFound`, `KeyOfTheSetting`."""
    # PostgreSQL refuses some characters even in a question, so what cannot be an id is not asked for.
    row = store.key(session, key_id) if key_id.isalnum() and key_id.isascii() else None
    if row is None:
        raise KeyNotFound(f"There is no key {key_id!r}. GET /keys lists those that there are.")
    if row.revoked_at is None:
        if row.id == OPERATOR:
            raise KeyOfTheSetting(
                f"This key is the setting {ENV_PREFIX}API_KEY: change that, and start the service again."
            )
        row.revoked_at, row.revoked_by = db.now(), actor
        session.flush()
        logger.info("key revoked", extra={"action": "key", "key": key_id, "who": actor})
    return row


def find_key(session: Session, key: str) -> ApiKey | None:
    """The row of a key that is known, and neither revoked nor expired; notes that it was used."""
    key_id = keys.id_of(key)
    row = store.key(session, key_id) if key_id else None
    if row is None or not keys.same(row.digest, keys.digest(key)):
        return None
    return _in_use(session, row)


def key_of_session(session: Session, key_id: str) -> ApiKey | None:
    """The row of the key that a session was opened with, under the same conditions."""
    row = store.key(session, key_id)
    return _in_use(session, row) if row else None


def _in_use(session: Session, row: ApiKey) -> ApiKey | None:
    now = db.now()
    if row.ended(now):
        return None
    store.note_use(session, row, now)
    return row
