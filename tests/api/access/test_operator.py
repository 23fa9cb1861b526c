"""The operator's key, which is a setting: a key like the others, but for who ends it."""

from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlmodel import Session

from api.access import keys, service, store
from api.access.credentials import Access
from api.access.errors import KeyOfTheSetting
from api.access.models import ApiKey
from api.app import create_app
from api.executors.memory import MemoryExecutor
from api.settings import Settings
from tests.api.access.conftest import STATIC, bearer
from tests.api.conftest import Serve


def listed(client: httpx.Client, key: str = STATIC) -> dict[str, dict[str, object]]:
    return {each["id"]: each for each in client.get("/keys", headers=bearer(key)).json()["keys"]}


def test_it_is_the_first_key(client: httpx.Client, app: FastAPI) -> None:
    """It is listed with what it may do and its last use; nothing that it could be guessed from is kept."""
    assert client.get("/whoami", headers=bearer(STATIC)).json() == {
        "name": "operator",
        "keyId": "operator",
        "scope": "admin",
    }
    row = listed(client)["operator"]
    assert (row["name"], row["scope"], row["createdBy"]) == ("operator", "admin", "HLS_API_KEY")
    assert row["lastUsedAt"]
    assert row["revokedAt"] is row["expiresAt"] is None
    with Session(app.state.engine) as session:
        assert keys.digest(STATIC) not in str(session.get_one(ApiKey, "operator").model_dump())


def test_what_it_does_is_recorded_under_its_name(client: httpx.Client) -> None:
    """As ever, by key and by session."""
    job = client.post("/jobs", json={"yearMonth": "202401"}, headers=bearer(STATIC)).json()
    assert job["createdBy"] == "operator"
    assert client.post("/sign-in", data={"key": STATIC}).status_code == 303
    assert client.get("/whoami").json()["keyId"] == "operator"


def test_its_use_is_written_once_a_minute(client: httpx.Client, app: FastAPI) -> None:
    """And again when the minute is over."""
    first = listed(client)["operator"]["lastUsedAt"]
    assert listed(client)["operator"]["lastUsedAt"] == first
    with Session(app.state.engine) as session, session.begin():
        row = store.key(session, "operator")
        assert row
        assert row.last_used_at
        row.last_used_at -= timedelta(seconds=61)
    app.state.access._operator_due = 0
    client.get("/whoami", headers=bearer(STATIC))
    assert str(listed(client)["operator"]["lastUsedAt"]) >= str(first)


def test_no_call_revokes_it(client: httpx.Client, app: FastAPI) -> None:
    """409 says that it is a setting, over HTTP; the command says the same."""
    reply = client.delete("/keys/operator", headers=bearer(STATIC))
    assert (reply.status_code, reply.json()["type"]) == (409, "urn:hls:problem:key-of-the-setting")
    assert "HLS_API_KEY" in reply.json()["detail"]
    with Session(app.state.engine) as session, pytest.raises(KeyOfTheSetting):
        service.revoke_key(session, "operator", actor="command line")
    assert client.get("/jobs", headers=bearer(STATIC)).status_code == 200


def test_it_follows_the_setting(
    client: httpx.Client, guarded: Settings, executor: MemoryExecutor, serve: Serve
) -> None:
    """A service that starts without it marks it revoked, and one that starts with another value takes it back."""
    admin = client.post("/keys", json={"name": "ada", "scope": "admin"}, headers=bearer(STATIC)).json()["key"]
    without = serve(create_app(guarded.model_copy(update={"api_key": None}), executor=executor))
    assert without.get("/jobs", headers=bearer(STATIC)).status_code == 401
    assert listed(without, admin)["operator"]["revokedAt"]
    assert without.delete("/keys/operator", headers=bearer(admin)).status_code == 200
    other = "another static key"
    again = serve(create_app(guarded.model_copy(update={"api_key": SecretStr(other)}), executor=executor))
    assert listed(again, other)["operator"]["revokedAt"] is None
    assert again.get("/jobs", headers=bearer(STATIC)).status_code == 401


def test_it_alone_does_not_close_a_service_for_good(guarded: Settings, app: FastAPI) -> None:
    """Where no other key was ever made, a local service without the setting is open again."""
    without = Access(guarded.model_copy(update={"api_key": None}), app.state.engine)
    assert not without.is_guarded()
