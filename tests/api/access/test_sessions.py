"""Sessions of the page: begun with a key, carried by a cookie, guarded by a CSRF token, ended by what ends the key."""

from datetime import timedelta
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Form
from pydantic import SecretStr
from sqlalchemy import text
from sqlmodel import Session

from api import db
from api.access import keys, service, store
from api.access.callers import CSRF_HEADER, FormSubmitter, Reader, Submitter, Visitor
from api.access.credentials import COOKIE, Access
from api.access.models import ApiSession
from api.access.scopes import Scope
from tests.api.access.conftest import STATIC, MakeKey
from tests.api.conftest import Serve


@pytest.fixture
def client(app: FastAPI, serve: Serve) -> httpx.Client:
    """A client of a service with routes of each kind beside the page's own."""

    @app.get("/page")
    def page(caller: Visitor) -> dict[str, str | None]:
        return {"name": caller.name if caller else None, "csrf": caller.csrf_token if caller else None}

    @app.post("/form")
    def form(caller: FormSubmitter, month: Annotated[str, Form()]) -> str:
        return f"{caller.actor} {month}"

    @app.post("/change")
    def change(caller: Submitter) -> str:
        return caller.actor

    @app.get("/look")
    def look(caller: Reader) -> str:
        return caller.actor

    return serve(app)


def signed_in(client: httpx.Client, key: str) -> str:
    """Signs the client in; gives the CSRF token."""
    assert client.post("/sign-in", data={"key": key}).status_code == 303
    return str(client.get("/page").json()["csrf"])


def test_a_session_stands_for_its_key(client: httpx.Client, make_key: MakeKey) -> None:
    """The cookie names the key's owner with its scope; without it a page's visitor is nobody."""
    assert client.get("/page").json() == {"name": None, "csrf": None}
    key = make_key(Scope.SUBMIT)
    csrf = signed_in(client, key)
    assert client.get("/look").json() == f"ada ({keys.id_of(key)})"
    assert client.get("/keys").status_code == 403
    assert client.post("/change", headers={CSRF_HEADER: csrf}).json() == f"ada ({keys.id_of(key)})"


def test_the_cookie_cannot_be_read_or_sent_by_others(client: httpx.Client, make_key: MakeKey) -> None:
    """HttpOnly, SameSite=Strict, twelve hours, and Secure where the page came by https."""
    reply = client.post("/sign-in", data={"key": make_key(Scope.READ)})
    cookie = reply.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Max-Age=43200", "Path=/"))
    assert "Secure" not in cookie
    behind_tls = client.post("/sign-in", data={"key": make_key(Scope.READ)}, headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in behind_tls.headers["set-cookie"]
    assert "strict-transport-security" in behind_tls.headers


def test_a_change_by_cookie_needs_the_token(client: httpx.Client, make_key: MakeKey) -> None:
    """As a header or as a form's field; another session's token will not do, and a key needs none."""
    key = make_key(Scope.SUBMIT)
    foreign = signed_in(client, key)
    csrf = signed_in(client, key)
    assert csrf != foreign
    for headers in ({}, {CSRF_HEADER: ""}, {CSRF_HEADER: foreign}):
        reply = client.post("/change", headers=headers)
        assert (reply.status_code, reply.json()["type"]) == (403, "urn:hls:problem:csrf")
    assert client.post("/form", data={"month": "202401"}).status_code == 403
    assert client.post("/form", data={"month": "202401", "csrf_token": foreign}).status_code == 403
    told = client.post("/form", data={"month": "202401", "csrf_token": csrf}).json()
    assert told == f"ada ({keys.id_of(key)}) 202401"
    assert client.post("/change", headers={"X-API-Key": key}).status_code == 200


@pytest.mark.parametrize("end", ["sign-out", "revoked", "expired key", "twelve hours", "static key changed"])
def test_a_session_ends(client: httpx.Client, app: FastAPI, make_key: MakeKey, end: str) -> None:
    """With sign-out, with its key, with time; what was issued for the static key ends when that is changed."""
    key = STATIC if end == "static key changed" else make_key(Scope.ADMIN, seconds=3600)
    signed_in(client, key)
    assert client.get("/look").status_code == 200
    cookie = client.cookies[COOKIE]
    if end == "sign-out":
        client.post("/sign-out")
    elif end == "static key changed":
        app.state.access = Access(
            app.state.settings.model_copy(update={"api_key": SecretStr("another static key")}), app.state.engine
        )
    else:
        _end_in_database(app, key, cookie, end)
    assert client.get("/look", headers={"Cookie": f"{COOKIE}={cookie}"}).status_code == 401


def _end_in_database(app: FastAPI, key: str, cookie: str, end: str) -> None:
    key_id = keys.id_of(key)
    assert key_id
    with Session(app.state.engine) as session, session.begin():
        row = store.key(session, key_id)
        signed = session.get(ApiSession, keys.digest(cookie))
        assert row
        assert signed
        if end == "revoked":
            service.revoke_key(session, key_id, actor="test")
        elif end == "expired key":
            row.expires_at = db.now()
        else:
            signed.expires_at = db.now()


def test_only_hashes_are_kept_and_old_sessions_go(client: httpx.Client, app: FastAPI, make_key: MakeKey) -> None:
    """The token is not in the database, and a sign-in clears away what has ended."""
    key = make_key(Scope.READ)
    signed_in(client, key)
    token = client.cookies[COOKIE]
    with app.state.engine.begin() as connection:
        rows = connection.execute(text("SELECT * FROM api_sessions")).all()
    assert len(rows) == 1
    assert token not in str(rows)
    with Session(app.state.engine) as session, session.begin():
        row = session.get(ApiSession, keys.digest(token))
        assert row
        row.expires_at = db.now() - timedelta(seconds=1)
    signed_in(client, STATIC)
    with app.state.engine.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM api_sessions")).scalar() == 1


def test_a_wrong_key_does_not_sign_in(client: httpx.Client) -> None:
    """401, and no cookie."""
    reply = client.post("/sign-in", data={"key": "wrong"})
    assert reply.status_code == 401
    assert "set-cookie" not in reply.headers
