"""HTTP of the keys."""

from typing import Annotated

from fastapi import APIRouter, Path, Request

from api.access import service
from api.access.callers import Admin, Reader, Scope
from api.access.errors import FirstKeyRules, Forbidden, KeyNotFound, KeyOfTheSetting, TooManyRequests
from api.access.schemas import KeyOut, KeyRequest, KeysOut, NewKeyOut, WhoOut
from api.db import Transaction
from api.errors import BadRequest, BodyTooLarge, NotJson, Unauthorized, Unavailable, documented

router = APIRouter(
    tags=["keys"], responses=documented(Unauthorized, Forbidden, BadRequest, TooManyRequests, Unavailable)
)

KeyId = Annotated[str, Path(description="Id of the key, as `GET /keys` lists it", examples=["0123456789ab"])]


@router.get("/whoami", operation_id="whoAmI", summary="Tell who calls")
def who_am_i(caller: Reader) -> WhoOut:
    """The name, key and scope that the service sees in the request."""
    return WhoOut(name=caller.name, key_id=caller.key_id, scope=caller.scope)


@router.post(
    "/keys",
    operation_id="createKey",
    summary="Make a key",
    status_code=201,
    responses=documented(NotJson, BodyTooLarge, FirstKeyRules),
)
def create_key(wanted: KeyRequest, request: Request, session: Transaction, caller: Admin) -> NewKeyOut:
    """A new key, shown in this answer and never again. From the first one on nobody gets in without a key."""
    if wanted.scope is not Scope.ADMIN and not request.app.state.access.is_guarded():
        raise FirstKeyRules(
            f"With the first key the service asks everybody for one, and {wanted.scope} cannot make others. "
            "Make one with the scope admin first."
        )
    row, key = service.create_key(
        session, name=wanted.name, scope=wanted.scope, actor=caller.actor, expires_at=wanted.expires_at
    )
    return NewKeyOut(**KeyOut.of(row).model_dump(), key=key)


@router.get("/keys", operation_id="listKeys", summary="List keys")
def list_keys(session: Transaction, _: Admin) -> KeysOut:
    """Every key that was ever made, newest first, those that were revoked or have expired too."""
    return KeysOut(keys=[KeyOut.of(row) for row in service.list_keys(session)])


@router.delete(
    "/keys/{key_id}",
    operation_id="revokeKey",
    summary="Revoke a key",
    responses=documented(KeyNotFound, KeyOfTheSetting),
)
def revoke_key(key_id: KeyId, session: Transaction, caller: Admin) -> KeyOut:
    """The key is refused from now on, and sessions that were opened with it have ended.

    Not so the operator's: that is a setting of the service.
    """
    return KeyOut.of(service.revoke_key(session, key_id, actor=caller.actor))
