"""Queries on keys and sessions."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, update
from sqlmodel import Session, col, select

from api.access.models import OPERATOR, ApiKey, ApiSession

USE_WRITTEN_EVERY = timedelta(minutes=1)


def key(session: Session, key_id: str) -> ApiKey | None:
    return session.get(ApiKey, key_id)


def keys(session: Session) -> Sequence[ApiKey]:
    """Every key, newest first."""
    return session.exec(select(ApiKey).order_by(col(ApiKey.created_at).desc(), col(ApiKey.id))).all()


def any_key(session: Session) -> bool:
    """Whether a key was ever made, beside the setting's."""
    return session.exec(select(ApiKey.id).where(col(ApiKey.id) != OPERATOR).limit(1)).first() is not None


def note_use(session: Session, row: ApiKey, now: datetime) -> None:
    """Write down that the key was used, at most once a minute."""
    before = now - USE_WRITTEN_EVERY
    if row.last_used_at is not None and row.last_used_at > before:
        return
    used_long_ago = or_(col(ApiKey.last_used_at).is_(None), col(ApiKey.last_used_at) <= before)
    statement = update(ApiKey).where(col(ApiKey.id) == row.id, used_long_ago).values(last_used_at=now)
    session.connection().execute(statement)


def browser_session(session: Session, digest: str) -> ApiSession | None:
    return session.get(ApiSession, digest)


def end_session(session: Session, digest: str) -> None:
    session.connection().execute(delete(ApiSession).where(col(ApiSession.digest) == digest))


def forget_sessions(session: Session, *, ended_by: datetime) -> None:
    session.connection().execute(delete(ApiSession).where(col(ApiSession.expires_at) <= ended_by))
