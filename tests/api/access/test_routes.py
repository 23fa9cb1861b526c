"""Keys over HTTP: made, shown once, used, revoked; and what each scope may do."""

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI
from sqlmodel import Session

from api.access import keys, store
from api.access.scopes import Scope
from api.executors.memory import MemoryExecutor
from api.settings import Settings
from tests.api.access.conftest import STATIC, MakeKey, bearer
from tests.api.conftest import Serve

OPERATOR = bearer(STATIC)


def made(client: httpx.Client, **wishes: object) -> dict[str, str]:
    reply = client.post("/keys", json={"name": "ada", "scope": "read"} | wishes, headers=OPERATOR)
    assert reply.status_code == 201, reply.text
    key: dict[str, str] = reply.json()
    return key


def test_a_key_is_shown_once_and_kept_as_a_hash(client: httpx.Client, app: FastAPI) -> None:
    """The reply to its making has it; no other reply, and no row of the database, does."""
    key = made(client)
    assert re.fullmatch(rf"hls_{key['id']}_[0-9a-f]{{64}}", key["key"])
    secret = key["key"].rpartition("_")[2]
    listed = client.get("/keys", headers=OPERATOR)
    assert [each["id"] for each in listed.json()["keys"]] == [key["id"], "operator"]
    assert secret not in listed.text
    with Session(app.state.engine) as session:
        row = store.key(session, key["id"])
        assert row is not None
        assert row.digest == keys.digest(key["key"])
        assert secret not in str(row.model_dump())
        assert row.digest not in repr(row)
    assert key["createdBy"] == "operator"
    assert key["lastUsedAt"] is key["revokedAt"] is None


def test_a_key_works_in_either_header_until_it_is_revoked(client: httpx.Client) -> None:
    """Revoking is at once, for good, and may be done twice; the key stays in the list."""
    key = made(client)
    assert client.get("/whoami", headers=bearer(key["key"])).json() == {
        "name": "ada",
        "keyId": key["id"],
        "scope": "read",
    }
    assert client.get("/jobs", headers={"X-API-Key": key["key"]}).status_code == 200
    first = client.delete(f"/keys/{key['id']}", headers=OPERATOR).json()
    assert first["revokedAt"]
    assert client.delete(f"/keys/{key['id']}", headers=OPERATOR).json() == first
    for headers in (bearer(key["key"]), {"X-API-Key": key["key"]}):
        assert client.get("/jobs", headers=headers).status_code == 401
    assert len(client.get("/keys", headers=OPERATOR).json()["keys"]) == 2


def test_last_use_is_written_once_a_minute(client: httpx.Client, app: FastAPI) -> None:
    """The first use is written, the second not, and one a minute later again."""
    key = made(client)
    used = []
    for back in (timedelta(0), timedelta(0), timedelta(seconds=61)):
        with Session(app.state.engine) as session, session.begin():
            row = store.key(session, key["id"])
            assert row is not None
            if row.last_used_at:
                row.last_used_at -= back
        client.get("/whoami", headers=bearer(key["key"]))
        used.append(client.get("/keys", headers=OPERATOR).json()["keys"][0]["lastUsedAt"])
    assert used[0] == used[1] < used[2]


def test_who_did_what_is_recorded(client: httpx.Client, make_key: MakeKey) -> None:
    """The job names who asked for it and by which request; its events name who did each thing."""
    one, other = make_key(Scope.SUBMIT, name="ada"), make_key(Scope.ADMIN, name="grace")
    job = client.post("/jobs", json={"yearMonth": "202401"}, headers={**bearer(one), "X-Request-ID": "mine-7"}).json()
    assert job["createdBy"] == f"ada ({keys.id_of(one)})"
    assert job["requestId"] == "mine-7"
    client.post(job["links"]["cancel"], headers=bearer(other))
    events = client.get(job["links"]["events"], headers=bearer(one)).json()["events"]
    assert [event["who"] for event in events] == [job["createdBy"], f"grace ({keys.id_of(other)})"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"scope": "root"}, "scope"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
        ({"expiresAt": "2999-01-01T00:00:00"}, "expiresAt"),
        ({"expiresAt": "9999-12-31T23:59:59-12:00"}, "expiresAt"),
        ({"expires_at": "2999-01-01T00:00:00Z"}, "expires_at"),
    ],
)
def test_a_key_that_cannot_be_made(client: httpx.Client, wrong: dict[str, str], field: str) -> None:
    """422 with the field's name."""
    reply = client.post("/keys", json={"name": "ada", "scope": "read"} | wrong, headers=OPERATOR)
    assert reply.status_code == 422
    assert [fault["field"] for fault in reply.json()["errors"]] == [field]


def test_an_expiry_is_kept(client: httpx.Client) -> None:
    """In UTC, whatever zone it was given in."""
    at = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    key = made(client, expiresAt=at.isoformat())
    assert datetime.fromisoformat(client.get("/keys", headers=OPERATOR).json()["keys"][0]["expiresAt"]) == at
    assert client.get("/jobs", headers=bearer(key["key"])).status_code == 200


@pytest.mark.parametrize("key_id", ["0123456789ab", "nope", "%00", "é", "a" * 500])
def test_no_such_key(client: httpx.Client, key_id: str) -> None:
    """404, whatever the id looks like."""
    reply = client.delete(f"/keys/{key_id}", headers=OPERATOR)
    assert (reply.status_code, reply.json()["type"]) == (404, "urn:hls:problem:key-not-found")


def test_reads_may_be_open_to_everybody(guarded: Settings, executor: MemoryExecutor, serve: Serve) -> None:
    """Without a key one may read and nothing else; a wrong key is still refused."""
    from api.app import create_app

    client = serve(create_app(guarded.model_copy(update={"public_reads": True}), executor=executor))
    assert client.get("/jobs").status_code == 200
    assert client.get("/whoami").json() == {"name": "anonymous", "keyId": None, "scope": "read"}
    assert client.post("/jobs", json={"yearMonth": "202401"}).status_code == 403
    assert client.get("/keys").status_code == 403
    assert client.get("/jobs", headers=bearer("wrong")).status_code == 401


def test_the_first_key_closes_an_open_service(quiet_client: httpx.Client) -> None:
    """Without a static key everybody may do all, until a key is made; from then on keys are asked for, for good."""
    assert quiet_client.get("/whoami").json() == {"name": "anonymous", "keyId": None, "scope": "admin"}
    key = quiet_client.post("/keys", json={"name": "me", "scope": "admin"}).json()
    assert quiet_client.get("/jobs").status_code == 401
    assert quiet_client.delete(f"/keys/{key['id']}", headers=bearer(key["key"])).status_code == 200
    assert quiet_client.get("/jobs").status_code == 401


def test_the_first_key_can_make_others(quiet_client: httpx.Client) -> None:
    """Where everybody may do everything, a key that ends that for all must not leave the service without an admin."""
    for scope in ("read", "submit"):
        refused = quiet_client.post("/keys", json={"name": "ada", "scope": scope})
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:hls:problem:first-key-rules")
        assert quiet_client.get("/keys").json() == {"keys": []}
    first = quiet_client.post("/keys", json={"name": "ada", "scope": "admin"}).json()["key"]
    assert quiet_client.get("/keys").status_code == 401
    assert quiet_client.post("/keys", json={"name": "bob", "scope": "read"}, headers=bearer(first)).status_code == 201
