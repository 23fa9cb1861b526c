"""Sessions of the page: a key is shown once, and a cookie stands for it until it ends, the key does, or one signs out."""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from fastapi import Request, Response
from sqlmodel import Session

from api import db
from api.access import keys, store
from api.access.credentials import COOKIE, Access, address_of
from api.access.known import Caller
from api.access.models import ApiSession

LIFETIME = timedelta(hours=12)


@dataclass(frozen=True)
class SignedIn:
    """A session that has begun; the token is for the cookie, and kept nowhere."""

    token: str = field(repr=False)
    caller: Caller


def sign_in(request: Request, key: str) -> SignedIn | None:
    """Begin a session with a key; None where no key is asked for. Raises `Unauthorized` and what counts requests does."""
    access: Access = request.app.state.access
    if not access.is_guarded():
        return None
    address = address_of(request)
    caller = access.by_key(key, address)
    access.count(caller, address)
    token, now = secrets.token_urlsafe(32), db.now()
    row = ApiSession(digest=keys.digest(token), created_at=now, expires_at=now + LIFETIME)
    with Session(request.app.state.engine) as session, session.begin():
        store.forget_sessions(session, ended_by=now)
        session.add(access.new_session(token, caller, row))
    return SignedIn(token, caller)


def sign_out(request: Request) -> None:
    """End the session that the request's cookie names."""
    if token := request.cookies.get(COOKIE):
        with Session(request.app.state.engine) as session, session.begin():
            store.end_session(session, keys.digest(token))


def set_cookie(response: Response, request: Request, token: str) -> None:
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(LIFETIME.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def clear_cookie(response: Response) -> None:
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
