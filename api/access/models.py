"""Tables of the keys and the sessions."""

from datetime import datetime

from sqlalchemy import Column, Enum
from sqlmodel import Field, SQLModel

from api.access.scopes import Scope
from api.db import UtcDateTime

_SCOPE = Enum(
    Scope, native_enum=False, create_constraint=False, length=16, values_callable=lambda scopes: [*map(str, scopes)]
)


OPERATOR = "operator"
"""Id and name of the key that is a setting and not a row's secret."""


class ApiKey(SQLModel, table=True):
    """A key. It is never deleted, so that its id goes on naming who did what."""

    __tablename__ = "api_keys"

    id: str = Field(primary_key=True, max_length=12)
    name: str = Field(max_length=64)
    scope: Scope = Field(sa_column=Column(_SCOPE, nullable=False))
    digest: str = Field(max_length=64, description="SHA-256 of the key; empty for the setting's", repr=False)
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str = Field(max_length=128)
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_by: str | None = Field(default=None, max_length=128)

    def ended(self, now: datetime) -> bool:
        """Whether it was revoked or has expired."""
        return self.revoked_at is not None or (self.expires_at is not None and self.expires_at <= now)


class ApiSession(SQLModel, table=True):
    """A browser that signed in with a key."""

    __tablename__ = "api_sessions"

    digest: str = Field(primary_key=True, max_length=64, description="SHA-256 of the token", repr=False)
    key_id: str | None = Field(default=None, foreign_key="api_keys.id", max_length=12)
    proof: str | None = Field(
        default=None, max_length=64, repr=False, description="For the static key, that it is still the same"
    )
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime, index=True)
