"""Keys as the API speaks of them."""

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field

from api.access.models import ApiKey
from api.access.scopes import Scope
from api.schemas import Out


def _name(text: str) -> str:
    if not text.isprintable() or text != text.strip() or not text:
        raise ValueError("a name is printable text, without blanks around it")
    return text


def _coming(moment: datetime) -> datetime:
    if moment <= datetime.now(UTC):
        raise ValueError("is in the past")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is beyond the year 9999 in UTC") from None


class KeyRequest(Out):
    """What a new key shall be."""

    model_config = ConfigDict(extra="forbid", validate_by_name=False, validate_by_alias=True)

    name: Annotated[str, AfterValidator(_name)] = Field(
        min_length=1, max_length=64, description="Who or what uses it", examples=["nightly harvest"]
    )
    scope: Scope = Field(
        description="`read` looks, `submit` also asks for work, `admin` also rules over keys", examples=["submit"]
    )
    expires_at: Annotated[AwareDatetime, AfterValidator(_coming)] | None = Field(
        default=None, description="When it ends; never, if absent", examples=["2099-01-01T00:00:00Z"]
    )


class KeyOut(Out):
    """A key, without its secret."""

    id: str = Field(description="Id of the key: what the key holds between its first two underscores")
    name: str = Field(description="Who or what uses it")
    scope: Scope = Field(description="What it may do")
    created_at: datetime = Field(description="When it was made, in UTC")
    created_by: str = Field(description="Who made it")
    expires_at: datetime | None = Field(description="When it ends, in UTC; null: never")
    last_used_at: datetime | None = Field(description="Written at most once a minute")
    revoked_at: datetime | None = Field(description="Since when it is refused, in UTC; null while it holds")
    revoked_by: str | None = Field(description="Who revoked it; null while it holds")

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        return cls.model_validate(key.model_dump(include=set(KeyOut.model_fields)))


class NewKeyOut(KeyOut):
    """A key that has just been made."""

    key: str = Field(description="The key itself, which is shown this once", repr=False)


class KeysOut(Out):
    """Every key that was ever made, newest first."""

    keys: list[KeyOut] = Field(description="The keys, newest first")


class WhoOut(Out):
    """Who the service takes the caller for."""

    name: str = Field(description="The key's name; operator or anonymous otherwise")
    key_id: str | None = Field(description="Id of the key; null without one")
    scope: Scope = Field(description="What the caller may do")
